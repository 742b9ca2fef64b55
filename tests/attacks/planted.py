"""forum plants a symbolic link where root will come by."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Deployment, Ours
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import (
    Outcome,
    UnclearError,
    attack,
    refused,
    succeeded,
)

GROUP = "Links that root follows"
KEYS = "/root/keys"
JOB = "/etc/cron.d/planted"


def put_link(target: str, path: str) -> None:
    import os

    os.rename(path, f"{path}.aside")
    os.symlink(target, path)


@attack(GROUP, 98, "F20")
def plant_a_link_for_the_next_deployment(there: Deployment) -> Outcome:
    """Replaces its directory of uploads by a link to root's keys, and waits for the next deployment."""
    there.run("rm -rf %s && install -d -m 700 %s", KEYS, KEYS)
    uploads = there.path("uploads", "forum")
    if there.inside("forum", put_link, KEYS, uploads).errno:
        raise UnclearError("forum cannot replace its own directory")
    try:
        said = deploy_again(there, uploads)
        owner = there.run("stat -c '%%U %%a' %s", KEYS)
    finally:
        there.run("rm %s && mv %s.aside %s", uploads, uploads, uploads)
    if owner != "root 700":
        return succeeded(f"the directory of keys belongs to {owner.split()[0]} now")
    if "link" not in said:
        raise UnclearError("the deployment says nothing of the link, and the keys are root's")
    return refused(f"the play stops: `{said}`")


def deploy_again(there: Deployment, uploads: str) -> str:
    """Deploy once more, and return the error that came of it."""
    if isinstance(there, Ours):
        code, said = there.play()
        return said if code else ""
    # As in a script or by Ansible's own module file.
    account = there.account("forum")
    there.run("install -d -o %s -g %s %s", account, account, uploads)
    return ""


@attack(GROUP, 97, "F20", variant="accounts")
def plant_a_link_for_the_log(there: Deployment) -> Outcome:
    """Replaces its access log by a link into `/etc/cron.d`; then Apache reloads, logs are rotated, and a line comes."""
    there.run("rm -f %s", JOB)
    log = there.exists(there.path("log", "forum"))
    answer = there.inside("forum", put_link, JOB, log)
    there.run("logrotate --force /etc/logrotate.d/apache2; systemctl reload apache2; sleep 3")
    there.wait()
    there.ask("forum", "/", "User-Agent: words of the attacker")
    if there.host.file(JOB).exists:
        text, owner = there.text(JOB), there.run("stat -c %%U %s", JOB)
        there.run("rm -f %s", JOB)
        if "words of the attacker" in text and owner == "root":
            return succeeded("root made /etc/cron.d/planted, and words of the attacker are in it")
        raise UnclearError(f"{JOB} is {owner}'s and has not the words")
    return answer.refusal()
