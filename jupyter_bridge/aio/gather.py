"""Run several coroutines at the same time; the first failure cancels the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

# How many calls run before the loop gets its turn: a call that needs no wait does not yield.
_IN_A_TURN = 256

T = TypeVar("T")
R = TypeVar("R")


async def gather(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all of them; re-raises the first exception when all have ended."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        for task in asyncio.as_completed(tasks):
            await task
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def each(do: Callable[[T], Awaitable[R]], things: Iterable[T], at_once: int) -> list[R]:
    """Return the results of `do` for each, in order; `at_once` run at the same time."""
    waiting = enumerate(things)
    results: dict[int, R] = {}

    async def work() -> None:
        for index, thing in waiting:
            results[index] = await do(thing)
            if index % _IN_A_TURN == 0:
                await asyncio.sleep(0)

    await gather(work() for _ in range(at_once))
    return [results[index] for index in sorted(results)]
