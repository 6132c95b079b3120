"""ResultStore: what is under way, and results that can be read again until they expire."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from jupyter_bridge.aio.idempotency import Idempotency
from jupyter_bridge.problems import Busy, Gone, NotFound

# How many expired ids are remembered, to answer 410 instead of 404.
EXPIRED_IDS = 10_000


class Result(Protocol):
    """Something that takes its time and has a result: an execution, a run, a transfer."""

    @property
    def id(self) -> str:
        """By this it is found."""

    @property
    def size(self) -> int:
        """Bytes that its result holds; asked once, at its end."""


class Limits(NamedTuple):
    """What may be under way, and what is kept of the ended: how many, and how many bytes."""

    running: int
    running_bytes: int
    ended: int
    ended_bytes: int


R = TypeVar("R", bound=Result)


class ResultStore(Generic[R]):
    """All of one `noun`; a base class. Each is added, ends, and is discarded `keep` seconds later.

    The oldest that have ended make room for newer ones, but for the newest of all.
    """

    def __init__(self, noun: str, keep: float, limits: Limits) -> None:
        self.limits = limits
        self._noun = noun
        self._keep = keep
        self._all: dict[str, R] = {}
        # Those under way: the bytes that each was sent.
        self._running: dict[str, int] = {}
        # Those that have ended, the oldest first: their bytes, and when they are discarded.
        self._ended: dict[str, tuple[int, asyncio.TimerHandle]] = {}
        self._bytes = 0
        self._expired: OrderedDict[str, None] = OrderedDict()
        self._repeats: Idempotency[R] = Idempotency(keep=None)
        self._names: dict[str, object] = {}

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._all.values()))

    def find(self, result_id: str) -> R | None:
        """The one of this id, if there is one."""
        return self._all.get(result_id)

    def get(self, result_id: str) -> R:
        """The one of this id; NotFound if there never was one, Gone when it was discarded."""
        details = {self._noun: result_id}
        if result_id in self._expired:
            raise Gone(f"This {self._noun}'s result has expired.", **details)
        if result_id not in self._all:
            raise NotFound(f"There is no {self._noun} {result_id}.", **details)
        return self._all[result_id]

    def check_room(self, size: int) -> None:
        """Busy if one more that is sent `size` bytes may not begin."""
        held = sum(self._running.values()) + size
        if len(self._running) >= self.limits.running or held > self.limits.running_bytes:
            raise Busy(f"Too many {self._noun}s are under way. Stop some, or try later.")

    async def once(
        self, name: object, request: object, start: Callable[[], Coroutine[Any, Any, R]]
    ) -> R:
        """What `start` begins and adds, or what an earlier call under this `name` began.

        Conflict if that was for another `request`. The name is free again with the result.
        """
        result = await self._repeats.once(name, request, start)
        if result.id in self._all:
            self._names[result.id] = name
        return result

    def add(self, result: R, size: int = 0) -> None:
        """It is under way, and holds `size` bytes of what it was sent."""
        self._all[result.id] = result
        self._running[result.id] = size

    def end(self, result: R, age: float = 0.0) -> None:
        """It ended, `age` seconds ago; does nothing if it was discarded before, or ended twice."""
        if self._running.pop(result.id, None) is None:
            return
        timer = asyncio.get_running_loop().call_later(
            max(0.0, self._keep - age), self._expire, result.id
        )
        self._ended[result.id] = result.size, timer
        self._bytes += result.size
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
        """Forget it, as if it had never been; twice is fine."""
        if self._all.pop(result.id, None) is None:
            return
        self._running.pop(result.id, None)
        if result.id in self._ended:
            size, timer = self._ended.pop(result.id)
            self._bytes -= size
            timer.cancel()
        if result.id in self._names:
            self._repeats.forget(self._names.pop(result.id))
        self._let_go(result)

    def _let_go(self, result: R) -> None:
        """Give back what a discarded result holds."""

    async def close(self) -> None:
        """Begin nothing more, and let nothing expire; what there is, is the caller's to close."""
        await self._repeats.close()
        for _, timer in self._ended.values():
            timer.cancel()
