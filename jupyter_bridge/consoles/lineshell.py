"""LineShell: the shell at the end of a line, known by what it says alone.

There is no process table and no file system to look into. Whether a shell waits for a line shows in
what the terminal said last, and in how it takes a key that does nothing; which shell it is it says
itself, when it is given a run's files (`wire/handover.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from collections.abc import Callable, Mapping

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.problems import Busy, Gone, Problem, RemoteFailed, Unavailable
from jupyter_bridge.wire import ansi, handover
from jupyter_bridge.wire.handover import Missing, Reader, Received

# A prompt is there when nothing more comes for so long; seconds.
QUIET = 0.15
# A prompt that surely comes is drawn when nothing follows for so long; seconds.
DRAWN = 0.04
# A far terminal answers a key within this; seconds.
REACTION = 2.0
# Between a line and its mark the shell only starts a small script, or reads one; seconds.
TAKE_PATIENCE = 15.0
# A line that breaks while a run is being handed over is waited for so long; seconds.
MEND_PATIENCE = 60.0
ATTEMPTS = 3
# Something else may be said while a prompt is looked at: it is looked again, so often.
LOOKS = 3
# So much of what the terminal said last is looked at, bytes.
LOOK_BYTES = 16 << 10

# Ctrl-E echoes nothing in a line editor (and `^E` in a terminal's own line mode), a space is seen;
# Ctrl-U takes both back, and whatever somebody typed and did not send.
_KEYS = b"\x05 "
KILL_LINE = b"\x15"
_INTERRUPT = b"\x03"

_EDITOR = re.compile(rb"\x1b\[\?2004([hl])")
_SCREEN = re.compile(rb"\x1b\[\?(?:1049|1047|47)([hl])")
_TAKEN_BACK = re.compile("^\b+|[^\b]\b")
_PROMPT = re.compile("[$#%>\u276f\u279c\u00bb\u03bb]\\s*$")
# Who asks for a line and is no shell, or no POSIX one: Python, IPython, pdb, `sqlite>`, PowerShell;
# and a shell in the midst of a command.
_OTHER = re.compile(
    r"(>>>|^\.\.\.|In \[\d+\]:|\((Pdb|gdb)\)|^\w*>|^irb.*>|^MariaDB.*>|^PS .*>)\s*$"
)


class LineShell:
    """One console's shell; holds what is known of it from one run to the next."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._loop = asyncio.get_running_loop()
        # The folder over there, and which of the files that stay are in it.
        self._folder: str | None = None
        self._there: set[str] = set()
        # The shell showed its prompt: the console's end then, and how often had been typed.
        self._prompt: tuple[int, int] | None = None
        # What was said up to there is taken account of.
        self._looked = 0
        self.pid: int | None = None

    @property
    def times_broken(self) -> int:
        """How often the line broke, so that something may have been lost unnoticed."""
        source = self._console.source
        return source.times_broken if isinstance(source, RemoteSource) else 0

    # -- is it at its prompt? ------------------------------------------------------------------

    async def wait_for_prompt(self, patience: float | None) -> None:
        """Return when a shell waits for a line; Busy after `patience` seconds (None: never).

        Raises Gone when the console ends first. What is typed to find out is taken back; as long
        as nothing new is said, nothing more is typed.
        """
        console = self._console
        until = None if patience is None else self._loop.time() + patience
        looks = 0
        while self._prompt != self._now() or console.state == "ended":
            await self.settle(1.0)
            if console.state == "ended":
                raise Gone(f"Console {console.name!r} ended before the command was typed.")
            found = await self.at_prompt()
            if found:
                return
            looks += 1
            if found is None and looks < LOOKS:
                continue
            left = None if until is None else max(0.0, until - self._loop.time())
            # Not from its present end: more may have been said while it was looked at.
            if not await self._more(self._looked, left):
                raise Busy(
                    f"Console {console.name!r} shows no shell's prompt: something else is in its "
                    "foreground. Try later, or ask with queue: true."
                )
            looks = 0

    async def settle(self, most: float, quiet: float = QUIET) -> None:
        """Return when nothing was said for `quiet` seconds, or after `most`."""
        until = self._loop.time() + most
        while self._loop.time() < until and await self._more(self._console.end_offset, quiet):
            pass

    async def at_prompt(self) -> bool | None:
        """Whether it looks so, and a key is taken as a shell's prompt takes it.

        None: something else was said meanwhile, which may be the end of a program and a prompt.
        """
        start = self._looked = self._console.end_offset
        said = await asyncio.to_thread(self._console.newest, LOOK_BYTES)
        last = _last_line(said)
        if _last(_SCREEN, said) == b"h" or _OTHER.search(last):
            return False
        edits = _last(_EDITOR, said) == b"h"
        if not edits and not last.strip():
            return False
        try:
            await self._console.write(_KEYS)
            await self._more(start, REACTION)
        finally:
            await self._console.write(KILL_LINE)
        await self.settle(REACTION)
        seen = b""
        while data := self._console.read(start + len(seen), LOOK_BYTES):
            seen += data
        self._looked = self._console.end_offset
        if not seen:
            return False
        # In a line mode that is the terminal's own, what was typed has been taken back by now.
        in_line_mode = b"^E" in seen or b"\x05" in seen
        if in_line_mode and not edits:
            last = _last_line(await asyncio.to_thread(self._console.newest, LOOK_BYTES))
        found = edits or not in_line_mode or bool(_PROMPT.search(last))
        # Whatever was typed just before shows only now. A line editor says when it leaves and when
        # it is back; its other newlines are of a line that is longer than the screen is wide.
        disturbed = bool(
            _EDITOR.search(seen) if edits else b"\n" in seen and _last_line(seen).strip()
        )
        self._prompt = self._now() if found and not disturbed else None
        return None if disturbed else found

    def shows_prompt(self, said: bytes, *, edits: bool) -> bool:
        """Whether what was said ends with a shell's prompt; `edits`: surely in a line editor."""
        if _last(_SCREEN, said) == b"h" or (edits and _last(_EDITOR, said) != b"h"):
            return False
        last = _last_line(said)
        return bool(_PROMPT.search(last)) and not _OTHER.search(last)

    def at_prompt_now(self) -> None:
        """The shell has shown its prompt, and nobody typed since."""
        self._prompt = self._now()

    def _now(self) -> tuple[int, int]:
        return self._console.end_offset, self._console.typed

    # -- giving it files -----------------------------------------------------------------------

    async def hand_over(
        self,
        keep: Callable[[Reader], Mapping[str, bytes]],
        files: Callable[[Reader], Mapping[str, bytes]],
    ) -> Reader:
        """Have the shell receive `files`, and those to `keep` where they are not there yet.

        The shell must be at its prompt; answers who it is. Busy where nobody takes the line. A line
        that breaks meanwhile is waited for: nothing has been run.
        """
        for attempt in range(ATTEMPTS):
            start, breaks = self._console.end_offset, self.times_broken
            try:
                reader = await self._hand_over(keep, files)
            except Unavailable:
                if attempt == ATTEMPTS - 1:
                    raise
                await self._mended()
            else:
                if reader is not None:
                    return reader
                if self._has_gap(start) or self.times_broken != breaks:
                    await self._mended()
        raise RemoteFailed(
            f"What was typed into console {self._console.name!r} did not arrive as it was: does "
            "somebody else type there? Nothing was run."
        )

    async def _hand_over(
        self,
        keep: Callable[[Reader], Mapping[str, bytes]],
        files: Callable[[Reader], Mapping[str, bytes]],
    ) -> Reader | None:
        """None where it failed in a way that may pass."""
        nonce, start, breaks = uuid.uuid4().hex, self._console.end_offset, self.times_broken
        self._prompt = None
        await self._console.write(KILL_LINE + handover.opening(nonce, self._folder))
        mark = await self._hear(nonce, start, (Reader, Missing))
        if isinstance(mark, Missing):
            if self._folder is None:
                raise Unavailable(f"There is no room for a run's files over there: {mark.folder}.")
            self._folder = None
            return None
        if mark is None:
            if self._has_gap(start) or self.times_broken != breaks:
                return None
            raise Busy(
                f"What has the foreground of console {self._console.name!r} takes no line as a "
                "shell does."
            )
        assert isinstance(mark, Reader)
        if mark.folder != self._folder:
            self._there = set()
        kept = keep(mark)
        new = {name: kept[name] for name in kept if name not in self._there}
        all_ = {**new, **files(mark)}
        try:
            for piece in handover.pieces(all_):
                await self._console.write(piece)
            said = await self._hear(nonce, start, (Received,), patience=TAKE_PATIENCE * 4)
        except asyncio.CancelledError:
            with contextlib.suppress(Problem):
                await self._console.write(_INTERRUPT)
            raise
        if not isinstance(said, Received) or said.sums != handover.sums(all_):
            await self._console.write(_INTERRUPT)
            await self.settle(REACTION)
            return None
        self._folder = mark.folder if handover.is_plain(mark.folder) else None
        self._there |= set(kept)
        self.pid = mark.pid
        return mark

    async def _hear(
        self, nonce: str, start: int, kinds: tuple[type, ...], patience: float = TAKE_PATIENCE
    ) -> Reader | Received | Missing | None:
        """The first mark of these kinds that comes; None when none does."""
        until = self._loop.time() + patience
        said, at = b"", start
        while True:
            while data := await self._console.fetch(at, LOOK_BYTES):
                said, at = said + data, at + len(data)
            for mark in handover.heard(said, nonce):
                if isinstance(mark, kinds):
                    return mark
            if self._console.state == "ended":
                raise Gone(f"Console {self._console.name!r} ended before the command was run.")
            held = self._console.log.held(at)
            if held > at:
                at = held
            elif not await self._more(at, until - self._loop.time()):
                return None

    def _has_gap(self, start: int) -> bool:
        """Whether something is missing since `start`."""
        at = start
        while data := self._console.read(at, LOOK_BYTES):
            at += len(data)
        return at < self._console.end_offset

    async def _mended(self) -> None:
        """Wait until the line is up again, and interrupt whatever received a part."""
        until = self._loop.time() + MEND_PATIENCE
        while True:
            try:
                await self._console.write(_INTERRUPT)
                break
            except Unavailable:
                if self._loop.time() > until:
                    raise
            await asyncio.sleep(0.3)
        await self.settle(REACTION)
        await self.wait_for_prompt(TAKE_PATIENCE)

    async def _more(self, offset: int, patience: float | None) -> bool:
        """Whether something is said after `offset` within so many seconds (None: some time)."""
        if self._console.end_offset > offset:
            return True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._console.wait(offset), patience)
        return self._console.end_offset > offset or self._console.state == "ended"


def _last_line(said: bytes) -> str:
    """The text of the screen's last line, as far as it can be told without a screen."""
    text = ansi.strip(said.replace(b"\r\n", b"\n")).decode("utf-8", "replace")
    text = text.rpartition("\n")[2].rpartition("\r")[2].replace("\x07", "")
    while "\b" in text:
        text = _TAKEN_BACK.sub("", text)
    return text


def _last(pattern: re.Pattern[bytes], data: bytes) -> bytes | None:
    """What the last match says."""
    found = None
    for match in pattern.finditer(data):
        found = match[1]
    return found
