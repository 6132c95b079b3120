"""A failure that was handled holds nothing of its request until the next collection."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.web.handler import BridgeHandler


class Body:
    """Something large."""


async def while_here(work: Coroutine[Any, Any, None]) -> None:
    leaving = asyncio.get_running_loop().create_future()
    handler: Any = SimpleNamespace(_leaving=lambda: leaving, _answers_others=False)
    await BridgeHandler.while_here(handler, work)


WAYS: dict[str, Callable[[Coroutine[Any, Any, None]], Coroutine[Any, Any, None]]] = {
    "within": lambda work: within(60.0, work),
    "while_here": while_here,
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_failure_is_no_cycle(way: str) -> None:
    """What the failed work and its caller held is let go with the failure."""

    async def fail() -> None:
        raise LookupError

    async def ask() -> weakref.ref[Body]:
        body = Body()
        seen = weakref.ref(body)
        try:
            await WAYS[way](fail())
        except LookupError:
            pass
        return seen

    gc.disable()
    try:
        seen = await ask()
        await asyncio.sleep(0)
        assert seen() is None
    finally:
        gc.enable()
