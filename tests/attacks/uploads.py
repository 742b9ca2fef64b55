"""A visitor uploads a file, which forum keeps where it keeps uploads, and asks for it."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Deployment
from ansible_collections.palisade.mod_wsgi.tests.attacks.reading import keep
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import (
    Outcome,
    UnclearError,
    attack,
    refused,
    succeeded,
)
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import ask_each, body, content

GROUP = "Running uploaded files"
PROGRAM = """
import os
import pwd


def application(environ, start_response):
    said = ("ran as " + pwd.getpwuid(os.geteuid()).pw_name).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]
"""
HANDLER = "Options +ExecCGI\nAddHandler wsgi-script .jpg\n"


def upload(there: Deployment, name: str, text: str) -> None:
    path = f"{there.path('uploads', 'forum')}/{name}"
    if there.inside("forum", keep, path, text).errno:
        raise UnclearError("forum cannot keep uploads")
    there.exists(path)


def run_by(there: Deployment, paths: Sequence[str]) -> Outcome:
    """Ask for the paths: forum may answer itself, Apache may send the program as text, and nobody is to run it."""
    answers = ask_each(there.host, "forum.test", paths)
    by_forum = {path for path, (_status, text) in answers.items() if content(text).get("group") == "forum"}
    as_text = {path for path, (_status, text) in answers.items() if body(text) == PROGRAM}
    for path, (status, text) in answers.items():
        if body(text).startswith("ran as "):
            return succeeded(f"{path} {body(text)}")
        if path not in by_forum | as_text and status not in (403, 404):
            raise UnclearError(f"{path} answers {status}")
    if not by_forum | as_text:
        raise UnclearError("forum answers nothing")
    return refused("Apache sends it as it is" if as_text else "no URL leads to it, forum answers itself")


@attack(GROUP, 99, "F9", "F11")
def upload_a_wsgi_file(there: Deployment) -> Outcome:
    """Uploads a `.wsgi` file and asks for it, so that mod_wsgi runs it."""
    upload(there, "shell.wsgi", PROGRAM)
    places = ("uploads", "data/uploads", "static", "static/../uploads", "static/..%2f..%2f..%2f..%2fdata/uploads")
    return run_by(there, [f"/{place}/shell.wsgi" for place in places])


@attack(GROUP, 99, "F11", "I8")
def upload_a_htaccess_file(there: Deployment) -> Outcome:
    """Uploads a `.htaccess` that has mod_wsgi run pictures, and a picture that is a program."""
    upload(there, ".htaccess", HANDLER)
    upload(there, "photo.jpg", PROGRAM)
    return run_by(there, [f"/{place}/photo.jpg" for place in ("uploads", "data/uploads", "static")])


@attack(GROUP, 99, "F11", "I8")
def use_a_htaccess_file_among_the_served_files(there: Deployment) -> Outcome:
    """Does the same with both files in a directory that Apache serves; root puts them there where forum cannot."""
    directory = there.exists(f"{there.path('code', 'forum')}/static")
    answers = [there.inside("forum", keep, f"{directory}/{name}", text) for name, text in FILES.items()]
    if not any(answer.errno for answer in answers):
        return run_by(there, ["/static/photo.jpg"])
    refusal = answers[0].refusal()
    try:
        for name, text in FILES.items():
            # With what lets Apache read it.
            there.run("cp -a %s/style.css %s", directory, f"{directory}/{name}")
            there.write(f"{directory}/{name}", text)
        outcome = run_by(there, ["/static/photo.jpg"])
    finally:
        there.run("rm -f %s/.htaccess %s/photo.jpg", directory, directory)
    return outcome if outcome.succeeded else refused(f"{refusal.proof}; put there by root: {outcome.proof}")


FILES = {".htaccess": HANDLER, "photo.jpg": PROGRAM}
