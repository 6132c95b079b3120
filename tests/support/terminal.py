"""Runs the command as users and scripts do: in a terminal (a pty), or with pipes."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import psutil

from jupyter_bridge.client import Bridge
from jupyter_bridge.problems import Problem
from tests.conftest import Server
from tests.support.waiting import PATIENCE, wait_until

COMMAND = [sys.executable, "-c", "from jupyter_bridge.cli import main; main()"]
# The first process of a session gets the terminal that it opens as controlling terminal.
_TAKE_TERMINAL = (
    "import os; os.close(os.open(os.ttyname(2), os.O_RDWR)); "
    "from jupyter_bridge.cli import main; main()"
)


def environment(server: Server | None, **more: str) -> dict[str, str]:
    """Return the environment of a command that finds this server and no other."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "JPY_", "COLUMNS", "NO_COLOR"))
    }
    if server is not None:
        env |= {"JUPYTER_BRIDGE_URL": server.url, "JUPYTER_BRIDGE_TOKEN": server.token}
    else:
        env["JUPYTER_RUNTIME_DIR"] = "/nonexistent"
    return {**env, "TERM": "xterm", "PYTHONWARNINGS": "error", **more}


def call(
    server: Server | None, *arguments: str, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command with pipes and wait for it."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        env=environment(server, **(env or {})),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


class Terminal:
    """The command in a terminal, of 100 columns unless given: `expect` its output, `type` input.

    `stdin` and `stdout` may be files or pipes instead of the terminal.
    """

    def __init__(
        self,
        server: Server,
        *arguments: str,
        stdin: int | None = None,
        stdout: int | None = None,
        env: dict[str, str] | None = None,
        rows: int = 40,
        cols: int = 100,
    ) -> None:
        self._main, theirs = pty.openpty()
        subprocess.run(["stty", "cols", str(cols), "rows", str(rows)], stdin=theirs, check=True)
        self.shown = ""
        self._seen = 0
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _TAKE_TERMINAL, *arguments],
                stdin=theirs if stdin is None else stdin,
                stdout=theirs if stdout is None else stdout,
                stderr=theirs,
                env=environment(server, COLUMNS="100", **(env or {})),
                start_new_session=True,
            )
        finally:
            os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._main)

    def expect(self, pattern: str) -> str:
        """Wait for a match after the previous one; returns the output up to it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = re.compile(pattern, re.DOTALL).search(self.shown, self._seen)
            if found:
                text = self.shown[self._seen : found.end()]
                self._seen = found.end()
                return text
            if time.monotonic() > deadline or not self._read(0.2):
                raise AssertionError(f"{pattern!r} did not come; shown is:\n{self.shown}")

    def type(self, text: str) -> None:
        """Press these keys; a newline is Enter, \\x03 Ctrl-C, \\x04 Ctrl-D."""
        os.write(self._main, text.replace("\n", "\r").encode())

    def interrupt(self) -> None:
        """Press Ctrl-C, but not at the moment when a prompt appears.

        Python's readline shows the prompt a little before it listens, and misses a signal between.
        So wait until the command's first thread waits, too: it runs, or would run, up to there.
        """
        command, waits = psutil.Process(self._process.pid), 0
        deadline = time.monotonic() + PATIENCE
        while waits < 10:
            assert time.monotonic() < deadline, f"it does not rest; shown is:\n{self.shown}"
            waits = waits + 1 if command.status() == psutil.STATUS_SLEEPING else 0
            self._read(0.01)
        self.type("\x03")

    def hang_up(self) -> None:
        """Close the terminal."""
        self._process.send_signal(signal.SIGHUP)

    def wait(self) -> int:
        """Wait for the exit code; `shown` then has all output."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end; shown is:\n{self.shown}"
            self._read(0.1)
        while self._read(0.1):
            pass
        return self._process.returncode

    def _read(self, seconds: float) -> bool:
        """Read the available output; returns False at the end of the output."""
        ready, _, _ = select.select([self._main], [], [], seconds)
        if not ready:
            return self._process.poll() is None
        try:
            chunk = os.read(self._main, 65536)
        except OSError:  # Linux: the other end of the pty is closed
            return False
        self.shown += chunk.decode("utf-8", "replace")
        return bool(chunk)


def running(bridge: Bridge) -> set[str]:
    """The ids of the server's kernels."""
    found: set[str] = set()

    def is_told() -> bool:
        with contextlib.suppress(Problem):  # the host stumbles over a kernel that is just starting
            found.update(kernel.id for kernel in bridge.kernels())
            return True
        return False

    wait_until(is_told, "the list of kernels")
    return found
