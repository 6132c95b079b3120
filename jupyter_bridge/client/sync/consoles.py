"""`Bridge.consoles`: the consoles of a server as plain calls; see `client/consoles.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from jupyter_bridge.client import console_stream as a_line
from jupyter_bridge.client import consoles as a_consoles
from jupyter_bridge.client.consoles import Console
from jupyter_bridge.client.sync.loop_thread import LoopThread, SyncIterator
from jupyter_bridge.wire.console import ServerFrame


class SyncConsoles:
    """List, open, end, tail, interact, send, recording."""

    def __init__(self, loop: LoopThread, consoles: a_consoles.Consoles) -> None:
        self._loop = loop
        self._consoles = consoles

    def list(self, conn: str | None = None) -> list[Console]:
        """Every console, ended ones included; or those of one connection, which is asked now."""
        return self._loop.run(self._consoles.list(conn))

    def get(self, name: str | Console) -> Console:
        """One console as it is now."""
        return self._loop.run(self._consoles.get(name))

    def open(
        self,
        name: str | None = None,
        *,
        cwd: str | None = None,
        env: Mapping[str, str | None] | None = None,
        shell_command: Sequence[str] | None = None,
        rows: int | None = None,
        cols: int | None = None,
    ) -> Console:
        """A new terminal; Conflict where a live console has that name."""
        opening = self._consoles.open(
            name, cwd=cwd, env=env, shell_command=shell_command, rows=rows, cols=cols
        )
        return self._loop.run(opening)

    def end(self, name: str | Console, *, purge: bool = False) -> None:
        """End a terminal; `purge` also forgets what it said."""
        self._loop.run(self._consoles.end(name, purge=purge))

    def send(self, name: str | Console, data: bytes | str, *, newline: bool = False) -> None:
        """Type into a console, as it is."""
        self._loop.run(self._consoles.send(name, data, newline=newline))

    def recording(
        self, name: str | Console, *, start: int | None = None, end: int | None = None
    ) -> Iterator[bytes]:
        """The console played back as asciicast v2, piece by piece."""
        playing = self._consoles.recording(name, start=start, end=end)
        return SyncIterator(self._loop, playing, playing.aclose)

    def tail(self, name: str | Console, **how: Any) -> SyncConsoleStream:
        """What a console said: iterate it; the arguments are those of `client.consoles`."""
        return SyncConsoleStream(self._loop, lambda: self._consoles.tail(name, **how))

    def interact(
        self,
        name: str | Console,
        *,
        mode: Literal["watch", "join", "steal"] = "join",
        lines: int | None = None,
    ) -> SyncConsoleStream:
        """A console to take part in: iterate what it says, `write`, `resize`."""
        return SyncConsoleStream(
            self._loop, lambda: self._consoles.interact(name, mode=mode, lines=lines)
        )


class SyncConsoleStream(SyncIterator[ServerFrame]):
    """One console's frames, for `with` and `for`."""

    def __init__(self, loop: LoopThread, make: Callable[[], a_line.ConsoleStream]) -> None:
        self._line = loop.make(make)
        super().__init__(loop, self._line, self._line.close)

    @property
    def offset(self) -> int | None:
        """Where to go on: one past the last output that came."""
        return self._line.offset

    @property
    def epoch(self) -> str | None:
        """What `offset` belongs to."""
        return self._line.epoch

    def open(self) -> SyncConsoleStream:
        """Open the line; raises the Problem of a refused handshake."""
        self._loop.run(self._line.open())
        return self

    def write(self, data: bytes) -> None:
        """Type `data`."""
        self._loop.run(self._line.write(data))

    def resize(self, rows: int, cols: int) -> None:
        """The screen has this size now."""
        self._loop.run(self._line.resize(rows, cols))

    def __enter__(self) -> SyncConsoleStream:
        return self.open()
