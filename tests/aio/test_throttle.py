"""News are told at once, then at a pace; the last always."""

from __future__ import annotations

import asyncio

from jupyter_bridge.aio.throttle import Throttle
from tests.support.waiting import pass_time

PERIOD = 60.0


async def test_the_first_is_told_at_once_and_the_last_always() -> None:
    """A thousand changes are two events: the first ones' newest, and after the period the last."""
    told: list[tuple[str, int]] = []
    paced = Throttle[int](lambda key, n: told.append((key, n)), PERIOD)
    paced.note("a", 0)
    assert told == []  # who notes waits for nobody
    await asyncio.sleep(0)
    assert told == [("a", 0)]
    for n in range(1, 1000):
        paced.note("a", n)
    await pass_time(PERIOD / 2)
    assert told == [("a", 0)]
    await pass_time(PERIOD / 2)
    assert told == [("a", 0), ("a", 999)]
    await pass_time(PERIOD)
    assert (paced._waiting, paced._timers) == ({}, {})  # nothing is kept of what is quiet


async def test_each_key_has_its_own_pace() -> None:
    """Much news of one thing delays no other's."""
    told: list[str] = []
    paced = Throttle[int](lambda key, n: told.append(key), 3600)
    for n in range(10):
        paced.note("loud", n)
    await asyncio.sleep(0)
    paced.note("quiet", 0)
    await asyncio.sleep(0)
    assert told == ["loud", "quiet"]
    paced.close()
    paced.close()


async def test_each_topic_keeps_its_last() -> None:
    """Two topics of one thing share its pace, and neither covers the other up."""
    told: list[str] = []
    paced = Throttle[str](lambda key, value: told.append(value), PERIOD)
    paced.note("k", "busy", "state")
    await asyncio.sleep(0)
    paced.note("k", "idle", "state")
    paced.note("k", "clients", "clients")
    paced.note("k", "busy", "state")
    paced.note("k", "idle", "state")
    for _ in range(4):
        await pass_time(PERIOD)
    assert told == ["busy", "idle", "clients"]


async def test_the_end_covers_all_up() -> None:
    """After what is noted last nothing older is told."""
    told: list[str] = []
    paced = Throttle[str](lambda key, value: told.append(value), PERIOD)
    paced.note("k", "busy", "state")
    await asyncio.sleep(0)
    paced.note("k", "idle", "state")
    paced.note("k", "clients", "clients")
    paced.note_last("k", "gone")
    for _ in range(4):
        await pass_time(PERIOD)
    assert told == ["busy", "gone"]


async def test_one_that_fails_stops_nothing() -> None:
    """An event that cannot be told is the event loop's to report; the next one is told."""
    told: list[int] = []

    def callback(key: str, n: int) -> None:
        told.append(n)
        if n == 0:
            raise RuntimeError("no")

    reported: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: reported.append(context["exception"]))
    try:
        paced = Throttle[int](callback, PERIOD)
        paced.note("k", 0)
        await asyncio.sleep(0)
        paced.note("k", 1)
        await pass_time(PERIOD)
    finally:
        loop.set_exception_handler(None)
    assert told == [0, 1]
    assert [str(error) for error in reported] == ["no"]
