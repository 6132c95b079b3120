"""SerialWorker: blocking calls in order, in a thread of their own while there are some.

A write to a pty that no program reads blocks. With a worker each, a stalled terminal delays only
its own input. A file on a mount that does not answer blocks its readers, too, and would soon block
all of the few shared threads.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from jupyter_bridge.aio.budget import Budget

T = TypeVar("T")

_log = logging.getLogger(__name__)

# How long an idle thread waits for more calls, seconds: typing comes in bursts.
IDLE_SECONDS = 5.0
# The most bytes that wait for one terminal, of the host's own clients.
MAX_WAITING = 16 << 20


class SerialWorker:
    """Runs calls one after the other, in order, off the event loop.

    Its thread ends after `idle` seconds without a call. A call that is cancelled before its turn is
    dropped at once, with all that it holds.
    """

    def __init__(self, idle: float = IDLE_SECONDS) -> None:
        self._idle = idle
        self._jobs: OrderedDict[Future[Any], Callable[[], Any]] = OrderedDict()
        self._more = threading.Condition()
        self._running = False

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run `job` after the earlier ones; the Future has its result."""
        future: Future[T] = Future()
        future.add_done_callback(self._drop)
        with self._more:
            self._jobs[future] = job
            if self._running:
                self._more.notify()
            else:
                self._running = True
                # A daemon: a write to a stalled pty must not delay the server's exit.
                threading.Thread(target=self._run, name="bridge-worker", daemon=True).start()
        return future

    def _drop(self, future: Future[Any]) -> None:
        with self._more:
            self._jobs.pop(future, None)

    def _run(self) -> None:
        while True:
            with self._more:
                if not self._jobs and not self._more.wait_for(lambda: self._jobs, self._idle):
                    self._running = False
                    return
                future, job = self._jobs.popitem(last=False)
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(job())
                except BaseException as error:
                    future.set_exception(error)
            del future, job  # while the thread is idle, nothing of them is held


async def in_worker(worker: SerialWorker | None, call: Callable[..., T], *args: Any) -> T:
    """Make a blocking call in this worker, or in a shared thread if it is None."""
    if worker is None:
        return await asyncio.to_thread(call, *args)
    return await asyncio.wrap_future(worker.submit(lambda: call(*args)))


class _Input:
    """What the host's clients type into one terminal."""

    def __init__(self) -> None:
        self.worker = SerialWorker()
        self.budget = Budget(MAX_WAITING)
        self.is_full = False


class InputWorkers(Executor):
    """An Executor for the host's terminal websockets, with one worker per terminal.

    While MAX_WAITING bytes wait for a terminal that reads nothing, further input is dropped: the
    host goes on taking it, also from clients that hang up.
    """

    def __init__(self) -> None:
        self._inputs: WeakKeyDictionary[object, _Input] = WeakKeyDictionary()
        self._other = _Input()

    def worker(self, terminal: object) -> SerialWorker:
        """Return the worker of this terminal, which exists as long as the terminal."""
        return self._input(terminal).worker

    def _input(self, terminal: object) -> _Input:
        known = self._inputs.get(terminal)
        if known is None:
            known = self._inputs[terminal] = _Input()
        return known

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        # terminado submits methods bound to its TermSocket, which knows its terminal.
        terminal = getattr(args[0], "terminal", None) if args else None
        given = self._other if terminal is None else self._input(terminal)
        size = sum(map(sys.getsizeof, args[1:]))
        if not given.budget.take(size):
            if not given.is_full:
                given.is_full = True
                name = getattr(terminal, "term_name", "")
                _log.warning("Terminal %s reads nothing: further input is dropped", name)
            dropped: Future[Any] = Future()
            dropped.set_result(None)
            return dropped
        given.is_full = False
        future = given.worker.submit(lambda: fn(*args, **kwargs))
        future.add_done_callback(lambda _: given.budget.give(size))
        return future
