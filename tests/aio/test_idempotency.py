"""Idempotency: what is asked again is done once."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_bridge.aio import idempotency
from jupyter_bridge.aio.idempotency import Idempotency
from jupyter_bridge.problems import Busy, Conflict, Unavailable
from tests.support.waiting import pass_time


class Work:
    """Something that is counted, and ends when it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.times = 0
        self.may_end = asyncio.Event()
        self.error = error

    async def __call__(self) -> int:
        self.times += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return self.times


async def test_once() -> None:
    """At the same time or later, the same request is done once; another one is a Conflict."""
    known: Idempotency[int] = Idempotency()
    work = Work()
    asking = [asyncio.create_task(known.once("name", b"body", work)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Conflict):
        await known.once("name", b"other", work)
    asking.pop().cancel()  # whoever goes away takes nothing from the others
    work.may_end.set()
    assert await asyncio.gather(*asking) == [1, 1]
    assert await known.once("name", b"body", work) == 1
    assert await known.once("another", b"body", work) == 2
    known.forget("name")
    assert await known.once("name", b"body", work) == 3
    assert await known.once("another", b"body", work) == 2


async def test_failure() -> None:
    """Everybody who waits gets the error; afterwards it may be tried again."""
    known: Idempotency[int] = Idempotency()
    work = Work(Unavailable("not now"))
    work.may_end.set()
    asking = [known.once("name", b"body", work) for _ in range(2)]
    errors = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(error) for error in errors] == [Unavailable, Unavailable]
    assert work.times == 1
    work.error = None
    assert await known.once("name", b"body", work) == 2


async def test_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten when there are too many."""
    monkeypatch.setattr(idempotency, "LIMIT", 2)
    known: Idempotency[int] = Idempotency()
    work = Work()
    work.may_end.set()
    assert [await known.once(name, b"", work) for name in "abcbca"] == [1, 2, 3, 2, 3, 4]


async def test_close() -> None:
    """What is still being started is given up, and no task is left."""
    known: Idempotency[int] = Idempotency()
    asking = asyncio.create_task(known.once("name", b"", Work()))
    await asyncio.sleep(0)
    await known.close()
    await asyncio.wait({asking})
    assert asking.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_is_kept() -> None:
    """Nothing of what was sent is kept but digests, which another process makes otherwise."""
    known: Idempotency[int] = Idempotency()
    secret = "".join(["a pass", "word of many bytes"])

    async def start() -> int:
        return len(secret)

    await known.once(("who", "where", secret), secret.encode(), start)
    await asyncio.sleep(0)
    ((name, one),) = known._known.items()
    assert one.task is None
    assert [len(kept) for kept in (name, one.request)] == [32, 32]
    assert one.results == [len(secret)]
    assert known._digest(secret) != Idempotency[int]()._digest(secret)
    await known.close()


async def test_answers_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest answers go when all have too many bytes; the newest is always kept."""
    monkeypatch.setattr(idempotency, "LIMIT_BYTES", 100)
    known: Idempotency[bytes] = Idempotency(size=len)
    times = 0

    async def start() -> bytes:
        nonlocal times
        times += 1
        return b"x" * 40

    for name in "abcc":
        await known.once(name, b"", start)
    assert (times, known._bytes, len(known._known)) == (3, 80, 2)
    await known.once("a", b"", start)
    assert times == 4
    await known.close()
    assert (known._bytes, known._known) == (0, {})


async def test_answers_are_bounded_in_time() -> None:
    """An answer is forgotten after a while, without being asked for."""
    known: Idempotency[int] = Idempotency(keep=60)
    work = Work()
    work.may_end.set()
    assert await known.once("name", b"", work) == 1
    await pass_time(61)
    assert known._known == {}
    assert await known.once("name", b"", work) == 2
    await known.close()


async def test_too_many_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way is never forgotten: one more is refused instead."""
    monkeypatch.setattr(idempotency, "LIMIT", 1)
    known: Idempotency[int] = Idempotency()
    work = Work()
    first = asyncio.create_task(known.once("name", b"", work))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await known.once("another", b"", work)
    work.may_end.set()
    assert await first == 1
    await known.close()
