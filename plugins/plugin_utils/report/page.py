# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the HTML pages have in common: style and script, which a Content-Security-Policy allows by their hashes."""

from __future__ import annotations

import base64
import hashlib
import html

from .document import visible

STYLE = """
:root {
  color-scheme: light dark;
  --back: #f6f7f9; --card: #fff; --text: #1b1f24; --quiet: #57606a; --line: #d0d7de;
  --critical: #8b0a1a; --high: #b42318; --medium: #8a5a00; --low: #1f5fa8; --info: #57606a;
  --pass: #1a6b35; --unknown: #6b3fa0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #12151a; --card: #1b2027; --text: #e6e9ee; --quiet: #a3adb8; --line: #39414b;
    --critical: #ff8c94; --high: #ff9e8f; --medium: #f0bf5b; --low: #86baf5; --info: #a3adb8;
    --pass: #7fd19b; --unknown: #c7a6f5;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.125rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; padding-bottom: .25rem; border-bottom: 2px solid var(--line); }
h4 { font-size: .875rem; margin: 1rem 0 .25rem; color: var(--quiet); }
p { margin: .25rem 0; }
.quiet { color: var(--quiet); }
.critical { --mark: var(--critical); } .high { --mark: var(--high); } .medium { --mark: var(--medium); }
.low { --mark: var(--low); } .info { --mark: var(--info); } .pass { --mark: var(--pass); }
.unknown, .error { --mark: var(--unknown); } .waived, .not_applicable { --mark: var(--info); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(5.5rem, 1fr)); gap: .5rem; margin: 0 0 .5rem;
  padding: 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--line); border-top: .25rem solid var(--mark);
  border-radius: .375rem; padding: .375rem .625rem; }
.tiles b { display: block; font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tiles .none { opacity: .6; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .375rem; margin: .5rem 0;
  padding-top: .625rem; }
.hosts { margin: 0; padding: 0; list-style: none; }
.hosts li { border-inline-start: .25rem solid var(--mark); padding: .625rem .75rem; }
.hosts .title { margin-inline-end: .5rem; }
a { color: var(--low); }
form { position: sticky; top: 0; z-index: 1; background: var(--back); border-bottom: 1px solid var(--line);
  padding: .5rem 0; display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
input, select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: .375rem; padding: .375rem .5rem; min-height: 2.5rem; }
input { flex: 1 1 12rem; min-width: 0; }
select { flex: 0 1 auto; min-width: 0; }
output { flex: 1 0 100%; font-size: .875rem; color: var(--quiet); }
details { background: var(--card); border: 1px solid var(--line); border-inline-start: .25rem solid var(--mark);
  border-radius: .375rem; margin: .5rem 0; }
summary { cursor: pointer; padding: .625rem .75rem; display: grid; grid-template-columns: 8rem 1fr 1rem;
  gap: 0 .625rem; align-items: baseline; }
summary::after { content: "+"; color: var(--quiet); grid-column: 3; grid-row: 1; text-align: center; }
[open] > summary::after { content: "\\2212"; }
summary::-webkit-details-marker { display: none; }
.badge { justify-self: start;
  color: var(--mark); border: 1px solid var(--mark); border-radius: 1rem;
  padding: 0 .5rem; font-size: .75rem;
  font-weight: 600; white-space: nowrap; }
.title { font-weight: 600; unicode-bidi: isolate; }
.subject { grid-column: 2; color: var(--quiet); font-size: .875rem; unicode-bidi: isolate; }
dl { margin: 0; padding: 0 .75rem .75rem; display: grid; grid-template-columns: 8rem 1fr; gap: .5rem .75rem; }
dt { color: var(--quiet); }
dd { margin: 0; min-width: 0; }
.value { font: .875rem/1.4 ui-monospace, monospace; unicode-bidi: isolate; }
dd p:first-child { margin-top: 0; }
dd ul { margin: 0; padding: 0; list-style: none; }
dd li + li { margin-top: .5rem; }
dd li.step { background: var(--back); border-radius: .25rem; padding: .25rem .5rem; }
:focus-visible { outline: 2px solid var(--low); outline-offset: 2px; }
[hidden] { display: none !important; }
@media (max-width: 36rem) {
  dl { grid-template-columns: 1fr; gap: 0; }
  dt { margin-top: .5rem; font-size: .875rem; }
  input { flex-basis: 100%; }
  select { flex: 1 1 8rem; }
  summary { grid-template-columns: auto 1fr 1rem; }
  form { position: static; }
}
@media print {
  :root { --back: #fff; --card: #fff; --text: #000; --quiet: #333; --line: #999;
    --critical: #8b0a1a; --high: #b42318; --medium: #8a5a00; --low: #1f5fa8; --info: #333;
    --pass: #1a6b35; --unknown: #6b3fa0; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  form, summary::after { display: none; }
  h2, h3, h4, summary { break-after: avoid; }
  .tiles li { break-inside: avoid; }
  dl { display: block; }
  dt { float: inline-start; clear: both; }
  dd { margin-inline-start: 8rem; padding-bottom: .375rem; break-inside: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""

SCRIPT = """
"use strict";
(() => {
  const form = document.querySelector("form");
  const shown = document.querySelector("output");
  const findings = [...document.querySelectorAll("details")].map((element) => ({
    element,
    status: element.dataset.status,
    severity: element.dataset.severity,
    text: element.textContent.toLowerCase(),
  }));
  const groups = document.querySelectorAll("section");
  const show = () => {
    const words = form.search.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const status = form.status.value;
    const severity = form.severity.value;
    let number = 0;
    for (const finding of findings) {
      const wanted = (status === "all" || finding.status === status
          || (status === "unsettled" && ["fail", "error", "unknown"].includes(finding.status)))
        && (severity === "all" || finding.severity === severity)
        && words.every((word) => finding.text.includes(word));
      finding.element.hidden = !wanted;
      number += wanted ? 1 : 0;
    }
    for (const group of groups) group.hidden = !group.querySelector("details:not([hidden])");
    shown.value = `${number} of ${findings.length} results shown`;
  };
  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = findings.filter(({element}) => !element.hidden && !element.open);
    for (const {element} of opened) element.open = true;
  });
  addEventListener("afterprint", () => {
    for (const {element} of opened) element.open = false;
  });
  show();
})();
"""


def text(value: str) -> str:
    """Return text of the host as text of the page."""
    return html.escape(visible(value))


def tile(name: str, label: str, number: int) -> str:
    """Return a number with what it counts."""
    return f'<li class="{name}{"" if number else " none"}"><b>{number}</b>{label}</li>'


def whole(title: str, said: str, body: str, script: str = "") -> str:
    """Return the page; title and said are text, body is HTML."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{text(title)}</h1>
<p class="quiet">{text(said)}</p>
</header>
<main>
{body}
</main>{f"{chr(10)}<script>{script}</script>" if script else ""}
</body>
</html>
"""


def _policy(script: str) -> str:
    def allowed(part: str) -> str:
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        return f"'sha256-{digest}'" if part else "'none'"

    rules = [
        "default-src 'none'",
        f"script-src {allowed(script)}",
        f"style-src {allowed(STYLE)}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return html.escape("; ".join(rules), quote=False)
