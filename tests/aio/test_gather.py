"""aio/gather.py: several works, one end."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_bridge.aio.gather import gather
from tests.support.waiting import settle


async def test_the_first_that_fails_ends_the_others() -> None:
    """Its error is raised once all have ended; none is left behind."""
    ended = []

    async def lasting() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("lasting")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await gather([lasting(), failing(), lasting()])
    assert ended == ["lasting", "lasting"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_cancel_ends_all() -> None:
    """Whoever stops waiting stops the works, too, and waits for their end."""
    ended = []

    async def lasting(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    waiting = asyncio.ensure_future(gather([lasting("a"), lasting("b")]))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert sorted(ended) == ["a", "b"]
