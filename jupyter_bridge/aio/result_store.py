"""ResultStore: running operations, and results that can be read until they expire."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from jupyter_bridge.aio.idempotency import Idempotency
from jupyter_bridge.problems import Busy, Gone, NotFound

# How many expired ids are remembered, to answer 410 instead of 404.
EXPIRED_IDS = 10_000


class StoredResult(Protocol):
    """An operation with a result: an execution, a run, a transfer."""

    @property
    def id(self) -> str:
        """The id by which the operation is found."""

    @property
    def size(self) -> int:
        """The bytes that its result holds; read at its end, and by `resize`."""


class Limits(NamedTuple):
    """The most operations and bytes, of the running and of the ended."""

    running: int
    running_bytes: int
    ended: int
    ended_bytes: int


R = TypeVar("R", bound=StoredResult)


class ResultStore(Generic[R]):
    """All operations of one `noun`; each is discarded `keep` seconds after its end. A base class.

    The oldest ended ones are discarded to make room, but never the newest.
    """

    def __init__(self, noun: str, keep: float, limits: Limits) -> None:
        self.limits = limits
        self._noun = noun
        self._keep = keep
        self._all: dict[str, R] = {}
        # The running operations, and the bytes that each was sent.
        self._running: dict[str, int] = {}
        # The ended operations, oldest first: their bytes, and when they are discarded.
        self._ended: dict[str, tuple[int, asyncio.TimerHandle]] = {}
        self._bytes = 0
        self._expired: OrderedDict[str, None] = OrderedDict()
        self._repeats: Idempotency[R] = Idempotency(keep=None)
        self._names: dict[str, object] = {}

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._all.values()))

    def find(self, result_id: str) -> R | None:
        """Return the operation of this id, or None."""
        return self._all.get(result_id)

    def get(self, result_id: str) -> R:
        """Return the operation of this id; NotFound if it is unknown, Gone if it was discarded."""
        details = {self._noun: result_id}
        if result_id in self._expired:
            raise Gone(f"This {self._noun}'s result has expired.", **details)
        if result_id not in self._all:
            raise NotFound(f"There is no {self._noun} {result_id}.", **details)
        return self._all[result_id]

    def check_room(self, size: int) -> None:
        """Raise Busy if one more operation, which is sent `size` bytes, may not begin."""
        held = sum(self._running.values()) + size
        if len(self._running) >= self.limits.running or held > self.limits.running_bytes:
            raise Busy(f"Too many {self._noun}s are under way. Stop some, or try later.")

    async def once(
        self, name: object, request: object, start: Callable[[], Coroutine[Any, Any, R]]
    ) -> R:
        """Return the operation that `start` adds, or that an earlier call with this `name` added.

        Conflict if that call was for another `request`. Discarding the result frees the name.
        """
        result = await self._repeats.once(name, request, start)
        if result.id in self._all:
            self._names[result.id] = name
        return result

    def add(self, result: R, size: int = 0) -> None:
        """Add a running operation, which was sent `size` bytes."""
        self._all[result.id] = result
        self._running[result.id] = size

    def end(self, result: R, age: float = 0.0) -> None:
        """Note that it ended `age` seconds ago; does nothing if discarded, or ended before."""
        if self._running.pop(result.id, None) is None:
            return
        timer = asyncio.get_running_loop().call_later(
            max(0.0, self._keep - age), self._expire, result.id
        )
        self._ended[result.id] = result.size, timer
        self._bytes += result.size
        self._make_room()

    def resize(self, result: R) -> None:
        """Note that the size of its result may have changed after its end."""
        if result.id in self._ended:
            size, timer = self._ended[result.id]
            self._ended[result.id] = result.size, timer
            self._bytes += result.size - size
            self._make_room()

    def _make_room(self) -> None:
        while len(self._ended) > 1 and (
            len(self._ended) > self.limits.ended or self._bytes > self.limits.ended_bytes
        ):
            self._expire(next(iter(self._ended)))

    def _expire(self, result_id: str) -> None:
        self.discard(self._all[result_id])
        self._expired[result_id] = None
        if len(self._expired) > EXPIRED_IDS:
            self._expired.popitem(last=False)

    def discard(self, result: R) -> None:
        """Remove it, as if it had never been added; twice is fine."""
        if self._all.pop(result.id, None) is None:
            return
        self._running.pop(result.id, None)
        if result.id in self._ended:
            size, timer = self._ended.pop(result.id)
            self._bytes -= size
            timer.cancel()
        if result.id in self._names:
            self._repeats.forget(self._names.pop(result.id))
        self._release(result)

    def _release(self, result: R) -> None:
        """Release the resources of a discarded result."""

    async def close(self) -> None:
        """Begin nothing more, and let nothing expire; the caller closes the operations."""
        await self._repeats.close()
        for _, timer in self._ended.values():
            timer.cancel()
