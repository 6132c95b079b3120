"""within: wait with a time limit.

`asyncio.wait_for` can swallow a cancellation that comes as its future ends, on Python before 3.12
(cpython issue 86296). So the bridge does not use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def within(
    seconds: float | None,
    work: Awaitable[T],
    *,
    discard: Callable[[T], Awaitable[object]] | None = None,
) -> T:
    """Return what `work` returns; cancel it and raise asyncio.TimeoutError after `seconds`.

    None waits without a limit. Returns only when `work` has ended, its cleaning up included. If the
    caller is cancelled as `work` ends, its result is lost: a result that must be closed needs
    `discard`. The work has a task of its own: Python 3.10 cannot tell a deadline's cancellation
    from the caller's.
    """
    if seconds is None:
        return await work
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
        # Asking for the exception marks it as seen: the caller's cancellation says it all.
        if not task.cancelled() and task.exception() is None and discard is not None:
            await discard(task.result())
        raise
    finally:
        del task  # a failure's traceback holds this frame, and all that its callers hold
