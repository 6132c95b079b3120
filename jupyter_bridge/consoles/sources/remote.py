"""A console of a connection as a Source: the connector's own source, opened after a login."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.connections.command import Command
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.roles import HasConsoles
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.problems import Gone, Problem
from jupyter_bridge.wire.shell.remote_startup import RemoteShell


class RemoteSource(Source):
    """The console `node` of `connection`, which logs in if necessary."""

    kind = "remote"

    def __init__(self, connection: Connection, node: str) -> None:
        self._connection = connection
        self._node = node
        self._source: Source | None = None
        self._tail: bytes | None = None
        self._size: tuple[int | None, int | None] = (None, None)
        self.title = f"{node} at {connection.name}"

    @property
    def connection(self) -> Connection:
        """The connection that the console belongs to."""
        return self._connection

    @property
    def source(self) -> Source:
        """The connector's source; Gone before it is open and after it was closed."""
        if self._source is None:
            raise Gone(f"The console {self.title} is closed.")
        return self._source

    @property
    def types_runs(self) -> bool:
        """Whether this side types a command, rather than the remote."""
        return self._source is not None and self._source.has_shell

    @property
    def times_broken(self) -> int:
        """How many times output may have been lost unnoticed."""
        return 0 if self._source is None else self._source.breaks

    @property
    def started(self) -> RemoteShell | None:
        """The remote's shell, if this server started it."""
        return None if self._source is None else self._source.remote_shell

    async def run_in_new_terminal(self, argv: list[str], seconds: float) -> None:
        """Start a program in a new terminal on the remote and wait until it has ended.

        It must read a line first: a terminal that ends at once could not be opened here.
        """
        use, over = self._connection.use, asyncio.Event()
        name = await use(
            HasConsoles, lambda connector: connector.create_console(shell_command=argv)
        )
        terminal: Source = await use(HasConsoles, lambda connector: connector.console(name))
        try:
            await terminal.open(lambda data: None, lambda lost: None, lambda exit_: over.set())
            await terminal.write(b"\r")
            await within(seconds, over.wait())
        finally:
            if not over.is_set():
                with contextlib.suppress(Problem):
                    await use(HasConsoles, lambda connector: terminal.end())
            await terminal.close()

    @property
    def offset_there(self) -> int | None:
        """The end offset of the remote's own console; None if it has none."""
        return None if self._source is None else self._source.offset

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
        async def open_source(connector: HasConsoles) -> Source:
            source = await connector.console(self._node)
            if self._tail is not None and not source.recall(self._tail):
                on_gap(1)  # the output of the meantime is unknown
            await source.open(on_output, on_gap, on_end)
            return source

        source: Source = await self._connection.use(HasConsoles, open_source)
        self._source = source
        self.title = source.title or self.title
        if self._size != (None, None):
            source.resize(*self._size)

    async def write(self, data: bytes) -> None:
        await self.source.write(data)

    def resize(self, rows: int | None, cols: int | None) -> None:
        self._size = (rows, cols)
        if rows and cols:
            self.sized(rows, cols)
        if self._source is not None:
            self._source.resize(rows, cols)

    def pause(self) -> None:
        if self._source is not None:
            self._source.pause()

    def resume(self) -> None:
        if self._source is not None:
            self._source.resume()

    async def end(self) -> None:
        source = self.source
        await self._connection.use(HasConsoles, lambda connector: source.end())

    async def close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            await source.close()
