"""A shell in a pty as a server without a bridge starts it: only its bytes are known."""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_bridge.wire.shell import line_upload
from jupyter_bridge.wire.shell.line_upload import ReceivedFiles, Receiving
from jupyter_bridge.wire.shell.remote_startup import RemoteShell, remote_argv
from jupyter_bridge.wire.shell.startup import KEY
from tests.support.shells import make_home
from tests.support.waiting import PATIENCE

JB_KEY = "0123456789abcdef"


class FarShell:
    """A program in a pty, and what is known of it by what it has `said`."""

    def __init__(self, home: Path, *words: str, **env: str) -> None:
        argv = remote_argv(JB_KEY, words)
        assert argv is not None
        make_home(home)
        self.said = b""
        self.known = RemoteShell(JB_KEY)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(home)  # what should not come to the shell must not write elsewhere
            own = {"HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"]}
            os.execve(argv[0], argv, {**own, "TERM": "xterm", "PS1": "$ ", **env})

    @property
    def folder(self) -> Path:
        return Path(self.known.folder)

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.fd, data[:1000]) :]
            self.read(0.0)

    def read(self, seconds: float) -> None:
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                time.sleep(0.01)
                return
            self.said += data
            self.known.feed(data)

    def until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, self.said[-3000:]
            self.read(0.05)

    def until_prompt(self) -> None:
        """Wait for a prompt, and for it to be drawn."""
        known = self.known
        self.until(lambda: known.prompt.state == "prompt" and known.has_editor == known.is_editing)
        self.until(lambda: not select.select([self.fd], [], [], 0.2)[0])

    def receive(self) -> Receiving:
        """Have the shell start the receiver, and wait for it."""
        start = len(self.said)
        if self.known.has_key:
            self.write(KEY)
        else:
            self.write(line_upload.line("sh").encode() + b"\r")
        mark = self.mark(Receiving, start)
        assert isinstance(mark, Receiving)
        return mark

    def mark(
        self, kind: type[Receiving | ReceivedFiles], start: int = 0
    ) -> Receiving | ReceivedFiles:
        """Wait for the receiver's newest mark of this kind since `start`."""

        def found() -> list[Receiving | ReceivedFiles]:
            marks = line_upload.marks_in(self.said[start:], JB_KEY)
            return [mark for mark in marks if isinstance(mark, kind)]

        self.until(found)
        return found()[-1]

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)
