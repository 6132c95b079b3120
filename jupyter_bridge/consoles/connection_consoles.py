"""ConnectionConsoles: the consoles of connections, listed from memory, updated in the background.

A list of all consoles never waits for a remote: it shows the last answer and starts a new request.
A list of one connection's consoles waits for its answer.
"""

from __future__ import annotations

import asyncio
import datetime
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jupyter_bridge.aio.changes import Changes
from jupyter_bridge.aio.deadline import within
from jupyter_bridge.aio.single_flight import SingleFlight
from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.registry import ConnectionRegistry
from jupyter_bridge.connections.roles import HasConsoles, Node
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.models.consoles import ConsoleModel
from jupyter_bridge.problems import NotFound, Problem, Timeout, Unavailable
from jupyter_bridge.wire.names import ConsoleName
from jupyter_bridge.wire.times import now

# A list starts a new request if the last answer is older than this, seconds.
STALE_SECONDS = 2.0
# How long to wait for a remote's answer, seconds.
ASK_SECONDS = 15.0
# How many changes are reported in one turn of the event loop: a remote may have thousands.
TELL_AT_ONCE = 10
# The most consoles of one remote, and the most characters of name, title and state together: a list
# of all is made in one turn of the event loop.
MAX_NODES = 10_000
MAX_NODE_TEXT = 1_000


@dataclass
class _Known:
    """The consoles of one connection: when they were asked for (monotonic), and first seen."""

    log: Changes
    asked: float = 0.0
    nodes: dict[str, Node] = field(default_factory=dict)
    since: dict[str, datetime.datetime] = field(default_factory=dict)


class ConnectionConsoles:
    """The consoles of `connections`. `on_gone(name)` is called for a disconnected connection."""

    def __init__(self, connections: ConnectionRegistry) -> None:
        self.on_gone: Callable[[str], None] = lambda connection: None
        # Called with the name of each console that appears, disappears, starts or ends.
        self.on_news: Callable[[str], None] = lambda name: None
        self._connections = connections
        self._known: dict[str, _Known] = {}
        self._requests: SingleFlight[None] = SingleFlight()
        self._tasks = TaskSet()
        connections.watch(self._on_state)

    # -- listing -------------------------------------------------------------------------------

    def offers(self, connection: str | None = None) -> dict[str, ConsoleModel]:
        """Return the known consoles by name, as lists show them."""
        return {
            str(ConsoleName(name, node.name)): _model(name, node, known.since[node.name])
            for name, known in self._known.items()
            if connection in (None, name)
            for node in known.nodes.values()
        }

    def state_of(self, console: str) -> str | None:
        """Return the known state of the console of this name; None if it is unknown."""
        name = ConsoleName.parse(console)
        known = self._known.get(name.prefix)
        node = known.nodes.get(name.rest) if known is not None else None
        return None if node is None else node.state

    def refresh(self) -> None:
        """Ask every connected remote whose answer is old, in the background."""
        for connection in self._connections.list():
            known = self._known.get(connection.name)
            old = known is None or time.monotonic() - known.asked > STALE_SECONDS
            if old and connection.state == "connected" and "consoles" in connection.can:
                self._tasks.start(self._ask_quietly(connection))

    async def ask(self, name: str) -> None:
        """Ask one connection and wait for its answer; raises a Problem if it fails."""
        await self._connections.loaded()
        await self._ask(self._connections.get(name))

    async def _ask(self, connection: Connection) -> None:
        await self._requests.join(connection.name, lambda: self._request(connection))

    async def _request(self, connection: Connection) -> None:
        name = connection.name
        known = self._known.setdefault(name, _Known(Changes(connection.log)))
        known.asked = time.monotonic()
        request = connection.use(HasConsoles, lambda connector: connector.consoles())
        try:
            listed: list[Node] = await within(ASK_SECONDS, request)
        except asyncio.TimeoutError:
            raise Timeout(f"{name} did not list its consoles in {ASK_SECONDS:g} s.") from None
        finally:
            known.asked = time.monotonic()
        fit = (one for one in listed if len(one.name + one.title + one.state) <= MAX_NODE_TEXT)
        nodes = {one.name: one for one in itertools.islice(fit, MAX_NODES)}
        if len(nodes) < len(listed):
            form = "%s lists %d consoles; %d of them can be shown"
            known.log.info(form, name, len(listed), len(nodes))
        before = {node: one.state for node, one in known.nodes.items()}
        after = {node: one.state for node, one in nodes.items()}
        since, known.nodes = now(), nodes
        known.since = {node: known.since.get(node, since) for node in nodes}
        changed = [node for node in before | after if before.get(node) != after.get(node)]
        for number, node in enumerate(changed, 1):
            self.on_news(str(ConsoleName(name, node)))
            if number % TELL_AT_ONCE == 0:
                await asyncio.sleep(0)

    # -- one console ---------------------------------------------------------------------------

    async def check(self, name: ConsoleName) -> None:
        """Raise NotFound unless the console is live on the remote now."""
        await self.ask(name.prefix)
        if self.state_of(str(name)) != "live":
            raise NotFound(f"{name.prefix} has no live console {name.rest!r}.")

    async def source(self, name: ConsoleName) -> RemoteSource:
        """Return the source of a console, not yet open; NotFound if the connection is unknown."""
        await self._connections.loaded()
        return RemoteSource(self._connections.get(name.prefix), name.rest)

    async def create(self, connection: str, **how: Any) -> str:
        """Create a console on the remote; return its name here."""
        await self._connections.loaded()
        node = await self._connections.get(connection).use(
            HasConsoles, lambda connector: connector.create_console(**how)
        )
        return str(ConsoleName(connection, node))

    # -- in the background ---------------------------------------------------------------------

    async def _ask_quietly(self, connection: Connection) -> None:
        """Ask; log a failure once per reason."""
        try:
            await self._ask(connection)
        except Problem as problem:
            if known := self._known.get(connection.name):
                known.log.info("%s did not list its consoles: %r", connection.name, problem)
        except Exception:
            connection.log.exception("Listing the consoles of %s failed", connection.name)

    def _on_state(self, connection: Connection, gone: bool) -> None:
        if gone or connection.state == "disconnected":
            self._forget(connection.name)
            self.on_gone(connection.name)
        elif connection.state == "connected" and "consoles" in connection.can:
            self._tasks.start(self._ask_quietly(connection))

    def _forget(self, name: str) -> None:
        left = Unavailable(f"{name} was disconnected.")
        self._requests.give_up(left, lambda asked: asked == name)
        known = self._known.pop(name, None)
        for node in known.nodes if known is not None else ():
            self.on_news(str(ConsoleName(name, node)))

    async def close(self) -> None:
        """Stop asking."""
        await self._requests.stop(Unavailable("The server is stopping."))
        await self._tasks.stop()


def _model(connection: str, node: Node, since: datetime.datetime) -> ConsoleModel:
    """Return the model of a console that was not opened yet."""
    return ConsoleModel(
        name=f"{connection}:{node.name}",
        kind="remote",
        state=node.state,
        title=node.title or node.name,
        first_offset=0,
        end_offset=0,
        epoch="",
        started=since,
        last_activity=since,
        last_line="",
        viewers=[],
    )
