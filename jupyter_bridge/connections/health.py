"""Health: the background work for connections: logins, probes, reloading the configuration."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.connections.connection import Connection

# Checking 1,000 connections takes 1 ms.
TICK_SECONDS = 0.5
# How often the configuration is read: its editor soon sees the effect of a change.
RELOAD_SECONDS = 2.0
# A session that was unused for so long is probed.
PROBE_EVERY = 60.0
# An unreachable remote is probed after 5, 10, 20 … seconds: the first and the longest wait.
PATIENCE_SECONDS = (5.0, 300.0)
# More at once would occupy the resolver's threads that requests need.
AT_ONCE = 32


class Health:
    """One loop over all connections, and the probes that it started."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        reload: Callable[[], Awaitable[None]],
        log: logging.Logger,
    ) -> None:
        self._connections = connections
        self._reload = reload
        self._log = log
        self._probing: set[Connection] = set()
        self._probes = TaskSet()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._loop is None:
            self._loop = asyncio.ensure_future(self._run())

    async def close(self) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait({self._loop})
        await self._probes.stop()

    async def _run(self) -> None:
        reloaded = time.monotonic()
        while True:
            self._start_due_probes(time.monotonic())
            await asyncio.sleep(TICK_SECONDS)
            if time.monotonic() - reloaded >= RELOAD_SECONDS:
                try:
                    await self._reload()
                except Exception:
                    self._log.exception("The configuration could not be reloaded")
                reloaded = time.monotonic()

    def _start_due_probes(self, now: float) -> None:
        for connection in list(self._connections.values()):
            if len(self._probing) >= AT_ONCE:
                return
            if connection not in self._probing and is_due(connection, now):
                self._probing.add(connection)
                self._probes.start(self._probe(connection))

    async def _probe(self, connection: Connection) -> None:
        try:
            await connection.probe()
        finally:
            self._probing.discard(connection)


def is_due(connection: Connection, now: float) -> bool:
    """Tell whether the connection should be probed."""
    if connection.session.is_opening:
        return False
    idle = now - connection.current_state.checked
    first, longest = PATIENCE_SECONDS
    if connection.session.is_due and connection.is_wanted:
        return True
    if connection.state == "connected":
        return idle >= PROBE_EVERY
    if not (connection.is_wanted or connection.session.alive):
        return False
    if connection.current_state.misses == 0:
        return True
    return idle >= min(longest, first * 2.0 ** min(connection.current_state.misses - 1, 16))
