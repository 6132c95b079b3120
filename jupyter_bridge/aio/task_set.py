"""TaskSet: background tasks; asyncio itself keeps no reference to them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class TaskSet:
    """Holds background tasks until they end or are stopped."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task. Its exception is reported by asyncio."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    async def settle(self) -> None:
        """Wait until all have ended, those started meanwhile included."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop(self) -> None:
        """Cancel all but the calling task, and wait until they have ended."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await ended(tasks)


async def ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait until these have ended, if there are any."""
    if tasks:
        await asyncio.wait(tasks)
