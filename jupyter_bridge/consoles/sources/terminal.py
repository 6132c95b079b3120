"""A host terminal as a Source: one pty of the host's terminal manager.

Output is handed in by `consoles/terminals/manager.py`, which reads the pty for everybody. Input
goes through the terminal's own worker, in one order with what the host's own clients type.
"""

from __future__ import annotations

import asyncio
import os
import select
import shlex
import signal
from collections.abc import Callable
from typing import Any

from jupyter_bridge.aio.serial_worker import SerialWorker
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.problems import Gone

# When a pty can be written to at all, so much fits: one buffer of the kernel's is more.
FITS = 1024
# A write that is under way hears at once of a terminal that has ended; a loaded machine is slower.
LAST_WORD_SECONDS = 1.0


class SizeHolder:
    """The bridge's writers among the terminal's clients: they count for its size, no more."""

    size: tuple[int | None, int | None] = (None, None)

    def on_pty_read(self, text: str) -> None:
        """The bridge reads bytes elsewhere."""

    def on_pty_died(self) -> None:
        """The bridge hears of it elsewhere."""


class TerminalSource(Source):
    """One pty, from its first byte on."""

    kind = "terminal"

    def __init__(self, terminal: Any, lane: SerialWorker) -> None:
        self._terminal = terminal
        self._lane = lane
        self._seat = SizeHolder()
        terminal.clients.append(self._seat)
        # Its own descriptor, so that a write which is under way never meets a reused number.
        self._input = os.dup(terminal.ptyproc.fd)
        self._early: list[bytes] = []
        self._missed = 0
        self._on_output: Callable[[bytes], None] | None = None
        self._on_end: Callable[[Exit], None] | None = None
        self._exit: Exit | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reading: Callable[[bool], None] | None = None
        self.title = shlex.join(map(str, terminal.ptyproc.argv or []))

    @property
    def terminal(self) -> Any:
        """The host's PtyWithClients."""
        return self._terminal

    @property
    def pid(self) -> int:
        """The shell's process id."""
        return int(self._terminal.ptyproc.pid)

    @property
    def fd(self) -> int:
        """The pty's master, for tcgetattr and tcgetpgrp; -1 once it is closed."""
        return int(self._terminal.ptyproc.fd)

    @property
    def foreground(self) -> int | None:
        """The foreground process group, or None when there is none (any more)."""
        try:
            return os.tcgetpgrp(self.fd)
        except (OSError, ValueError):
            return None

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        self._on_output, self._on_end = on_output, on_end
        if self._missed:
            on_gap(self._missed)
        early, self._early = self._early, []
        for data in early:
            on_output(data)
        if self._exit is not None:
            on_end(self._exit)

    def can_pause(self, reading: Callable[[bool], None]) -> None:
        """`reading(False)` stops whoever reads this pty, `reading(True)` lets it go on."""
        self._reading = reading

    def pause(self) -> None:
        if self._reading is not None and self._exit is None:
            self._reading(False)

    def resume(self) -> None:
        if self._reading is not None and self._exit is None:
            self._reading(True)

    def missed(self, count: int) -> None:
        """So many bytes (an estimate, at least 1) were said before anybody listened."""
        self._missed = count

    def feed(self, data: bytes) -> None:
        """The pty said this."""
        if self._on_output is None:
            self._early.append(data)
        else:
            self._on_output(data)

    def ended(self, exit: Exit) -> None:  # noqa: A002 - the contract's word
        """The terminal is gone."""
        if self._exit is None:
            self._exit = exit
            self._gone.set_result(None)
            self._lane.submit(self._close_input)
            if self._on_end is not None:
                self._on_end(exit)

    async def write(self, data: bytes) -> None:
        written = asyncio.wrap_future(self._lane.submit(lambda: self._write(data)))
        await asyncio.wait({written, self._gone}, return_when=asyncio.FIRST_COMPLETED)
        if not written.done():
            # It may have been taken, and be what ended the terminal; its thread is about to say so.
            await asyncio.wait({written}, timeout=LAST_WORD_SECONDS)
        if not written.done() or (not written.cancelled() and written.exception() is not None):
            written.cancel()
            raise Gone("The terminal has ended; nothing reads what is typed there.")

    def _write(self, data: bytes) -> None:
        """Wait until there is room, then write what surely fits: a writer that sleeps in the kernel
        is not woken when the other side of its pty is closed."""
        if self._input < 0:
            raise BrokenPipeError
        poller = select.poll()
        poller.register(self._input, select.POLLOUT)
        while data:
            if any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll()):
                raise BrokenPipeError
            data = data[os.write(self._input, data[:FITS]) :]

    def type_text(self, text: str, flush: bool = True) -> int:
        """What the host's clients type, in the thread of their lane: `PtyProcessUnicode.write`.

        That one sleeps in the kernel, holding a lock for which the loop waits when it closes the
        terminal; then nothing goes on any more.
        """
        try:
            self._write(text.encode())
        except OSError:
            pass  # the terminal has ended; its clients are told so otherwise
        return len(text)

    def _close_input(self) -> None:
        number, self._input = self._input, -1
        if number >= 0:
            os.close(number)

    def resize(self, rows: int | None, cols: int | None) -> None:
        self._seat.size = (rows, cols)
        if self._exit is None:
            self._terminal.resize_to_smallest()

    async def end(self) -> None:
        """End its processes as the host does: politely first, then by force."""
        if self._exit is None:
            await self._terminal.terminate(force=True)

    async def close(self) -> None:
        """The terminal is the host's; only the seat is given back."""
        if self._seat in self._terminal.clients:
            self._terminal.clients.remove(self._seat)
        self._lane.submit(self._close_input)


def exit_of(process: Any) -> Exit:
    """How a ptyprocess ended, as a shell would tell it in `$?`."""
    if process.signalstatus is not None:
        number = int(process.signalstatus)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"SIG{number}"
        return Exit(128 + number, name)
    return Exit(process.exitstatus)
