r"""What a shell that was started by `startup.py` says about its prompt.

ESC ] 133 ; A ; jb=<key> BEL                     a prompt follows
ESC ] 133 ; B ; jb=<key> BEL                     the prompt's last line follows (bash, sh)
ESC ] 133 ; I ; jb=<key> BEL                     what is typed follows (sh)
ESC ] 133 ; P ; k=s ; jb=<key> BEL               the prompt of an unfinished command (PS2)
ESC ] 133 ; C ; jb=<key> [; cmdline…] BEL        a command begins (not in sh)
ESC ] 133 ; E ; jb=<key> ; cmdline=… BEL         the text of the command that ends (bash)
ESC ] 133 ; D ; <status> ; jb=<key> ; <cwd> BEL  it has ended
ESC ] 133 ; R ; jb=<key> BEL                     the key was pressed, but not at the prompt
"""

from __future__ import annotations

import re
from typing import Literal

# The longest mark up to the end of its key, bytes.
_LONGEST = 64

State = Literal["unknown", "prompt", "command", "continuation"]
_STATES: dict[bytes, State] = {
    b"A": "prompt",
    b"B": "prompt",
    b"C": "command",
    b"P": "continuation",
}


def runs_command(program: str) -> str:
    """Return the sentence that it does not read a command."""
    return f"{program} runs a command, or reads its input itself."


class PromptState:
    """Follows one terminal's output, wherever it is cut.

    `state` is by the last mark; `ended_line` says that a line ended since, as in sh, which tells no
    command's begin; `status` is that of the last command; `shown` and `refused` count the marks B
    and R.
    """

    def __init__(self, key: str) -> None:
        self.state: State = "unknown"
        self.ended_line = False
        self.status: int | None = None
        self.shown = self.refused = 0
        self._tag = b";jb=" + key.encode("ascii")
        self._mark = re.compile(
            rb"\x1b\]133;([ABCDPR])(?:;([0-9]{1,3})|;k=s)?" + re.escape(self._tag)
        )
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Take note of these bytes, which follow the last ones."""
        whole = self._tail + data
        seen = len(self._tail)
        after = 0
        if self._tag in whole:
            for mark in self._mark.finditer(whole):
                if mark.end() > seen:
                    self._note(mark[1], mark[2])
                    if mark[1] in _STATES:
                        after = mark.end()
        if not self.ended_line:
            self.ended_line = whole.find(b"\n", max(after, seen)) >= 0
        self._tail = whole[-_LONGEST:]

    def lost(self) -> None:
        """Take note that output is missing: only the next mark tells the state."""
        self.state = "unknown"
        self._tail = b""

    def why_not(self, program: str) -> str | None:
        """Return why this shell does not read a command, as a sentence; None if it may."""
        if self.state == "continuation":
            return "the shell waits for the rest of a command."
        if self.state == "unknown":
            return f"{program} has not shown a prompt that the bridge knows."
        return runs_command(program) if self.state == "command" else None

    def _note(self, letter: bytes, status: bytes | None) -> None:
        if letter == b"R":
            self.refused += 1
        elif letter == b"D":
            self.status = int(status or 0)
        else:
            self.state = _STATES[letter]
            self.shown += letter == b"B"
            self.ended_line = False
