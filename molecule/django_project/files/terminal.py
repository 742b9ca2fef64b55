"""Answers the questions that a command asks at a terminal, and ends as it does.

Usage: terminal.py 'QUESTION=ANSWER'... -- COMMAND...
"""

from __future__ import annotations

import os
import pty
import sys

split = sys.argv.index("--")
answers = [pair.partition("=")[::2] for pair in sys.argv[1:split]]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[split + 1], sys.argv[split + 1 :])
seen = ""
while True:
    try:
        read = os.read(terminal, 4096).decode(errors="replace")
    except OSError:
        break
    if not read:
        break
    sys.stdout.write(read)
    seen += read
    while answers and answers[0][0] in seen:
        seen = seen.partition(answers[0][0])[2]
        os.write(terminal, f"{answers.pop(0)[1]}\n".encode())
_pid, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
