"""Tasks that go on without whoever began them. They are held here: asyncio itself holds none."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Generic, TypeVar

from jupyter_bridge.problems import Problem

T = TypeVar("T")


class TaskSet:
    """Tasks that nobody waits for, until they end or are stopped."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin; what it raises asyncio tells, as of any task."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    async def settle(self) -> None:
        """Wait until all have ended, also those that begin meanwhile."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def stop(self) -> None:
        """Cancel all but the one that calls this, and wait until they have ended."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await ended(tasks)


class SingleFlight(Generic[T]):
    """What is being opened, by name: once for all who ask meanwhile.

    Whoever waits may go away; the opening goes on, in no request's context, as what it opens does.
    """

    def __init__(self) -> None:
        self._openings: dict[str, tuple[asyncio.Task[T], asyncio.Future[T]]] = {}

    async def join(self, name: str, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What comes of the opening under way, or of `begin()` where there is none."""
        if name not in self._openings:
            task = contextvars.Context().run(asyncio.ensure_future, begin())
            self._openings[name] = task, asyncio.get_running_loop().create_future()
            task.add_done_callback(lambda done: self._done(name, done))
        return await asyncio.shield(self._openings[name][1])

    def _done(self, name: str, done: asyncio.Task[T]) -> None:
        task, outcome = self._openings.get(name, (None, None))
        if task is not done or outcome is None:  # it was given up
            return
        del self._openings[name]
        if done.cancelled():
            outcome.cancel()
        elif (error := done.exception()) is not None:
            _fail(outcome, error)
        else:
            outcome.set_result(done.result())

    def give_up(
        self, problem: Problem, is_meant: Callable[[str], bool] = lambda name: True
    ) -> list[asyncio.Task[T]]:
        """Cancel those whose name is meant: whoever waits gets the Problem. Answers their tasks."""
        tasks = []
        for name in [name for name in self._openings if is_meant(name)]:
            task, outcome = self._openings.pop(name)
            _fail(outcome, problem)
            task.cancel()
            tasks.append(task)
        return tasks

    async def stop(
        self, problem: Problem, is_meant: Callable[[str], bool] = lambda name: True
    ) -> None:
        """Give them up, and return when they have ended."""
        await ended(self.give_up(problem, is_meant))


async def ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait until these have ended, if there are any."""
    if tasks:
        await asyncio.wait(tasks)


def _fail(outcome: asyncio.Future[Any], error: BaseException) -> None:
    outcome.set_exception(error)
    outcome.exception()  # if nobody waits any more, that is no news
