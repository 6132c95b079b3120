"""The input of `run`: this terminal's keyboard, or what a file, a pipe or a terminal has.

`RunInput.of` chooses. Whoever reads does so in a thread of its own, which ends with the run.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
import termios
import threading
import time
import tty
from typing import TYPE_CHECKING, Any

from jupyter_bridge.cli import output
from jupyter_bridge.problems import BadRequest, Gone, Problem

if TYPE_CHECKING:
    from jupyter_bridge.client.sync.bridge import SyncRunStream

# One request's input, bytes.
_PIECE = 256 << 10
# Input that is there at once, up to this size, is sent with the command. Bytes.
_AT_ONCE = 64 << 10
# The most input for a server that takes it only with the command: a body is 1 MiB. Bytes.
_MOST_WITH_COMMAND = 700 << 10
# How often to see whether the run has a name, and the window another size, seconds.
_LOOK_SECONDS = 0.02
_SIZE_SECONDS = 0.25


class RunInput:
    """No input: the command reads an empty stdin. A base class."""

    # Whether a key may still be pressed for a program that reads the terminal.
    has_keyboard = False
    # The input could not be sent, so the command was stopped.
    failed = False

    @staticmethod
    def of(file: str | None, *, quiet: bool) -> RunInput:
        """Return the input of a run: `file`, or stdin (`-`, or None).

        With stdin and stdout on a terminal it is the keyboard, unless the run is `quiet`.
        BadRequest if the file cannot be read.
        """
        if file not in (None, "-"):
            try:
                return FileInput(os.open(str(file), os.O_RDONLY))
            except OSError as error:
                raise BadRequest(f"Cannot read {file}: {error.strerror}.") from error
        try:
            number = sys.stdin.fileno()
            os.fstat(number)
        except (AttributeError, OSError, ValueError):  # closed
            return RunInput()
        if not os.isatty(number):
            return FileInput(number)
        if not _is_in_foreground(number):
            return RunInput()
        if file is None and output.is_terminal() and not quiet:
            return Keyboard(number)
        return FileInput(number)

    def options(self) -> dict[str, Any]:
        """Return the options of the run."""
        return {"stdin": b""}

    def with_command(self) -> dict[str, Any]:
        """The same for a server that takes the input only with the command: reads all of it."""
        return self.options()

    def start(self, stream: SyncRunStream) -> None:
        """Begin to read and send."""

    def before_output(self) -> None:
        """Prepare the terminal for the command's output; called before each piece of it."""

    def stop(self) -> None:
        """Send no more, and restore the terminal; stopping twice is fine."""


class _Reader(RunInput):
    """Reads a descriptor in a thread once the run has a name."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._is_over = threading.Event()

    def start(self, stream: SyncRunStream) -> None:
        threading.Thread(target=self._run, args=(stream,), daemon=True).start()

    def stop(self) -> None:
        self._is_over.set()

    def _run(self, stream: SyncRunStream) -> None:
        while stream.run is None:
            if self._is_over.wait(_LOOK_SECONDS):
                return
        try:
            self._send(stream)
        except Gone:
            pass  # the command has ended, or reads no more
        except BaseException as error:
            if not self._is_over.is_set():  # otherwise the client was closed meanwhile
                message = error.message if isinstance(error, Problem) else str(error)
                output.note(f"The input was not sent: {message}")
                self.failed = True
                os.kill(os.getpid(), signal.SIGINT)  # the command would wait for the rest

    def _send(self, stream: SyncRunStream) -> None:
        raise NotImplementedError


class FileInput(_Reader):
    """A file, a pipe, or a terminal's lines, up to their end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._first, self._ended = b"", False
        while self._is_ready() and not self._ended and len(self._first) <= _AT_ONCE:
            self._first += self._read()

    def options(self) -> dict[str, Any]:
        return {"stdin": self._first} if self._ended else {"input": "pipe"}

    def with_command(self) -> dict[str, Any]:
        while not self._ended and len(self._first) <= _MOST_WITH_COMMAND:
            self._first += self._read()
        if len(self._first) > _MOST_WITH_COMMAND:
            raise BadRequest(f"This server takes at most {_MOST_WITH_COMMAND} bytes of input.")
        return self.options()

    def start(self, stream: SyncRunStream) -> None:
        if not self._ended:
            super().start(stream)

    def _send(self, stream: SyncRunStream) -> None:
        offset, data = 0, self._first
        while True:
            while data:
                taken = stream.send_stdin(data, offset)
                data, offset = data[taken - offset :], taken
            if self._ended or self._is_over.is_set():
                break
            data = self._read()
        stream.send_stdin(b"", offset, end=True)

    def _is_ready(self) -> bool:
        """Tell whether a read would return at once."""
        if stat.S_ISREG(os.fstat(self._number).st_mode):
            return True
        return bool(select.select([self._number], [], [], 0)[0])

    def _read(self) -> bytes:
        while os.isatty(self._number) and not _is_in_foreground(self._number):
            time.sleep(_SIZE_SECONDS)  # a read would stop this process
        data = os.read(self._number, _PIECE)
        self._ended = not data
        return data


class Keyboard(_Reader):
    """This terminal's keys, as they are pressed, and its size."""

    has_keyboard = True

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._modes = termios.tcgetattr(number)
        self._size = output.terminal_size()  # or a newer one is sent with the command
        self._lock = threading.Lock()
        self._is_raw = False

    def options(self) -> dict[str, Any]:
        return {"raw": True}

    def before_output(self) -> None:
        with self._lock:
            if not self._is_raw and not self._is_over.is_set():
                self._is_raw = True
                tty.setraw(self._number, termios.TCSADRAIN)

    def stop(self) -> None:
        super().stop()
        with self._lock:
            termios.tcsetattr(self._number, termios.TCSADRAIN, self._modes)

    def _send(self, stream: SyncRunStream) -> None:
        self.before_output()
        while not self._is_over.is_set():
            now = output.terminal_size()
            if now != self._size and all(now):
                self._size = now
                stream.resize(*now)
            if not select.select([self._number], [], [], _SIZE_SECONDS)[0]:
                continue
            keys = os.read(self._number, _PIECE)
            if not keys:
                return
            try:
                stream.send_input(keys)
            except Gone:
                raise
            except Problem:
                if b"\x03" in keys:  # the way out while the server cannot be reached
                    os.kill(os.getpid(), signal.SIGINT)
                output.raw("\a", err=True)


def _is_in_foreground(number: int) -> bool:
    """Tell whether this process may read the terminal: it would be stopped in the background."""
    try:
        return os.tcgetpgrp(number) == os.getpgrp()
    except OSError:
        return True
