"""LoopThread and SyncIterator: an event loop in a thread, and async iterators as plain ones."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial, wraps
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from jupyter_bridge.problems import Conflict

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P")
A = TypeVar("A")
A_co = TypeVar("A_co", covariant=True)
S = TypeVar("S")
G = TypeVar("G", bound="AsyncSource[Any]")
I = TypeVar("I", bound="SyncIterator[Any, Any]")  # noqa: E741


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="jupyter-bridge-client", daemon=True
        )
        self._thread.start()
        self.is_open = True

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop."""
        if not self.is_open:
            coroutine.close()
            raise Conflict("This client is closed.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine and return its result; Ctrl-C cancels it."""
        future = self.start(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def make(self, make: Callable[[], T]) -> T:
        """Call `make` on the loop and return its result."""

        async def made() -> T:
            return make()

        return self.run(made())

    def close(self) -> None:
        """Cancel all tasks and end the loop and the thread."""
        if not self.is_open:
            return
        self.is_open = False
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    mine = asyncio.current_task()
    others = [task for task in asyncio.all_tasks() if task is not mine]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


class Plain(Generic[A_co]):
    """An async object for programs without an event loop; `call` and `opened` make its methods."""

    def __init__(self, loop: LoopThread, behind: A_co) -> None:
        self._loop = loop
        self._async = behind


def call(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]],
    undo: Callable[[A, T], Coroutine[Any, Any, None]] | None = None,
) -> Callable[Concatenate[Plain[A], P], T]:
    """Make `method` a plain call. Ctrl-C cancels it.

    With `undo`, Ctrl-C waits for `method` and undoes its result, which would be lost otherwise.
    """

    @wraps(method)
    def plain(self: Plain[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        started = self._loop.start(method(self._async, *args, **kwargs))
        try:
            return started.result()
        except BaseException as error:
            if undo is not None and isinstance(error, KeyboardInterrupt):
                self._loop.run(undo(self._async, started.result()))
            started.cancel()
            raise

    return plain


def opened(
    method: Callable[Concatenate[A, P], S], kind: Callable[[LoopThread, Callable[[], S]], I]
) -> Callable[Concatenate[Plain[A], P], I]:
    """Make `method`, which returns an async iterator, a plain one that returns a `kind`."""

    @wraps(method)
    def plain(self: Plain[A], /, *args: P.args, **kwargs: P.kwargs) -> I:
        return kind(self._loop, lambda: method(self._async, *args, **kwargs))

    return plain


class AsyncSource(Protocol[T_co]):
    """An async iterator that a SyncIterator wraps."""

    async def __anext__(self) -> T_co: ...

    async def aclose(self) -> None: ...


class SyncIterator(Plain[G], Generic[G, T]):
    """An async iterator as a plain one, for `with` and `for`.

    Ctrl-C does not cancel a waiting step; the next `next()` continues to wait for it. Ctrl-C may
    even come before the step is stored in `_coming`, so a step puts its item into `_ready`, where a
    second step finds it.
    """

    def __init__(self, loop: LoopThread, make: Callable[[], G]) -> None:
        super().__init__(loop, loop.make(make))
        self._closed = False
        self._coming: Future[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._ready: deque[Callable[[], T]] = deque()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            return self._take(None)
        except StopAsyncIteration:
            raise StopIteration from None

    def receive(self, timeout: float | None = None) -> T | None:
        """Return the next item; None at the end, or if none came within `timeout` seconds."""
        try:
            return self._take(timeout)
        except (StopAsyncIteration, FutureTimeout):
            return None

    def _take(self, timeout: float | None) -> T:
        while not self._ready:
            coming = self._coming
            if coming is None or coming.done():
                coming = self._coming = self._loop.start(self._step())
            try:
                coming.result(timeout)
            except CancelledError:
                if self._closed or not self._loop.is_open:  # closed by another thread
                    raise StopAsyncIteration from None
                raise
        return self._ready.popleft()()

    async def _step(self) -> None:
        async with self._one_at_a_time:
            if self._ready:
                return
            try:
                item = await self._async.__anext__()
            except Exception as error:
                self._ready.append(partial(_raise, error))
            else:
                self._ready.append(lambda: item)

    def close(self) -> None:
        """Stop iterating; the remote side continues. Closing twice is fine."""
        self._closed = True
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.cancel()
        if self._loop.is_open:
            self._loop.run(self._async.aclose())

    def __enter__(self: I) -> I:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _raise(error: Exception) -> Any:
    raise error
