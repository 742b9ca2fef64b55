"""As plain.py, with Flask, which reads FLASK_* variables when it is imported."""

from __future__ import annotations

import hashlib
import os

from flask import Flask, Response, jsonify

app = Flask(__name__)
app.config.from_prefixed_env(loads=str)
MAIL_PASSWORD = os.environ["MAIL_PASSWORD"]
FOUND = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in os.environ.items()}
FOUND["FLASK_SECRET_KEY"] = hashlib.sha256(app.config["SECRET_KEY"].encode()).hexdigest()


@app.get("/")
def front_page() -> Response:
    """Tell the digests."""
    return jsonify(FOUND)


@app.get("/fail")
def fail() -> Response:
    """Fail where a secret is a local variable."""
    password = MAIL_PASSWORD
    raise RuntimeError("broken on purpose" if password else "no password")
