"""A TaskSet keeps every task until it ends: none is lost, none is left."""

from __future__ import annotations

import asyncio

from jupyter_bridge.aio.task_set import TaskSet


async def test_settles() -> None:
    """All are waited for, also those that others of them begin."""
    tasks, order = TaskSet(), []

    async def one(depth: int) -> None:
        await asyncio.sleep(0.01)
        order.append(depth)
        if depth:
            tasks.start(one(depth - 1))

    tasks.start(one(2))
    await tasks.settle()
    assert order == [2, 1, 0]
    await tasks.settle()


async def test_stops() -> None:
    """All end but the one that stops them, which goes on."""
    tasks, stopped = TaskSet(), []

    async def wait_long() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(True)
            raise

    for _ in range(2):
        tasks.start(wait_long())

    async def stop() -> str:
        await tasks.stop()
        return "went on"

    await asyncio.sleep(0)
    assert await tasks.start(stop()) == "went on"
    assert stopped == [True, True]
    assert asyncio.all_tasks() == {asyncio.current_task()}
