"""SerialWorker: blocking calls in order, in a thread of their own while there are some.

A write to a pty that no program reads blocks. With a worker each, a stalled terminal delays only
its own input. A file on a mount that does not answer blocks its readers, too, and would soon block
all of the few shared threads.
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

# How long an idle thread waits for more calls, seconds: typing comes in bursts.
IDLE_SECONDS = 5.0


class SerialWorker:
    """Runs calls one after the other, in order, off the event loop.

    Its thread ends after `idle` seconds without a call.
    """

    def __init__(self, idle: float = IDLE_SECONDS) -> None:
        self._idle = idle
        self._jobs: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._more = threading.Condition()
        self._running = False

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run `job` after the earlier ones; the Future has its result."""
        future: Future[T] = Future()
        with self._more:
            self._jobs.append((future, job))
            if self._running:
                self._more.notify()
            else:
                self._running = True
                # A daemon: a write to a stalled pty must not delay the server's exit.
                threading.Thread(target=self._run, name="bridge-worker", daemon=True).start()
        return future

    def _run(self) -> None:
        while True:
            with self._more:
                if not self._jobs and not self._more.wait_for(lambda: self._jobs, self._idle):
                    self._running = False
                    return
                future, job = self._jobs.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(job())
                except BaseException as error:
                    future.set_exception(error)


async def in_worker(worker: SerialWorker | None, call: Callable[..., T], *args: Any) -> T:
    """Make a blocking call in this worker, or in a shared thread if it is None."""
    if worker is None:
        return await asyncio.to_thread(call, *args)
    return await asyncio.wrap_future(worker.submit(lambda: call(*args)))


class InputWorkers(Executor):
    """An Executor for the host's terminal websockets, with one worker per terminal."""

    def __init__(self) -> None:
        self._workers: WeakKeyDictionary[object, SerialWorker] = WeakKeyDictionary()
        self._other = SerialWorker()

    def worker(self, terminal: object) -> SerialWorker:
        """Return the worker of this terminal, which exists as long as the terminal."""
        worker = self._workers.get(terminal)
        if worker is None:
            worker = self._workers[terminal] = SerialWorker()
        return worker

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        # terminado submits methods bound to its TermSocket, which knows its terminal.
        terminal = getattr(args[0], "terminal", None) if args else None
        worker = self._other if terminal is None else self.worker(terminal)
        return worker.submit(lambda: fn(*args, **kwargs))
