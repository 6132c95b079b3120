"""aio/loop_thread.py: work in a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from jupyter_bridge.aio.loop_thread import run_in_loop_thread

OWN = "bridge-own-loop"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == OWN]


def gone() -> bool:
    for thread in threads():
        thread.join(5)
    return not threads()


def test_its_result_and_its_thread() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def work() -> str:
            assert asyncio.get_running_loop() is not loop
            await asyncio.sleep(0)
            return threading.current_thread().name

        assert await run_in_loop_thread(work) == OWN

    asyncio.run(main())
    assert gone()


def test_its_error() -> None:
    async def work() -> None:
        raise KeyError("key")

    with pytest.raises(KeyError):
        asyncio.run(run_in_loop_thread(work))
    assert gone()


def test_it_may_block_and_nobody_else_waits() -> None:
    async def main() -> float:
        async def work() -> None:
            time.sleep(0.3)

        held, longest = asyncio.ensure_future(run_in_loop_thread(work)), 0.0
        while not held.done():
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)
        return longest

    assert asyncio.run(main()) < 0.25


@pytest.mark.parametrize("after", [None, 0.0, 0.05])
def test_cancelled(after: float | None) -> None:
    """Before its thread begins, as it begins, and later; whoever cancels waits for the end."""
    ended = []

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            time.sleep(0.05)
            ended.append(True)

    async def main() -> None:
        task = asyncio.ensure_future(run_in_loop_thread(work))
        if after is not None:
            await asyncio.sleep(after)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True] or not after

    asyncio.run(main())
    assert gone()


def test_cancelled_when_it_has_ended() -> None:
    """What it came to is no surprise to anybody."""

    async def work() -> None:
        raise KeyError("key")

    async def main() -> None:
        task = asyncio.ensure_future(run_in_loop_thread(work))
        await asyncio.sleep(0)
        assert gone()
        task.cancel()
        with pytest.raises((KeyError, asyncio.CancelledError)):
            await task

    asyncio.run(main())


def test_work_that_cancels_itself() -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await run_in_loop_thread(work)

    asyncio.run(main())
    assert gone()
