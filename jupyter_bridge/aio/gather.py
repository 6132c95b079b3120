"""Run several coroutines at the same time; the first that fails cancels the others."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


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
