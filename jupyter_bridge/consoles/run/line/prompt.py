"""Prompt: tell whether a remote shell waits for a line, only from its terminal's output.

There is no process table. A prompt is recognized by the last output, and by the reaction to a key
that does nothing. A line editor announces its start and end (bracketed paste); without an editor,
the terminal's own line mode echoes the key.
"""

from __future__ import annotations

import asyncio
import re

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import more
from jupyter_bridge.problems import Busy, Gone
from jupyter_bridge.wire import ansi

# A possible prompt is complete after a silence of this, seconds.
QUIET = 0.15
# A prompt that is sure to come is complete after a silence of this, seconds.
DRAWN = 0.04
# How long a remote terminal may take to answer a key, seconds.
REACTION = 2.0
# How many times a prompt is tested if other output comes during the test.
LOOKS = 3
# How much of the last output is examined, bytes.
LOOK_BYTES = 16 << 10

# Ctrl-E echoes nothing in a line editor (`^E` in a terminal's own line mode), a space is echoed.
# Ctrl-U deletes both, and any other text typed but not sent.
_KEYS = b"\x05 "
KILL_LINE = b"\x15"

_EDITOR = re.compile(rb"\x1b\[\?2004([hl])")
_SCREEN = re.compile(rb"\x1b\[\?(?:1049|1047|47)([hl])")
_PROMPT = re.compile("[$#%>\u276f\u279c\u00bb\u03bb]\\s*$")
# Prompts of programs that are no POSIX shell (Python, IPython, pdb, `sqlite>`, PowerShell), and of
# a shell in the middle of a command.
_OTHER = re.compile(
    r"(>>>|^\.\.\.|In \[\d+\]:|\((Pdb|gdb)\)|^\w*>|^irb.*>|^MariaDB.*>|^PS .*>)\s*$"
)


class Prompt:
    """The prompt of one console, and whether the shell is known to be there."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._loop = asyncio.get_running_loop()
        # The console's end and `typed` count when the prompt was last seen.
        self._known: tuple[int, int] | None = None
        # The output up to this offset has been examined.
        self._looked = 0

    async def wait(self, patience: float | None) -> None:
        """Return when a shell is at its prompt; Busy after `patience` seconds (None: never).

        Raises Gone if the console ends first. The keys of a test are deleted again, and there is
        no further test until new output comes.
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
            # Not from the present end: output may have come during the test.
            if not await more(console, self._looked, left):
                raise Busy(
                    f"Console {console.name!r} shows no shell prompt: another program is in the "
                    "foreground. Try later, or send queue: true."
                )
            looks = 0

    async def settle(self, most: float, quiet: float = QUIET) -> None:
        """Return after a silence of `quiet` seconds, or after `most`."""
        until = self._loop.time() + most
        while self._loop.time() < until:
            if not await more(self._console, self._console.end_offset, quiet):
                return

    async def is_there(self) -> bool | None:
        """Tell whether the output looks like a prompt, and keys are echoed as at a prompt.

        None: other output came meanwhile, which may be a program's end and a prompt.
        """
        start = self._looked = self._console.end_offset
        output = await self._newest_output()
        last = _last_line(output)
        if _last(_SCREEN, output) == b"h" or _OTHER.search(last):
            return False
        edits = _last(_EDITOR, output) == b"h"
        if not edits and not last.strip():
            return False
        seen = await self._react(start)
        if not seen:
            return False
        # In the terminal's own line mode the typed keys have been deleted by now.
        in_line_mode = b"^E" in seen or b"\x05" in seen
        if in_line_mode and not edits:
            last = _last_line(await self._newest_output())
        found = edits or not in_line_mode or bool(_PROMPT.search(last))
        # Text typed just before appears only now. A line editor prints newlines of its own in a
        # line that is longer than the screen.
        if _EDITOR.search(seen) if edits else b"\n" in seen and _last_line(seen).strip():
            return None
        if found:
            self.is_drawn()
        return found

    async def _newest_output(self) -> bytes:
        return await asyncio.to_thread(self._console.newest, LOOK_BYTES)

    async def _react(self, start: int) -> bytes:
        """Type keys and delete them; return the output from `start`."""
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
        """Note that the shell shows its prompt, and nothing was typed since."""
        self._known = self._now()

    def is_left(self) -> None:
        """Note that a line is typed at the prompt."""
        self._known = None

    def _now(self) -> tuple[int, int]:
        return self._console.end_offset, self._console.typed


def shows_prompt(output: bytes, *, edits: bool) -> bool:
    """Tell whether the output ends with a shell's prompt; `edits` requires a line editor."""
    if _last(_SCREEN, output) == b"h" or (edits and _last(_EDITOR, output) != b"h"):
        return False
    last = _last_line(output)
    return bool(_PROMPT.search(last)) and not _OTHER.search(last)


def _last_line(output: bytes) -> str:
    """Return the text of the screen's last line, as far as possible without an emulator."""
    text = ansi.strip(output.replace(b"\r\n", b"\n")).decode("utf-8", "replace")
    text = text.rpartition("\n")[2].rpartition("\r")[2].replace("\x07", "")
    shown: list[str] = []
    for character in text if "\b" in text else ():
        if character != "\b":
            shown.append(character)
        elif shown:
            shown.pop()
    return "".join(shown) if "\b" in text else text


def _last(pattern: re.Pattern[bytes], data: bytes) -> bytes | None:
    """Return the group of the last match."""
    found = None
    for match in pattern.finditer(data):
        found = match[1]
    return found
