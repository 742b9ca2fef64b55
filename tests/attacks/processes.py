"""From inside forum: reaching the processes, the socket and the logs of shop."""

from __future__ import annotations

from ansible_collections.palisade.mod_wsgi.tests.attacks.hosts import Deployment
from ansible_collections.palisade.mod_wsgi.tests.attacks.registry import (
    Outcome,
    UnclearError,
    attack,
    refused,
    succeeded,
)
from ansible_collections.palisade.mod_wsgi.tests.fixtures.clients.run import content

GROUP = "Reaching another app's processes"


@attack(GROUP, 8, "U5")
def kill_a_process_of_another_app(there: Deployment) -> Outcome:
    """Sends SIGKILL to a process of shop."""
    pid = there.processes("shop")[0]
    answer = there.inside("forum", "kill", pid, 9)
    if answer.errno:
        return answer.refusal()
    there.wait()
    if pid in there.processes("shop"):
        raise UnclearError("the signal was sent, and the process runs")
    return succeeded("the process has ended")


@attack(GROUP, 9, "U5", "X-COREDUMP", variant="core-dumps")
def trace_a_process_of_another_app(there: Deployment) -> Outcome:
    """Attaches to a process of shop with ptrace, as a debugger does."""
    answer = there.inside("forum", "ptrace", there.processes("shop")[0])
    return answer.judge("forum holds it, and could read and change its memory")


@attack(GROUP, 112, "U3", "F17")
def connect_to_the_socket_of_another_pool(there: Deployment) -> Outcome:
    """Connects to the Unix socket on which shop's pool takes requests from Apache."""
    # A daemon holds no socket but its own pool's.
    inodes = there.run("ls -l /proc/%s/fd | sed -n 's/.*socket:.\\([0-9]*\\).*/\\1/p'", there.processes("shop")[0])
    rows = [line.split() for line in there.run("cat /proc/net/unix").splitlines()]
    (path,) = {row[7] for row in rows if len(row) > 7 and row[6] in inodes.split() and row[7].endswith(".sock")}
    return there.inside("forum", "connect", there.exists(path)).judge("the pool's socket takes the connection")


@attack(GROUP, 8)
def forge_lines_in_the_log_of_another_app(there: Deployment) -> Outcome:
    """Writes to every log that it was started with open, which are the access logs of all sites."""
    before = there.text(there.path("log", "shop")).count("forged")
    _status, text = there.ask("forum", "/", "X-Do: descriptors")
    written = content(text).get("descriptors")
    if content(text).get("account") != there.account("forum") or written is None:
        raise UnclearError("forum does not answer")
    if there.text(there.path("log", "shop")).count("forged") > before:
        return succeeded("shop's access log has a line of forum's")
    if written:
        raise UnclearError("a log was open, and the line is not in shop's")
    return refused("none is open")
