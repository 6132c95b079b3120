"""ConnectionConsoles: the consoles that connections offer, known from memory and asked for beside.

Whoever lists consoles never waits for a remote: the list shows what was known a moment ago, and
sets off the next question. Who names a connection asks that one now.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Union

from jupyter_bridge.aio.changes import Changes
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.registry import ConnectionRegistry
from jupyter_bridge.connections.roles import HasConsoles, Node
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.problems import NotFound, Problem, Unavailable
from jupyter_bridge.wire.times import now, to_iso

# What is known of a remote's consoles is asked anew after this, if somebody looks; seconds.
STALE_SECONDS = 2.0
# A remote that does not answer within this is not waited for; seconds.
ASK_SECONDS = 15.0
# Of a remote with thousands of consoles not all are told of in one turn of the event loop.
TELL_AT_ONCE = 10


Log = Union[logging.Logger, "logging.LoggerAdapter[Any]"]


@dataclass
class _Known:
    """What one connection offers: when it was asked (monotonic), its nodes, since when known."""

    asked: float = 0.0
    nodes: list[Node] = field(default_factory=list)
    since: dict[str, str] = field(default_factory=dict)
    asking: asyncio.Task[None] | None = None
    told: Changes | None = None

    def say(self, log: Log, form: str, *values: object) -> None:
        """Log why it does not answer, once per reason."""
        self.told = self.told or Changes(log)
        self.told.info(form, *values)


class ConnectionConsoles:
    """The consoles of `connections`. `on_gone(connection)` hears of each that was left."""

    def __init__(self, connections: ConnectionRegistry) -> None:
        self.on_gone: Callable[[str], None] = lambda connection: None
        # Told the name of each console that came, went, ended or began.
        self.on_news: Callable[[str], None] = lambda name: None
        self._connections = connections
        self._known: dict[str, _Known] = {}
        self._beside: dict[asyncio.Task[None], asyncio.Task[None]] = {}
        connections.watch(self._on_state)

    # -- what there is -------------------------------------------------------------------------

    def offers(self, connection: str | None = None) -> dict[str, dict[str, Any]]:
        """What is offered, as far as is known, by the consoles' names; as lists show it."""
        return {
            f"{name}:{node.name}": _to_json(name, node, known.since[node.name])
            for name, known in self._known.items()
            if connection in (None, name)
            for node in known.nodes
        }

    def state_of(self, console: str) -> str | None:
        """The state of a console by its name here, as far as is known."""
        connection, _, name = console.partition(":")
        known = self._known.get(connection)
        nodes = known.nodes if known is not None else ()
        return next((node.state for node in nodes if node.name == name), None)

    def refresh(self) -> None:
        """Ask every connected remote whose answer has become old; nobody waits."""
        for connection in self._connections.list():
            known = self._known.get(connection.name)
            old = known is None or time.monotonic() - known.asked > STALE_SECONDS
            if old and connection.state == "connected" and "consoles" in connection.can:
                self._ask_beside(connection)

    async def ask(self, name: str) -> None:
        """Ask one connection now; raises why it does not answer.

        Whoever asks while a question is under way gets the outcome of the same one.
        """
        await self._connections.loaded()
        connection = self._connections.get(name)
        question = self._question(connection)
        await asyncio.wait({question})  # not the question ends with who stops waiting
        if question.cancelled():
            raise Unavailable(f"{name} was left, or did not answer in {ASK_SECONDS:g} s.")
        question.result()

    def _question(self, connection: Connection) -> asyncio.Task[None]:
        known = self._known.setdefault(connection.name, _Known())
        if known.asking is None:
            known.asking = asyncio.ensure_future(self._ask(connection, known))
            known.asking.add_done_callback(partial(_answered, known))
        return known.asking

    async def _ask(self, connection: Connection, known: _Known) -> None:
        name = connection.name
        nodes = await connection.use(HasConsoles, lambda connector: connector.consoles())
        before, known.nodes = {node.name: node.state for node in known.nodes}, nodes
        told = to_iso(now())
        known.since = {node.name: known.since.get(node.name, told) for node in nodes}
        after = {node.name: node.state for node in nodes}
        changed = [node for node in before | after if before.get(node) != after.get(node)]
        for number, node in enumerate(changed, 1):
            self.on_news(f"{name}:{node}")
            if number % TELL_AT_ONCE == 0:
                await asyncio.sleep(0)

    # -- one of them ---------------------------------------------------------------------------

    async def check(self, connection: str, node: str) -> None:
        """Ask whether it lives there now; NotFound if not."""
        await self.ask(connection)
        if not any(n.name == node and n.state == "live" for n in self._known[connection].nodes):
            raise NotFound(f"{connection} has no live console {node!r}.")

    async def source(self, connection: str, node: str) -> RemoteSource:
        """The line to one of them, not yet opened; NotFound if there is no such connection."""
        await self._connections.loaded()
        return RemoteSource(self._connections.get(connection), node)

    async def create(self, connection: str, **how: Any) -> str:
        """Start a new console there; answers its name here."""
        await self._connections.loaded()
        node = await self._connections.get(connection).use(
            HasConsoles, lambda connector: connector.create_console(**how)
        )
        return f"{connection}:{node}"

    # -- beside --------------------------------------------------------------------------------

    def _ask_beside(self, connection: Connection) -> None:
        question = self._question(connection)
        if question not in self._beside:
            beside = asyncio.ensure_future(self._wait_quietly(connection, question))
            self._beside[question] = beside
            beside.add_done_callback(lambda _: self._beside.pop(question, None))

    async def _wait_quietly(self, connection: Connection, question: asyncio.Task[None]) -> None:
        """Wait for a question that nobody may be waiting for, and log why it has no answer."""
        known = self._known.get(connection.name, _Known())
        await asyncio.wait({question}, timeout=ASK_SECONDS)
        if not question.done():
            question.cancel()
            await asyncio.wait({question})
        if question.cancelled():
            known.say(connection.log, "%s does not tell its consoles in time", connection.name)
            return
        error = question.exception()
        if isinstance(error, Problem):
            known.say(connection.log, "%s does not tell its consoles: %r", connection.name, error)
        elif error is not None:
            connection.log.error(
                "The consoles of %s cannot be asked for", connection.name, exc_info=error
            )

    def _on_state(self, connection: Connection, gone: bool) -> None:
        if gone or connection.state == "disconnected":
            self._forget(connection.name)
            self.on_gone(connection.name)
        elif connection.state == "connected" and "consoles" in connection.can:
            self._ask_beside(connection)

    def _forget(self, name: str) -> None:
        known = self._known.pop(name, None)
        if known is None:
            return
        if known.asking is not None:
            known.asking.cancel()
        for node in known.nodes:
            self.on_news(f"{name}:{node.name}")

    async def close(self) -> None:
        """Stop asking."""
        asking = {known.asking for known in self._known.values() if known.asking is not None}
        for name in list(self._known):
            self._forget(name)
        if asking := asking | set(self._beside.values()):
            await asyncio.wait(asking)


def _answered(known: _Known, question: asyncio.Task[None]) -> None:
    """A question is over: the next one is another."""
    known.asked = time.monotonic()
    known.asking = None
    if not question.cancelled():
        question.exception()  # whoever waits has it


def _to_json(connection: str, node: Node, since: str) -> dict[str, Any]:
    """A console that nobody has looked at yet."""
    return {
        "name": f"{connection}:{node.name}",
        "kind": "remote",
        "state": node.state,
        "title": node.title or node.name,
        "first_offset": 0,
        "end_offset": 0,
        "epoch": "",
        "started": since,
        "last_activity": since,
        "last_line": "",
        "viewers": [],
    }
