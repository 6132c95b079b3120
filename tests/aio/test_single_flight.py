"""A SingleFlight makes one call for all who ask meanwhile."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from jupyter_bridge.aio.single_flight import SingleFlight
from jupyter_bridge.problems import Gone, NotFound, Unavailable

WHO = contextvars.ContextVar("who", default="nobody")


class Door:
    """Something that opens when it is told, and counts how often it was begun and stopped."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = self.stopped = 0
        self.may_open = asyncio.Event()
        self.error = error

    async def open(self) -> str:
        self.begun += 1
        try:
            await self.may_open.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        if self.error is not None:
            raise self.error
        return f"opened for {WHO.get()}"


async def test_opened_once_for_all_who_ask() -> None:
    """Who goes away takes nothing from the others; the next one opens anew."""
    openings: SingleFlight[str] = SingleFlight()
    door = Door()
    WHO.set("me")
    asking = [asyncio.create_task(openings.join("a", door.open)) for _ in range(3)]
    await asyncio.sleep(0)
    asking.pop(0).cancel()
    door.may_open.set()
    assert await asyncio.gather(*asking) == ["opened for nobody"] * 2
    assert door.begun == 1
    assert await openings.join("a", door.open) == "opened for nobody"
    assert door.begun == 2


async def test_who_waits_is_told_the_error() -> None:
    """Everybody is; and where nobody waits any more it is no news."""
    openings: SingleFlight[str] = SingleFlight()
    door = Door(NotFound("no such door"))
    asking = [asyncio.create_task(openings.join("a", door.open)) for _ in range(2)]
    left = asyncio.create_task(openings.join("b", door.open))
    await asyncio.sleep(0)
    left.cancel()
    door.may_open.set()
    told = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in told] == [NotFound, NotFound]


async def test_what_is_given_up() -> None:
    """Whoever waits is told why, and is not cancelled; another one can open it at once."""
    openings: SingleFlight[str] = SingleFlight()
    first, second, other = Door(), Door(), Door()
    asking = asyncio.create_task(openings.join("a", first.open))
    beside = asyncio.create_task(openings.join("b", other.open))
    await asyncio.sleep(0)
    stopping = asyncio.create_task(openings.stop(Gone("shut down"), lambda name: name == "a"))
    await asyncio.sleep(0)
    anew = asyncio.create_task(openings.join("a", second.open))
    await stopping
    assert first.stopped == 1
    with pytest.raises(Gone, match="shut down"):
        await asking
    for door in (second, other):
        door.may_open.set()
    assert list(await asyncio.gather(anew, beside)) == ["opened for nobody"] * 2
    await openings.stop(Unavailable("stopping"))
    assert asyncio.all_tasks() == {asyncio.current_task()}
