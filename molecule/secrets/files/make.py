"""Prints secrets as YAML: random words that can be searched for, around what is hard to quote.

They are new with every run, so a copy that an earlier run left somewhere is not found.
"""

from __future__ import annotations

import json
import secrets

SHAPES = {
    "staff": {
        "SECRET_KEY": "-\"'\\`!#$&*();|<> ",
        "DATABASE_URL": "postgres://shop:{}%40{}@db.internal/shop?sslmode=require",
    },
    "book": {
        "FLASK_SECRET_KEY": "%{ENV:HOME} %n %% 100% ${HOME} $(id) {{ 7 * 7 }} {% raw %}",
        "MAIL_PASSWORD": "ünïcödé ☃ 𝄞",
    },
    "plain": {"TOKEN": "\n</VirtualHost>\n\tline two\r\n", "LONG": "x" * 9000, "TEMPORARY": ": - [] {} @ "},
}


def word() -> str:
    return secrets.token_hex(12)


def value(shape: str) -> str:
    return shape.format(word(), word()) if "{}@" in shape else word() + shape + word()


def text(value: str) -> str:
    # Not templated by Ansible; and with no escape of JSON's that YAML reads in another way.
    return f"!unsafe {json.dumps(value, ensure_ascii=False)}"


lines = [f"planted: {text(word())}", f"misplaced: {text(word())}"]
for generation in ("secrets_1", "secrets_2"):
    lines.append(f"{generation}:")
    for app, shapes in SHAPES.items():
        lines.append(f"  {app}:")
        for name, shape in shapes.items():
            if (generation, name) != ("secrets_2", "TEMPORARY"):
                lines.append(f"    {name}: {text(value(shape))}")
print("\n".join(lines))
