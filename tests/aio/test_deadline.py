"""A wait with a deadline: it ends in time, and no cancellation is lost."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

import jupyter_bridge
from jupyter_bridge.aio.deadline import within


async def value(seconds: float = 0.0) -> str:
    await asyncio.sleep(seconds)
    return "value"


@pytest.mark.parametrize("seconds", [None, 5.0])
async def test_result(seconds: float | None) -> None:
    """The result comes back, with a deadline or without."""
    assert await within(seconds, value()) == "value"


async def test_error() -> None:
    """What the work raises is raised, a TimeoutError of its own too."""

    async def fail(error: Exception) -> None:
        raise error

    for error in (ValueError("no"), asyncio.TimeoutError("its own")):
        with pytest.raises(type(error), match=str(error)):
            await within(5.0, fail(error))


@pytest.mark.parametrize("seconds", [0.0, 0.01])
async def test_deadline(seconds: float) -> None:
    """The work is cancelled at the deadline, and has cleaned up when the wait returns."""
    cleaned = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.append(True)

    with pytest.raises(asyncio.TimeoutError):
        await within(seconds, work())
    assert cleaned == [True] or seconds == 0.0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_is_there_already_needs_no_time() -> None:
    """An event that is set is seen also with no time left."""
    event = asyncio.Event()
    event.set()
    assert await within(0.01, event.wait())


@pytest.mark.parametrize("turns", range(6))
async def test_cancellation(turns: int) -> None:
    """A cancellation ends the waiter, in whatever turn of the loop the awaited future ends.

    `asyncio.wait_for` returns the result instead, where both come in the same turn.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str] = loop.create_future()
    went_on = []

    async def waiter() -> None:
        await within(5.0, future)
        await asyncio.sleep(1)
        went_on.append(True)

    task = asyncio.ensure_future(waiter())
    for _ in range(3):
        await asyncio.sleep(0)
    future.set_result("value")
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert not went_on
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("turns", range(8))
async def test_a_result_that_nobody_takes_is_discarded(turns: int) -> None:
    """What must be closed reaches the caller or `discard`, whenever the cancellation comes."""
    opened: list[str] = []
    closed: list[str] = []

    async def opening() -> str:
        for _ in range(3):
            await asyncio.sleep(0)
        opened.append("file")
        return "file"

    async def close(file: str) -> None:
        closed.append(file)

    async def holder() -> None:
        closed.append(await within(5.0, opening(), discard=close))

    task = asyncio.ensure_future(holder())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert closed == opened


def test_nothing_else_is_used() -> None:
    """The package waits by `within` alone."""
    package = Path(jupyter_bridge.__file__).parent
    found = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"asyncio\.wait_for\(|import wait_for", path.read_text())
    ]
    assert found == []
