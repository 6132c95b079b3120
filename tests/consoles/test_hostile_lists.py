"""What a remote can do with the list of its consoles: fill the lists here up to a bound."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from jupyter_bridge.connections.roles import Node
from jupyter_bridge.consoles.connection_consoles import (
    MAX_NODE_TEXT,
    MAX_NODES,
    ConnectionConsoles,
)


class Far:
    """A connection, and all connections there are."""

    name = "far"
    log = logging.getLogger("far")
    nodes: tuple[Node, ...] = ()

    async def use(self, role: Any, do: Callable[[Any], Awaitable[list[Node]]]) -> list[Node]:
        return list(self.nodes)

    async def loaded(self) -> None:
        """It is there from the beginning."""

    def get(self, name: str) -> Far:
        return self

    def watch(self, watcher: Any) -> None:
        """Its state never changes."""


async def test_a_list_without_end() -> None:
    """Of a remote with any number of consoles, with names of any length, so many are shown; what
    is asked of each of them takes no longer for their number.
    """
    far = Far()
    long = "x" * MAX_NODE_TEXT
    far.nodes = (
        *(Node("n", long), Node(long, "t"), Node("m", state=long)),
        *(Node(f"node-{number}") for number in range(3 * MAX_NODES)),
    )
    consoles = ConnectionConsoles(cast(Any, far))
    heard: list[str] = []
    consoles.on_news = heard.append
    await consoles.ask("far")
    assert list(consoles.offers()) == [f"far:node-{number}" for number in range(MAX_NODES)]
    assert heard == list(consoles.offers())
    began = time.process_time()
    assert {consoles.state_of(name) for name in heard} == {"live"}
    assert time.process_time() - began < 1
    await consoles.close()
