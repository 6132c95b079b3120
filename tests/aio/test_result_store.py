"""What is under way is bounded, and what has ended is kept until it expires or makes room."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from jupyter_bridge.aio.news import News
from jupyter_bridge.aio.result_store import Limits, ResultStore
from jupyter_bridge.problems import Busy, Conflict, Gone, NotFound
from tests.support.waiting import pass_time, settle


@dataclass
class Job:
    id: str
    size: int = 1


class Jobs(ResultStore[Job]):
    """Jobs, and those that were let go."""

    def __init__(self, keep: float = 60.0) -> None:
        super().__init__("job", keep, Limits(running=2, running_bytes=10, ended=3, ended_bytes=10))
        self.let_go: list[str] = []

    def _release(self, result: Job) -> None:
        self.let_go.append(result.id)

    def have(self, *jobs: Job) -> None:
        """Add these, and end them."""
        for job in jobs:
            self.add(job)
            self.end(job)


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [([1, 1, 1, 1], "bcd"), ([5, 5, 1], "bc"), ([4, 4, 9], "c"), ([99], "a"), ([1, 99], "b")],
)
async def test_room(sizes: list[int], kept: str) -> None:
    """The oldest that ended go when there are too many, or too many bytes; never the newest."""
    jobs = Jobs()
    jobs.have(*(Job(name, size) for name, size in zip("abcd", sizes, strict=False)))
    assert "".join(job.id for job in jobs) == kept
    for gone in jobs.let_go:
        with pytest.raises(Gone) as told:
            jobs.get(gone)
        assert told.value.details == {"job": gone}
    with pytest.raises(NotFound):
        jobs.get("never")
    await jobs.close()


async def test_room_of_what_grows() -> None:
    """An ended result that grows makes the oldest go, also itself if that is not the newest."""
    jobs, (a, b, c) = Jobs(), (Job("a", 4), Job("b", 4), Job("c", 1))
    jobs.have(a, b, c)
    c.size = 3
    jobs.resize(c)
    assert jobs.let_go == ["a"]
    b.size = 20
    jobs.resize(b)
    assert jobs.let_go == ["a", "b"]
    jobs.resize(b)
    c.size = 30
    jobs.resize(c)
    assert [job.id for job in jobs] == ["c"]
    await jobs.close()


async def test_under_way() -> None:
    """So many are under way, in number and bytes; nothing under way makes room."""
    jobs = Jobs()
    jobs.add(Job("a"), 6)
    with pytest.raises(Busy):
        jobs.check_room(5)
    jobs.check_room(4)
    jobs.add(Job("b"), 1)
    with pytest.raises(Busy):
        jobs.check_room(0)
    jobs.have(*(Job(name) for name in "cdefg"))
    assert {job.id for job in jobs} == set("abefg")
    jobs.end(jobs.get("a"))
    jobs.check_room(9)
    await jobs.close()


async def test_expiry_and_names() -> None:
    """A result is discarded in time, its name is free then, and its id is gone, not unknown."""
    jobs = Jobs(keep=60)

    async def start(name: str) -> Job:
        jobs.add(Job(name))
        return jobs.get(name)

    first = await jobs.once("key", "asked", lambda: start("a"))
    assert await jobs.once("key", "asked", lambda: start("b")) is first
    with pytest.raises(Conflict):
        await jobs.once("key", "asked otherwise", lambda: start("b"))
    jobs.end(first)
    jobs.end(first)
    await pass_time(61)
    with pytest.raises(Gone):
        jobs.get("a")
    assert (await jobs.once("key", "asked", lambda: start("b"))).id == "b"
    jobs.have(Job("old"))
    jobs.add(late := Job("late"))
    jobs.end(late, age=99.0)
    await settle()
    assert jobs.find("late") is None
    jobs.discard(first)
    await jobs.close()
    assert jobs.let_go == ["a", "late"]


async def test_news() -> None:
    """What is told between the look and the wait is not missed, and all who wait are woken."""
    news = News()
    news.tell()
    coming = news.next
    assert coming is news.next
    waiting = [asyncio.ensure_future(coming.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    news.tell()
    await asyncio.gather(*waiting)
    await coming.wait()
    assert not news.next.is_set()
