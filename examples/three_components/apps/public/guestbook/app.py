"""The public site: a front page that counts its visitors and a book that they can sign."""

import os
from pathlib import Path

from flask import Flask, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from guestbook.book import Book

if not os.environ.get("APP_DATA"):
    raise RuntimeError("APP_DATA is not set: add it to the app's `environment`")

app = Flask(__name__)
# Small enough that a form is parsed in memory and never needs a temporary file.
app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
book = Book(Path(os.environ["APP_DATA"]))


@app.get("/")
def front_page() -> str:
    """Greet the visitor; a HEAD request looks without being counted."""
    return render_template("front_page.html", page=book.read() if request.method == "HEAD" else book.visit())


@app.post("/sign")
def sign() -> AnyResponse:
    """Take an entry for the book."""
    name, text = (" ".join(request.form.get(field, "").split()) for field in ("name", "text"))
    if not 1 <= len(name) <= 40 or not 1 <= len(text) <= 280:
        abort(400, "A name of 1 to 40 characters and a text of 1 to 280 are needed.")
    book.sign({"name": name, "text": text})
    return redirect(url_for("front_page"), 303)


@app.after_request
def harden(response: Response) -> Response:
    """Let no page run scripts, load anything or be framed."""
    response.headers["Content-Security-Policy"] = "default-src 'none'; form-action 'self'; frame-ancestors 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response
