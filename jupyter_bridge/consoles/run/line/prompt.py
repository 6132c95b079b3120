"""Prompt: whether the shell at the end of a line waits for one, told by its terminal's words alone.

There is no process table to look into. It shows in what was said last, and in how a key is taken
that does nothing. A line editor says when it begins and when it leaves (bracketed paste); where
there is none, the terminal's own line mode shows the key.
"""

from __future__ import annotations

import asyncio
import contextlib
import re

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.problems import Busy, Gone
from jupyter_bridge.wire import ansi

# A prompt is there when nothing more comes for so long; seconds.
QUIET = 0.15
# A prompt that surely comes is drawn when nothing follows for so long; seconds.
DRAWN = 0.04
# A far terminal answers a key within this; seconds.
REACTION = 2.0
# Something else may be said while a prompt is looked at: it is looked again, so often.
LOOKS = 3
# So much of what the terminal said last is looked at, bytes.
LOOK_BYTES = 16 << 10

# Ctrl-E echoes nothing in a line editor (and `^E` in a terminal's own line mode), a space is seen;
# Ctrl-U takes both back, and whatever somebody typed and did not send.
_KEYS = b"\x05 "
KILL_LINE = b"\x15"

_EDITOR = re.compile(rb"\x1b\[\?2004([hl])")
_SCREEN = re.compile(rb"\x1b\[\?(?:1049|1047|47)([hl])")
_PROMPT = re.compile("[$#%>\u276f\u279c\u00bb\u03bb]\\s*$")
# Who asks for a line and is no shell, or no POSIX one: Python, IPython, pdb, `sqlite>`, PowerShell;
# and a shell in the midst of a command.
_OTHER = re.compile(
    r"(>>>|^\.\.\.|In \[\d+\]:|\((Pdb|gdb)\)|^\w*>|^irb.*>|^MariaDB.*>|^PS .*>)\s*$"
)


class Prompt:
    """The prompt of one console; holds whether it is known to be there."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._loop = asyncio.get_running_loop()
        # It was there: the console's end then, and how often had been typed.
        self._known: tuple[int, int] | None = None
        # What was said up to there is taken account of.
        self._looked = 0

    async def wait(self, patience: float | None) -> None:
        """Return when a shell waits for a line; Busy after `patience` seconds (None: never).

        Raises Gone when the console ends first. What is typed to find out is taken back; as long
        as nothing new is said, nothing more is typed.
        """
        console = self._console
        until = None if patience is None else self._loop.time() + patience
        looks = 0
        while self._known != self._now() or console.state == "ended":
            await self.settle(1.0)
            if console.state == "ended":
                raise Gone(f"Console {console.name!r} ended before the command was typed.")
            found = await self.is_there()
            if found:
                return
            looks += 1
            if found is None and looks < LOOKS:
                continue
            left = None if until is None else max(0.0, until - self._loop.time())
            # Not from its present end: more may have been said while it was looked at.
            if not await more(console, self._looked, left):
                raise Busy(
                    f"Console {console.name!r} shows no shell's prompt: something else is in its "
                    "foreground. Try later, or ask with queue: true."
                )
            looks = 0

    async def settle(self, most: float, quiet: float = QUIET) -> None:
        """Return when nothing was said for `quiet` seconds, or after `most`."""
        until = self._loop.time() + most
        while self._loop.time() < until:
            if not await more(self._console, self._console.end_offset, quiet):
                return

    async def is_there(self) -> bool | None:
        """Whether it looks so, and a key is taken as a shell's prompt takes it.

        None: something else was said meanwhile, which may be the end of a program and a prompt.
        """
        start = self._looked = self._console.end_offset
        said = await self._said()
        last = _last_line(said)
        if _last(_SCREEN, said) == b"h" or _OTHER.search(last):
            return False
        edits = _last(_EDITOR, said) == b"h"
        if not edits and not last.strip():
            return False
        seen = await self._react(start)
        if not seen:
            return False
        # In a line mode that is the terminal's own, what was typed has been taken back by now.
        in_line_mode = b"^E" in seen or b"\x05" in seen
        if in_line_mode and not edits:
            last = _last_line(await self._said())
        found = edits or not in_line_mode or bool(_PROMPT.search(last))
        # Whatever was typed just before shows only now. A line editor's own newlines are of a line
        # that is longer than the screen is wide.
        if _EDITOR.search(seen) if edits else b"\n" in seen and _last_line(seen).strip():
            return None
        if found:
            self.is_drawn()
        return found

    async def _said(self) -> bytes:
        return await asyncio.to_thread(self._console.newest, LOOK_BYTES)

    async def _react(self, start: int) -> bytes:
        """What is said from `start` on when keys are typed and taken back."""
        try:
            await self._console.write(_KEYS)
            await more(self._console, start, REACTION)
        finally:
            await self._console.write(KILL_LINE)
        await self.settle(REACTION)
        parts: list[bytes] = []
        while data := self._console.read(start, LOOK_BYTES):
            parts.append(data)
            start += len(data)
        self._looked = self._console.end_offset
        return b"".join(parts)

    def is_drawn(self) -> None:
        """The shell has shown it, and nobody typed since."""
        self._known = self._now()

    def is_left(self) -> None:
        """Something is typed there."""
        self._known = None

    def _now(self) -> tuple[int, int]:
        return self._console.end_offset, self._console.typed


def shows_prompt(said: bytes, *, edits: bool) -> bool:
    """Whether what was said ends with a shell's prompt; `edits`: surely in a line editor."""
    if _last(_SCREEN, said) == b"h" or (edits and _last(_EDITOR, said) != b"h"):
        return False
    last = _last_line(said)
    return bool(_PROMPT.search(last)) and not _OTHER.search(last)


async def more(console: Console, offset: int, patience: float | None) -> bool:
    """Whether something is said after `offset` within so many seconds (None: some time)."""
    if console.end_offset > offset:
        return True
    with contextlib.suppress(asyncio.TimeoutError):
        await within(patience, console.wait(offset))
    return console.end_offset > offset or console.state == "ended"


def _last_line(said: bytes) -> str:
    """The text of the screen's last line, as far as it can be told without a screen."""
    text = ansi.strip(said.replace(b"\r\n", b"\n")).decode("utf-8", "replace")
    text = text.rpartition("\n")[2].rpartition("\r")[2].replace("\x07", "")
    shown: list[str] = []
    for character in text if "\b" in text else ():
        if character != "\b":
            shown.append(character)
        elif shown:
            shown.pop()
    return "".join(shown) if "\b" in text else text


def _last(pattern: re.Pattern[bytes], data: bytes) -> bytes | None:
    """What the last match says."""
    found = None
    for match in pattern.finditer(data):
        found = match[1]
    return found
