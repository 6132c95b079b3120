"""Lanes: blocking calls, one thread per thing that they are for and only while there are some.

A pty that nobody reads blocks whoever writes to it. With a lane each, a stalled terminal holds up
its own input and nobody else's. A file on a mount that does not answer blocks its readers alike,
and of the threads that all share there are few: soon every one of them would stand there.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

# A lane's thread waits so long for more before it ends: typing comes in bursts.
IDLE_SECONDS = 5.0


class SerialWorker:
    """Calls run one after the other, in order, off the event loop."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._more = threading.Condition()
        self._running = False

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run `job` after those before it; the Future has its result."""
        future: Future[T] = Future()
        with self._more:
            self._jobs.append((future, job))
            if self._running:
                self._more.notify()
            else:
                self._running = True
                # A daemon, because a write into a stalled pty must not hold up the server's exit.
                threading.Thread(target=self._run, name="bridge-lane", daemon=True).start()
        return future

    def _run(self) -> None:
        while True:
            with self._more:
                if not self._jobs and not self._more.wait_for(lambda: self._jobs, IDLE_SECONDS):
                    self._running = False
                    return
                future, job = self._jobs.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(job())
                except BaseException as error:
                    future.set_exception(error)


async def off_loop(lane: SerialWorker | None, call: Callable[..., T], *args: Any) -> T:
    """A blocking call off the event loop, in this lane, or in the threads that all share."""
    if lane is None:
        return await asyncio.to_thread(call, *args)
    return await asyncio.wrap_future(lane.submit(lambda: call(*args)))


class InputWorkers(Executor):
    """An Executor for the host's terminal websockets: calls of one terminal share its Lane."""

    def __init__(self) -> None:
        self._lanes: WeakKeyDictionary[object, SerialWorker] = WeakKeyDictionary()
        self._other = SerialWorker()

    def lane(self, terminal: object) -> SerialWorker:
        """The lane of this terminal, for as long as the terminal is there."""
        lane = self._lanes.get(terminal)
        if lane is None:
            lane = self._lanes[terminal] = SerialWorker()
        return lane

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        # terminado submits bound to its TermSocket, which knows its terminal.
        terminal = getattr(args[0], "terminal", None) if args else None
        lane = self._other if terminal is None else self.lane(terminal)
        return lane.submit(lambda: fn(*args, **kwargs))
