"""SingleFlight: one call for all callers that need the same result at the same time."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from jupyter_bridge.aio.task_set import ended
from jupyter_bridge.problems import Problem

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Calls under way, by name: each runs once for all callers that ask meanwhile.

    A caller may be cancelled; the call goes on. It runs outside of any request's context, because
    its result outlives the request.
    """

    def __init__(self) -> None:
        self._calls: dict[str, tuple[asyncio.Task[T], asyncio.Future[T]]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    async def join(self, name: str, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the call under way returns, or start one with `begin()`."""
        if name not in self._calls:
            task = contextvars.Context().run(asyncio.ensure_future, begin())
            self._calls[name] = task, asyncio.get_running_loop().create_future()
            task.add_done_callback(lambda done: self._done(name, done))
        return await asyncio.shield(self._calls[name][1])

    def _done(self, name: str, done: asyncio.Task[T]) -> None:
        task, outcome = self._calls.get(name, (None, None))
        if task is not done or outcome is None:  # it was cancelled
            return
        del self._calls[name]
        if done.cancelled():
            outcome.cancel()
        elif (error := done.exception()) is not None:
            _fail(outcome, error)
        else:
            outcome.set_result(done.result())

    async def settle(self) -> None:
        """Wait until the calls under way have ended or failed."""
        await ended([task for task, _ in self._calls.values()])

    def give_up(
        self, problem: Problem, is_meant: Callable[[str], bool] = lambda name: True
    ) -> list[asyncio.Task[T]]:
        """Cancel the calls of the given names; return their tasks. Callers get the Problem."""
        tasks = []
        for name in [name for name in self._calls if is_meant(name)]:
            task, outcome = self._calls.pop(name)
            _fail(outcome, problem)
            task.cancel()
            tasks.append(task)
        return tasks

    async def stop(
        self, problem: Problem, is_meant: Callable[[str], bool] = lambda name: True
    ) -> None:
        """Cancel the calls of the given names, and wait until they have ended."""
        await ended(self.give_up(problem, is_meant))


def _fail(outcome: asyncio.Future[Any], error: BaseException) -> None:
    outcome.set_exception(error)
    outcome.exception()  # marked as seen: there may be no caller
