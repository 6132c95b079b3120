"""aio/loop_thread.py: work in a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from jupyter_bridge.aio.loop_thread import run_in_loop_thread
from tests.support.waiting import PATIENCE, settle

OWN = "bridge-own-loop"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == OWN]


def gone() -> bool:
    for thread in threads():
        thread.join(5)
    return not threads()


async def test_its_result_and_its_thread() -> None:
    loop = asyncio.get_running_loop()

    async def work() -> str:
        assert asyncio.get_running_loop() is not loop
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert await run_in_loop_thread(work) == OWN
    assert gone()


async def test_its_error() -> None:
    async def work() -> None:
        raise KeyError("key")

    with pytest.raises(KeyError):
        await run_in_loop_thread(work)
    assert gone()


async def test_it_may_block_and_nobody_else_waits() -> None:
    go_on = threading.Event()

    async def work() -> bool:
        return go_on.wait(PATIENCE)

    held = asyncio.ensure_future(run_in_loop_thread(work))
    await settle()
    assert not held.done()
    go_on.set()
    assert await held


@pytest.mark.parametrize("when", ["before", "as it begins", "later"])
async def test_cancelled(when: str) -> None:
    """Before its thread begins, as it begins, and later; whoever cancels waits for the end."""
    begun, ended = threading.Event(), []

    async def work() -> None:
        try:
            begun.set()
            await asyncio.sleep(PATIENCE)
        finally:
            time.sleep(0.05)
            ended.append(True)

    task = asyncio.ensure_future(run_in_loop_thread(work))
    if when == "as it begins":
        await asyncio.sleep(0)
    elif when == "later":
        assert await asyncio.to_thread(begun.wait, PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True] or when != "later"
    assert gone()


async def test_cancelled_when_it_has_ended() -> None:
    """What it came to is no surprise to anybody."""

    async def work() -> None:
        raise KeyError("key")

    task = asyncio.ensure_future(run_in_loop_thread(work))
    await asyncio.sleep(0)
    assert gone()
    task.cancel()
    with pytest.raises((KeyError, asyncio.CancelledError)):
        await task


async def test_work_that_cancels_itself() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run_in_loop_thread(work)
    assert gone()
