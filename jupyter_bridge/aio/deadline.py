"""within: wait for something, but not longer than so many seconds.

`asyncio.wait_for` can swallow a cancellation that comes as its future ends, on Python before 3.12
(cpython issue 86296). So the bridge does not use it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

if sys.version_info >= (3, 11):

    async def within(seconds: float | None, work: Awaitable[T]) -> T:
        """Return what `work` returns; cancel it and raise asyncio.TimeoutError after `seconds`.

        None waits without a limit. Returns only when `work` has ended, its cleaning up included.
        """
        async with asyncio.timeout(seconds):
            return await work

else:

    async def within(seconds: float | None, work: Awaitable[T]) -> T:
        """Return what `work` returns; cancel it and raise asyncio.TimeoutError after `seconds`.

        None waits without a limit. Returns only when `work` has ended, its cleaning up included.
        """
        return await within_by_task(seconds, work)


async def within_by_task(seconds: float | None, work: Awaitable[T]) -> T:
    """Do as `within` does, with a task: Python 3.10 cannot tell two cancellations apart."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            if task.cancelled():
                raise asyncio.TimeoutError
        return task.result()
    except asyncio.CancelledError:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # marked as seen: the caller's cancellation says it all
        raise
