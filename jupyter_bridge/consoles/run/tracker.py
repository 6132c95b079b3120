"""CommandTracker: one typed command, as its console tells of it, up to the prompt after it.

The protocol is `wire/shell/marks.py`. What is found is told to a `CommandObserver`, the Run. How
the command came to its shell, and what is done when no mark comes, is for `LocalCommand` (a
terminal of this server) and `LineCommand` (one at the end of a line) to know.
"""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from typing import Protocol

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.problems import Gone
from jupyter_bridge.wire.shell.marks import (
    CommandBegan,
    CommandEnded,
    CommandOutput,
    Newlines,
    PromptReady,
    Scanner,
)

# After the end the prompt is waited for this long, then the next run may look itself, seconds.
SETTLE = 2.0
READ_BYTES = 256 << 10


class CommandObserver(Protocol):
    """Who hears of a typed command."""

    @property
    def interrupted(self) -> bool:
        """Whether the shell may have been interrupted, so that no mark may come."""

    def on_began(self, offset: int) -> None:
        """The command runs; its output begins at this console offset."""

    def on_data(self, data: bytes, stream: int) -> None:
        """It wrote this."""

    def on_lost(self) -> None:
        """Some of what it wrote is lost."""

    def on_status(self, status: int | None, cwd: str | None, offset: int) -> None:
        """It has ended so. Comes once, and all data before it."""

    def on_session_end(self, exit: Exit, offset: int) -> None:  # noqa: A002
        """The console has ended, and the command with it."""


class CommandTracker(ABC):
    """What both have in common; `nobody_follows` says that no other command comes after this."""

    def __init__(self, console: Console, hearer: CommandObserver, *, nobody_follows: bool) -> None:
        self._console = console
        self._hearer = hearer
        self._nobody_follows = nobody_follows
        self._loop = asyncio.get_running_loop()
        self._nonce = uuid.uuid4().hex
        self._newlines = Newlines()
        self._began = self._over = self._ready = self._gap = False
        self._status: CommandEnded | None = None
        # When the command ended; when its console said something last; where the asking began.
        self._over_at = self._heard_at = 0.0
        self._cut: int | None = None

    @abstractmethod
    async def perform(self) -> None:
        """Type the command; return when the shell is ready for another. Busy when it takes none."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything that is still held."""

    @abstractmethod
    def _at_prompt(self) -> bool:
        """Whether the shell is seen to wait for a line; asked after the end alone."""

    @abstractmethod
    def _take(self, data: bytes) -> bytes:
        """What of the console's bytes between the marks is the terminal's text."""

    def _drain(self) -> None:  # noqa: B027
        """The command has ended: pass on what came by another way."""

    def _exit(self) -> Exit:
        """How the console ended."""
        return self._console.exit or Exit()

    # -- what the console says -----------------------------------------------------------------

    async def _follow(self, scanner: Scanner, offset: int) -> None:
        console = self._console
        while not self._ready:
            data = await console.fetch(offset, READ_BYTES)
            if data:
                offset += len(data)
                for event in scanner.feed(data):
                    self._on_event(event)
                continue
            held = console.log.held(offset)
            if held > offset:  # retention took it before we came to it
                self._hearer.on_lost()
                self._gap = True
                for missed in scanner.skip(held - offset):
                    self._on_event(missed)
                offset = held
            elif console.state == "ended" and console.end_offset <= offset:
                self._on_console_end(scanner.rest(), offset)
                return
            elif self._over:
                if not await self._more_before_prompt(offset):
                    return
            else:
                await console.wait(offset)

    async def _more_before_prompt(self, offset: int) -> bool:
        """After the end: whether more came before the prompt, or before patience was over."""
        if self._nobody_follows:
            return False
        until = self._over_at + SETTLE
        waiting = asyncio.ensure_future(self._console.wait(offset))
        try:
            while not waiting.done() and self._loop.time() < until:
                await asyncio.wait({waiting}, timeout=0.02)
                if not waiting.done() and self._at_prompt():
                    return False
            return waiting.done()
        finally:
            waiting.cancel()

    def _on_event(self, event: CommandBegan | CommandOutput | CommandEnded | PromptReady) -> None:
        self._heard_at = self._loop.time()
        if isinstance(event, CommandOutput):
            self._on_output(event)
        elif isinstance(event, CommandBegan):
            self._began = True
            self._hearer.on_began(event.offset)
        elif isinstance(event, CommandEnded):
            self._status = event
            if not event.leaving:
                self._end()
        else:
            self._ready = True
            self._end()

    def _on_output(self, event: CommandOutput) -> None:
        data = event.data
        if self._cut is not None:
            data = data[: max(0, len(data) - max(0, event.end - self._cut))]
        if data := self._newlines.feed(self._take(data)):
            self._hearer.on_data(data, 0)

    def _end(self) -> None:
        if self._over:
            return
        self._flush()
        status = self._status
        if status is None:
            self._hearer.on_status(None, None, self._cut or self._console.end_offset)
        else:
            end = status.offset if self._cut is None else min(status.offset, self._cut)
            self._hearer.on_status(status.status, status.cwd or None, end)

    def _on_console_end(self, rest: bytes, offset: int) -> None:
        if self._over:
            return
        if not self._began:
            raise Gone(f"Console {self._console.name!r} ended before the command was run.")
        if rest:
            self._on_output(CommandOutput(rest, offset))
        self._flush()
        end = offset if self._status is None else self._status.offset
        self._hearer.on_session_end(self._exit(), end)

    def _flush(self) -> None:
        self._over = True
        self._over_at = self._loop.time()
        self._drain()
        if rest := self._newlines.rest():
            self._hearer.on_data(rest, 0)
