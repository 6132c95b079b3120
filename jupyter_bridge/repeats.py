"""Repeats: requests that may be sent again, because their answer was lost, and are done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from jupyter_bridge.problems import Conflict

# How many requests are remembered; the oldest go first.
LIMIT = 10_000

T = TypeVar("T")


class Repeats(Generic[T]):
    """What came of requests, by their name: who asked, where, and under which Idempotency-Key."""

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[object, asyncio.Task[T]]] = {}

    async def once(
        self, name: Hashable, request: object, start: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        """What comes of `start`, or of an earlier call under the same name.

        Conflict if that one was for another `request`. Whoever waits may go away; what was started
        goes on. If it fails, everybody who waits for it gets its error, and the name is free again.
        """
        known = self._known.get(name)
        if known is None:
            task = asyncio.create_task(start())
            known = self._known[name] = (request, task)
            task.add_done_callback(lambda done: self._done(name, done))
            if len(self._known) > LIMIT:
                del self._known[next(iter(self._known))]
        elif known[0] != request:
            raise Conflict("This Idempotency-Key was used for another request.")
        return await asyncio.shield(known[1])

    def _done(self, name: Hashable, done: asyncio.Task[T]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._known.pop(name, None)

    def forget(self, name: Hashable) -> None:
        """Forget a request of which nothing is left."""
        self._known.pop(name, None)

    async def close(self) -> None:
        """Give up what is still being started."""
        tasks = {task for _, task in self._known.values() if not task.done()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._known.clear()
