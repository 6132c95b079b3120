"""Turns: so many begin in one turn of the loop, in order, and nobody is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_bridge.aio.turns import Turns


async def beginnings(turns: Turns, count: int) -> list[int]:
    """In which turn of the loop each of `count` tasks began."""
    now, began = 0, []

    async def begin() -> None:
        await turns.take()
        began.append(now)

    tasks = [asyncio.create_task(begin()) for _ in range(count)]
    while len(began) < count:
        await asyncio.sleep(0)
        now += 1
    await asyncio.gather(*tasks)
    return began


@pytest.mark.parametrize("count", [1, 3, 4, 10, 100])
async def test_so_many_in_a_turn(count: int) -> None:
    """Never more than three in one turn, and no turn is left out."""
    turns = Turns(3)
    for _ in range(2):
        began = await beginnings(turns, count)
        assert began == sorted(began)
        assert all(began.count(turn) <= 3 for turn in began)
        assert len(set(began)) == -(-count // 3)


async def test_cancelled() -> None:
    """Whoever is cancelled while it waits takes nobody's turn."""
    turns = Turns(1)
    tasks = [asyncio.create_task(turns.take()) for _ in range(5)]
    await asyncio.sleep(0)
    for task in tasks[1:4]:
        task.cancel()
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [False, True, True, True, False]
