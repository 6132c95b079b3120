"""A host terminal as a Source: one pty of the host's terminal manager.

`consoles/terminals/manager.py` reads the pty and feeds its output in. Input of the bridge and of
the host's clients goes through the terminal's own worker, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shlex
import signal
import termios
import threading
from collections.abc import Callable
from typing import Any, Literal

from jupyter_bridge.aio.serial_worker import SerialWorker
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.problems import Gone
from jupyter_bridge.wire.shell.startup import KnownShell

# A pty that is ready for writing accepts this much; one buffer of the kernel is larger.
FITS = 1024
# How long to wait for the result of a write after the terminal ended, on a loaded machine.
LAST_WORD_SECONDS = 1.0
# How often a write that waits for room looks whether its sender has left.
LOOK_MILLISECONDS = 500


class SizeHolder:
    """A client of the terminal that holds the screen size of the bridge's writers."""

    size: tuple[int | None, int | None] = (None, None)

    def on_pty_read(self, text: str) -> None:
        """Does nothing: the bridge reads the pty itself."""

    def on_pty_died(self) -> None:
        """Does nothing: the manager reports the end."""


class TerminalSource(Source):
    """One pty, from its first byte on."""

    kind = "terminal"

    def __init__(self, terminal: Any, worker: SerialWorker) -> None:
        self._terminal = terminal
        self._worker = worker
        self._size_holder = SizeHolder()
        terminal.clients.append(self._size_holder)
        # A descriptor of its own, so that a write never meets a reused number.
        self._input = os.dup(terminal.ptyproc.fd)
        self._early: list[bytes] = []
        self._missed = 0
        self._on_output: Callable[[bytes], None] | None = None
        self._on_end: Callable[[Exit], None] | None = None
        self._exit: Exit | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reading: Callable[[bool], None] | None = None
        # How many asked to pause: a full disk, a client that is slow to read a run's output.
        self._pauses = 0
        self.size = tuple(terminal.ptyproc.getwinsize())
        terminal.ptyproc.setwinsize = self._set_size  # whoever resizes it, it is recorded
        self._close_pty: Callable[[], None] | None = None
        argv = getattr(terminal, "bridge_argv", terminal.ptyproc.argv)
        self.title = shlex.join(map(str, argv or []))
        # The shell, if it tells its prompt, and its process as it was then (`run/local/shell.py`);
        # how much was typed, and how much of that before its line was empty: bytes.
        self.shell: KnownShell | None = getattr(terminal, "bridge_shell", None)
        self.image: str | None = None
        self.typed = self.empty_at = 0

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
        """The foreground process group, or None."""
        try:
            return os.tcgetpgrp(self.fd)
        except (OSError, ValueError):
            return None

    @property
    def echo(self) -> Literal["tty", "editor", "none"] | None:
        """Who shows typed text; "none" while a password is read."""
        try:
            flags = termios.tcgetattr(self.fd)[3]
        except (OSError, ValueError, termios.error):
            return None
        if not flags & termios.ICANON:
            return "editor"
        return "tty" if flags & termios.ECHO else "none"

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
        """`reading(False)` stops the reading of this pty, `reading(True)` continues it."""
        self._reading = reading

    def can_close(self, close_pty: Callable[[], None]) -> None:
        """`close_pty()` ends the reading of this pty and closes it, whoever else has it open."""
        self._close_pty = close_pty

    def pause(self) -> None:
        self._pauses += 1
        if self._pauses == 1 and self._reading is not None and self._exit is None:
            self._reading(False)

    def resume(self) -> None:
        self._pauses -= 1
        if self._pauses == 0 and self._reading is not None and self._exit is None:
            self._reading(True)

    def missed(self, count: int) -> None:
        """Note that `count` bytes (an estimate, at least 1) were lost before the recording."""
        self._missed = count

    def feed(self, data: bytes) -> None:
        """Pass on output of the pty."""
        if self.shell is not None:
            self.shell.prompt.feed(data)
        if self._on_output is None:
            self._early.append(data)
        else:
            self._on_output(data)

    def ended(self, exit: Exit) -> None:  # noqa: A002 - the contract's word
        """Pass on the end of the terminal."""
        if self._exit is None:
            self._exit = exit
            self._gone.set_result(None)
            # Up to 4 MB, for clients of the host that connect; the console is kept for days.
            self._terminal.read_buffer.clear()
            self._worker.submit(self._close_input)
            if self._on_end is not None:
                self._on_end(exit)

    async def write(self, data: bytes) -> None:
        left = threading.Event()
        job = self._worker.submit(lambda: self._write(data, left))
        written = asyncio.wrap_future(job)
        try:
            await asyncio.wait({written, self._gone}, return_when=asyncio.FIRST_COMPLETED)
            if not written.done():
                # The write may have succeeded, and ended the terminal; its thread is about to
                # report.
                await asyncio.wait({written}, timeout=LAST_WORD_SECONDS)
        except asyncio.CancelledError:
            left.set()
            job.cancel()
            raise
        if not written.done() or (not written.cancelled() and written.exception() is not None):
            written.cancel()
            raise Gone("The terminal has ended and takes no input.")

    def _write(self, data: bytes, left: threading.Event | None = None) -> None:
        """Write only when there is room, and what surely fits: a write that blocks in the kernel
        does not end when the other side of the pty is closed. Drop the rest once `left` is set."""
        if self._input < 0:
            raise BrokenPipeError
        poller = select.poll()
        poller.register(self._input, select.POLLOUT)
        self.typed += len(data)
        rest = memoryview(data)
        while rest and not (left is not None and left.is_set()):
            events = poller.poll(LOOK_MILLISECONDS)
            if any(event & (select.POLLHUP | select.POLLERR) for _, event in events):
                raise BrokenPipeError
            if events:
                rest = rest[os.write(self._input, rest[:FITS]) :]

    def type_text(self, text: str, flush: bool = True) -> int:
        """Replaces `PtyProcessUnicode.write` for the host's clients, in the worker's thread.

        The original blocks in the kernel while holding a lock that the event loop needs to close
        the terminal, which is a deadlock.
        """
        try:
            self._write(text.encode())
        except OSError:
            pass  # the terminal has ended; its clients are told by `on_pty_died`
        return len(text)

    def _close_input(self) -> None:
        number, self._input = self._input, -1
        if number >= 0:
            os.close(number)

    def _set_size(self, rows: int, cols: int) -> None:
        process = self._terminal.ptyproc
        type(process).setwinsize(process, rows, cols)
        self.sized(rows, cols)

    def resize(self, rows: int | None, cols: int | None) -> None:
        self._size_holder.size = (rows, cols)
        if self._exit is None:
            self._terminal.resize_to_smallest()

    async def end(self) -> None:
        """End the shell as the host does, gently first, then by force; hang up on the others.

        A shell that runs a script of a run does not tell its foreground job. That and whatever else
        has the pty open would keep the console alive.
        """
        if self._exit is None:
            group = self.foreground
            await self._terminal.terminate(force=True)
            if group is not None and group != self.pid:
                _hang_up(group, self.pid)
            if self._close_pty is not None:
                self._close_pty()

    async def close(self) -> None:
        """Leave the terminal, which the host keeps."""
        if self._size_holder in self._terminal.clients:
            self._terminal.clients.remove(self._size_holder)
        self._worker.submit(self._close_input)


def _hang_up(group: int, session: int) -> None:
    """Send SIGHUP to this process group, unless its number belongs to another session by now."""
    try:
        if os.getsid(group) != session:
            return
    except ProcessLookupError:
        pass  # its leader has ended; the number is not given away while others are in the group
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGHUP)


def exit_of(process: Any) -> Exit:
    """Return how a ptyprocess ended; after a signal the code is 128 + its number, as in `$?`."""
    if process.signalstatus is not None:
        number = int(process.signalstatus)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"SIG{number}"
        return Exit(128 + number, name)
    return Exit(process.exitstatus)
