"""`Bridge.runs`: shell commands as plain calls; see `client/runs.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from jupyter_bridge.client import runs as a_runs
from jupyter_bridge.client.runs import RunOptions, RunOutput, RunResult
from jupyter_bridge.client.sync_consoles import Loop, Pull

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Runs:
    """Run, start, stream, follow, get, cancel, send_input."""

    def __init__(self, loop: Loop, pull: Pull, runs: a_runs.Runs) -> None:
        self._loop = loop
        self._pull = pull
        self._runs = runs

    def run(self, command: str, **options: Unpack[RunOptions]) -> RunResult:
        """Run a command and wait for its answer; Ctrl-C stops the waiting, not the command."""
        return self._loop.run(self._runs.run(command, **options))

    def start(self, command: str, **options: Unpack[RunOptions]) -> str:
        """Start a command and return the run's name, for `get`, `follow` and `cancel`."""
        return self._loop.run(self._runs.start(command, **options))

    def stream(self, command: str, **options: Unpack[RunOptions]) -> RunStream:
        """Run a command and iterate its output; it begins with the first piece asked for."""
        return RunStream(self._loop, self._pull, lambda: self._runs.stream(command, **options))

    def follow(self, run: str, *, after: int = 0) -> RunStream:
        """The output of a run that was started before, behind its first `after` bytes."""
        return RunStream(self._loop, self._pull, lambda: self._runs.follow(run, after=after))

    def get(self, run: str, *, wait: float = 0) -> RunResult:
        """A run as it stands, or as it ends within `wait` seconds."""
        return self._loop.run(self._runs.get(run, wait=wait))

    def cancel(self, run: str) -> None:
        """Stop a run: SIGINT, then TERM, then KILL."""
        self._loop.run(self._runs.cancel(run))

    def send_input(self, run: str, data: bytes | str) -> None:
        """Type into a run, as it is: a line needs its newline."""
        self._loop.run(self._runs.send_input(run, data))


class RunStream:
    """One run as it happens; see `client/runs.py`."""

    def __init__(self, loop: Loop, pull: Pull, make: Callable[[], a_runs.RunStream]) -> None:
        async def made() -> a_runs.RunStream:
            return make()

        self._loop = loop
        self._stream = loop.run(made())
        self._pulled: Iterator[Any] = pull(self._stream)

    @property
    def run(self) -> str | None:
        """The run's name on the server; None until the server has answered."""
        return self._stream.run

    @property
    def result(self) -> RunResult | None:
        """The answer, without output, once the loop has ended."""
        return self._stream.result

    def __iter__(self) -> RunStream:
        return self

    def __next__(self) -> RunOutput:
        output: RunOutput = next(self._pulled)
        return output

    def cancel(self) -> None:
        """Stop the command; the stream still ends by itself."""
        self._loop.run(self._stream.cancel())

    def send_input(self, data: bytes | str) -> None:
        """Type into it, as it is."""
        self._loop.run(self._stream.send_input(data))

    def close(self) -> None:
        """Stop listening; the command goes on. Closing twice is fine."""
        self._loop.run(self._stream.aclose())

    def __enter__(self) -> RunStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
