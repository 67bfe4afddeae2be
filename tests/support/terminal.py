"""Runs a command on a terminal of its own, and types when it is asked.

    python3 tests/terminal.py '[["question", "answer\\n"], ...]' COMMAND...

Each answer is typed once its question has been printed. Prints what the
terminal shows, and exits with the command's code, or 255 if a signal ended it.
"""

import json
import os
import pty
import sys

dialogue = json.loads(sys.argv[1])
process, terminal = pty.fork()
if process == 0:
    os.execvp(sys.argv[2], sys.argv[2:])

shown = b""
seen = 0
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:  # how Linux tells the end
        part = b""
    if not part:
        break
    shown += part
    while dialogue:
        question, answer = dialogue[0]
        at = shown.find(question.encode(), seen)
        if at < 0:
            break
        seen = at + len(question.encode())
        os.write(terminal, answer.encode())
        dialogue.pop(0)

sys.stdout.buffer.write(shown)
code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
sys.exit(code if code >= 0 else 255)
