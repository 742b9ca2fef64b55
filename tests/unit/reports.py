# Copyright: palisade.mod_wsgi contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The example report, and reports of any text."""

from __future__ import annotations

import copy
import json
from typing import Any

from ansible_collections.palisade.mod_wsgi.plugins.plugin_utils.report.document import (
    CONFIDENCES,
    SEVERITIES,
    STATUSES,
    Document,
    Result,
    read,
)
from ansible_collections.palisade.mod_wsgi.tests.unit.support import FIXTURES
from hypothesis import strategies as st

_EXAMPLE = json.loads((FIXTURES / "audit" / "report.json").read_text(encoding="utf-8"))

# What a document, a terminal or a browser may trip over, beside any other character and half of a surrogate pair.
NASTY = (
    "<script>alert(1)</script>",
    "]]>",
    "-->",
    "\"'&",
    "\n- passed",
    "\x1b[2J",
    "\u202egnp",
    "\u2028",
    "{0}",
    "\x00",
    "\udc80",
)
TEXT = st.lists(st.sampled_from(NASTY) | st.text(st.characters(), max_size=5), max_size=4).map("".join)


def example() -> Document:
    """Return the example report as a copy."""
    return read(copy.deepcopy(_EXAMPLE))


def result(**fields: Any) -> Result:
    """Return the first result of the example, with other fields."""
    found: Result = {**example()["results"][0], **fields}
    return found


def document(*results: Result) -> Document:
    """Return the example with these results."""
    return read({**example(), "results": list(results)})


RESULTS = st.fixed_dictionaries(
    {
        "rule_id": TEXT,
        "title": TEXT,
        "severity": st.sampled_from(SEVERITIES),
        "confidence": st.sampled_from(CONFIDENCES),
        "status": st.sampled_from(STATUSES),
        "subject": st.fixed_dictionaries({"kind": TEXT, "name": TEXT}),
        "instance": TEXT,
        "evidence": st.lists(
            st.fixed_dictionaries(
                {
                    "kind": st.sampled_from(["config", "stat", "http"]),
                    "source": TEXT | TEXT.map(lambda text: f"/{text}:7"),
                    "observed": TEXT,
                    "expected": TEXT,
                }
            ),
            max_size=2,
        ),
        "remedy": st.fixed_dictionaries({"text": TEXT, "variable": TEXT, "by_hand": st.lists(TEXT, max_size=2)}),
        "attack": TEXT,
        "reference": st.fixed_dictionaries({"page": TEXT, "cis": TEXT}),
        "fingerprint": TEXT,
    },
    optional={
        "waiver": st.fixed_dictionaries({"reason": TEXT, "owner": TEXT, "expires": st.just("2027-01-01")}),
        "baseline": st.sampled_from(["new", "known"]),
    },
)
DOCUMENTS = st.builds(
    lambda host, results: read({**_EXAMPLE, "host": host, "collected_at": host, "results": results}),
    TEXT,
    st.lists(RESULTS, max_size=3),
)
