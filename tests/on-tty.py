# SPDX-License-Identifier: GPL-3.0-or-later
"""on-tty.py ANSWERS COMMAND...: run COMMAND on a terminal of its own.

Each line of ANSWERS is typed when a question stands there (its line ends in "] "), a control
character without a newline. What the
terminal showed goes to standard output; the status is the command's, 128 + N for a signal N.
"""
import os
import pty
import sys

answers = sys.argv[1].split("\n")
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])

shown = asked = b""
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:  # EIO: the last process has closed it
        break
    shown += data
    asked += data
    if asked.endswith(b"] ") and answers:
        asked = b""
        answer = answers.pop(0).encode()
        os.write(terminal, answer if answer and answer < b" " else answer + b"\n")

sys.stdout.buffer.write(shown.replace(b"\r\n", b"\n"))
sys.stdout.flush()
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if status >= 0 else 128 - status)
