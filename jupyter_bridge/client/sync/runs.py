"""`Bridge.runs`: shell commands as plain calls; see `client/runs.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jupyter_bridge.client import runs as a_runs
from jupyter_bridge.client.runs import RunOptions, RunOutput, RunResult
from jupyter_bridge.client.sync.loop_thread import LoopThread, SyncIterator

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SyncRuns:
    """Run, start, stream, follow, get, cancel, send_input."""

    def __init__(self, loop: LoopThread, runs: a_runs.Runs) -> None:
        self._loop = loop
        self._runs = runs

    def run(self, command: str, **options: Unpack[RunOptions]) -> RunResult:
        """Run a command and wait for its answer; Ctrl-C stops the waiting, not the command."""
        return self._loop.run(self._runs.run(command, **options))

    def start(self, command: str, **options: Unpack[RunOptions]) -> str:
        """Start a command and return the run's name, for `get`, `follow` and `cancel`."""
        return self._loop.run(self._runs.start(command, **options))

    def stream(self, command: str, **options: Unpack[RunOptions]) -> SyncRunStream:
        """Run a command and iterate its output; it begins with the first piece asked for."""
        return SyncRunStream(self._loop, lambda: self._runs.stream(command, **options))

    def follow(self, run: str, *, after: int = 0) -> SyncRunStream:
        """The output of a run that was started before, behind its first `after` bytes."""
        return SyncRunStream(self._loop, lambda: self._runs.follow(run, after=after))

    def get(self, run: str, *, wait: float = 0) -> RunResult:
        """A run as it stands, or as it ends within `wait` seconds."""
        return self._loop.run(self._runs.get(run, wait=wait))

    def cancel(self, run: str) -> None:
        """Stop a run: SIGINT, then TERM, then KILL."""
        self._loop.run(self._runs.cancel(run))

    def send_input(self, run: str, data: bytes | str) -> None:
        """Type into a run, as it is: a line needs its newline."""
        self._loop.run(self._runs.send_input(run, data))


class SyncRunStream(SyncIterator[RunOutput]):
    """One run as it happens; see `client/runs.py`."""

    def __init__(self, loop: LoopThread, make: Callable[[], a_runs.RunStream]) -> None:
        self._stream = loop.make(make)
        super().__init__(loop, self._stream, self._stream.aclose)

    @property
    def run(self) -> str | None:
        """The run's name on the server; None until the server has answered."""
        return self._stream.run

    @property
    def result(self) -> RunResult | None:
        """The answer, without output, once the loop has ended."""
        return self._stream.result

    def cancel(self) -> None:
        """Stop the command; the stream still ends by itself."""
        self._loop.run(self._stream.cancel())

    def send_input(self, data: bytes | str) -> None:
        """Type into it, as it is."""
        self._loop.run(self._stream.send_input(data))
