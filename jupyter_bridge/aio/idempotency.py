"""Idempotency: requests with the same `Idempotency-Key` are done once, and get the same answer.

Only a digest of a request is kept, made with a key of this process: memory reveals neither its
content nor whether a guess is right. Answers are kept up to a size and an age.
"""

from __future__ import annotations

import asyncio
import contextvars
import hmac
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

import msgspec

from jupyter_bridge.problems import Busy, Conflict

# How many requests are kept; the oldest that are done are discarded first.
LIMIT = 10_000
# The most bytes of all their answers, and how long they are kept, seconds.
LIMIT_BYTES = 16 << 20
KEEP = 3600.0

T = TypeVar("T")


class _Known(Generic[T]):
    """One request: its digest, and its result once its task is done."""

    def __init__(self, request: bytes, task: asyncio.Task[T]) -> None:
        self.request = request
        self.task: asyncio.Task[T] | None = task
        self.results: list[T] = []
        self.size = 0
        self.timer: asyncio.TimerHandle | None = None


class Idempotency(Generic[T]):
    """Results of requests by name: the user, the route, and the Idempotency-Key.

    `size` tells how many bytes a result has. Without `keep`, in seconds, the owner of the results
    calls `forget`.
    """

    def __init__(
        self, *, size: Callable[[T], int] = lambda result: 0, keep: float | None = KEEP
    ) -> None:
        self._size = size
        self._keep = keep
        self._key = secrets.token_bytes(32)
        self._known: dict[bytes, _Known[T]] = {}
        self._bytes = 0
        self._tasks: set[asyncio.Task[T]] = set()

    async def once(
        self, name: object, request: object, start: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        """Return the result of `start`, or of an earlier call with the same name.

        `name` and `request` are bytes, or anything that msgspec encodes. Conflict if the earlier
        call was for another `request`, Busy if too many are running. A caller may be cancelled; the
        call goes on. If it fails, all callers get its error, and the name is free again.
        """
        digest, asked = self._digest(name), self._digest(request)
        known = self._known.get(digest)
        if known is None:
            known = self._begin(digest, asked, start)
        elif not hmac.compare_digest(known.request, asked):
            raise Conflict("This Idempotency-Key was used for another request.")
        if known.task is not None:
            return await asyncio.shield(known.task)
        return known.results[0]

    def _digest(self, what: object) -> bytes:
        encoded = what if isinstance(what, bytes) else msgspec.json.encode(what)
        return hmac.digest(self._key, encoded, "sha256")

    def _begin(
        self, digest: bytes, asked: bytes, start: Callable[[], Coroutine[Any, Any, T]]
    ) -> _Known[T]:
        if len(self._known) >= LIMIT and not self._drop_oldest():
            raise Busy("Too many requests with an Idempotency-Key are under way.")
        task = asyncio.create_task(start())
        known = self._known[digest] = _Known(asked, task)
        self._tasks.add(task)
        # Outside the request's context, in which the host keeps the handler and so the body: the
        # timer set there would hold them as long as the answer.
        task.add_done_callback(
            lambda done: self._done(digest, known, done), context=contextvars.Context()
        )
        return known

    def _done(self, digest: bytes, known: _Known[T], done: asyncio.Task[T]) -> None:
        self._tasks.discard(done)
        # A task holds its request, by its context: only its result is kept.
        known.task = None
        if done.cancelled() or done.exception() is not None:
            if self._known.get(digest) is known:
                del self._known[digest]
            return
        known.results.append(done.result())
        if self._known.get(digest) is not known:
            return
        known.size = self._size(done.result())
        self._bytes += known.size
        if self._keep is not None:
            loop = asyncio.get_running_loop()
            known.timer = loop.call_later(self._keep, self._drop, digest)
        while self._bytes > LIMIT_BYTES and self._drop_oldest(but=digest):
            pass

    def _drop_oldest(self, but: bytes = b"") -> bool:
        """Forget the oldest request that is done; return whether there was one."""
        for digest, known in self._known.items():
            if known.task is None and digest != but:
                self._drop(digest)
                return True
        return False

    def _drop(self, digest: bytes) -> None:
        known = self._known.pop(digest, None)
        if known is not None:
            self._bytes -= known.size
            if known.timer is not None:
                known.timer.cancel()

    def forget(self, name: object) -> None:
        """Forget a request whose result was discarded."""
        self._drop(self._digest(name))

    async def close(self) -> None:
        """Cancel the calls that are running."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for digest in list(self._known):
            self._drop(digest)
