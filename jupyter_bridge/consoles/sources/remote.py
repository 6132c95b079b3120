"""A console of a connection as a Source: the connector's own source, opened after a login."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.roles import Command, HasConsoles
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.problems import Gone, Problem


class RemoteSource(Source):
    """The console `node` of `connection`, which logs in if necessary."""

    kind = "remote"

    def __init__(self, connection: Connection, node: str) -> None:
        self._connection = connection
        self._node = node
        self._line: Source | None = None
        self._tail: bytes | None = None
        self._size: tuple[int | None, int | None] = (None, None)
        self.title = f"{node} at {connection.name}"

    @property
    def connection(self) -> Connection:
        """The connection that the console belongs to."""
        return self._connection

    @property
    def line(self) -> Source:
        """The connector's source; Gone before it is open and after it was closed."""
        if self._line is None:
            raise Gone(f"The console {self.title} is closed.")
        return self._line

    @property
    def types_runs(self) -> bool:
        """Whether this side types a command, rather than the remote."""
        return self._line is not None and self._line.has_shell

    @property
    def times_broken(self) -> int:
        """How many times output may have been lost unnoticed."""
        return 0 if self._line is None else self._line.breaks

    async def beside(self, line: bytes, seconds: float) -> None:
        """Type a line into a new terminal on the remote and wait until that has ended."""
        use, over = self._connection.use, asyncio.Event()
        name = await use(HasConsoles, lambda connector: connector.create_console())
        terminal: Source = await use(HasConsoles, lambda connector: connector.console(name))
        try:
            await terminal.open(lambda data: None, lambda lost: None, lambda exit_: over.set())
            await terminal.write(line)
            await within(seconds, over.wait())
        finally:
            if not over.is_set():
                with contextlib.suppress(Problem):
                    await use(HasConsoles, lambda connector: terminal.end())
            await terminal.close()

    @property
    def offset_there(self) -> int | None:
        """The end offset of the remote's own console; None if it has none."""
        return None if self._line is None else self._line.offset

    async def command(self, ask: dict[str, Any]) -> Command:
        """Run a command in the remote's shell; Unsupported if the remote cannot."""
        return await self._connection.use(
            HasConsoles, lambda connector: connector.command(self._node, ask)
        )

    def recall(self, tail: bytes) -> bool:
        self._tail = tail
        return True

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        async def open_line(connector: HasConsoles) -> Source:
            line = await connector.console(self._node)
            if self._tail is not None and not line.recall(self._tail):
                on_gap(1)  # the output of the meantime is unknown
            await line.open(on_output, on_gap, on_end)
            return line

        line: Source = await self._connection.use(HasConsoles, open_line)
        self._line = line
        self.title = line.title or self.title
        if self._size != (None, None):
            line.resize(*self._size)

    async def write(self, data: bytes) -> None:
        await self.line.write(data)

    def resize(self, rows: int | None, cols: int | None) -> None:
        self._size = (rows, cols)
        if self._line is not None:
            self._line.resize(rows, cols)

    def pause(self) -> None:
        if self._line is not None:
            self._line.pause()

    def resume(self) -> None:
        if self._line is not None:
            self._line.resume()

    async def end(self) -> None:
        line = self.line
        await self._connection.use(HasConsoles, lambda connector: line.end())

    async def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            await line.close()
