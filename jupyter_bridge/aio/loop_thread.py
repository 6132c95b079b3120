"""Run work in another thread, with or without an event loop there, and wait for its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import closing, suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")

# How long a cancelled caller waits for a call that cannot be stopped, seconds.
PATIENCE = 20.0


async def run_in_loop_thread(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `work()` in the event loop of a new thread. A cancelled caller waits for its end."""
    running = _Running(work)
    # A daemon thread: it may hang in a write to a lost disk, and must not hold up the exit.
    threading.Thread(target=running.run, name="bridge-own-loop", daemon=True).start()
    done = asyncio.wrap_future(running.outcome)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        running.cancel()
        await asyncio.wait({done})
        if not done.cancelled():
            done.exception()
        raise


async def to_its_end(
    call: Callable[[], T], *, discard: Callable[[T], Awaitable[object]] | None = None
) -> T:
    """Run `call()` in a shared thread. A cancelled caller waits for its end, PATIENCE at most.

    Its result is lost then: a result that must be closed needs `discard`.
    """
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work}, timeout=PATIENCE)
        if not work.done():  # a disk that hangs
            work.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
        # Asking for the exception marks it as seen: the cancelled caller does not get it.
        if work.exception() is None and discard is not None:
            await discard(work.result())
        raise


async def in_daemon_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Run `call(*arguments)` in a thread of its own that may hang without holding up the exit.

    A cancelled caller abandons the call. `to_thread` cannot do this: the server's exit waits for
    its threads.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            result = call(*arguments)
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    outcome.set_running_or_notify_cancel()  # so that a cancel cannot reach the call
    threading.Thread(target=run, name="bridge-daemon-call", daemon=True).start()
    return await asyncio.wrap_future(outcome)


class _Running(Generic[T]):
    """The work, seen from both threads."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self.outcome: Future[T] = Future()
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self._cancelled = False

    def run(self) -> None:
        """Run the thread."""
        try:
            # Not asyncio.run: at its end that waits for every name lookup under way.
            with closing(asyncio.new_event_loop()) as loop:
                try:
                    result = loop.run_until_complete(self._main())
                finally:
                    loop.run_until_complete(loop.shutdown_asyncgens())
        except asyncio.CancelledError:
            self.outcome.cancel()
        except BaseException as error:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(result)

    async def _main(self) -> T:
        self._task = asyncio.current_task()
        if self._cancelled:
            raise asyncio.CancelledError
        try:
            return await self._work()
        finally:
            # The loop releases closed sockets one turn later.
            await asyncio.sleep(0)

    def cancel(self) -> None:
        """Cancel the work, from the other thread; also before it began or after it ended."""
        self._cancelled = True
        task = self._task
        if task is not None:
            with suppress(RuntimeError):  # the loop is closed
                task.get_loop().call_soon_threadsafe(task.cancel)
