"""The lane of all searches: they take one core together, and turns, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.aio.serial_worker import SerialWorker, in_worker
from jupyter_bridge.consoles.log import Log

T = TypeVar("T")

# One worker for all journals. Many threads would take the event loop 5 ms each for every lock.
LANE = SerialWorker()
# How long the lane waits for the step of a file, whose mount may not answer, seconds.
HOLD_SECONDS = 0.1
# A file system that does not answer a step for this long is left out, seconds.
STALLED_SECONDS = 5.0


async def in_turn(log: Log, step: Callable[..., T], *args: object) -> T:
    """Return the result of one step, which reads `log`.

    A file is read in its own worker while the lane waits for it. Raises asyncio.TimeoutError if a
    file's mount does not answer.
    """
    worker = log.worker
    if worker is None:
        return await in_worker(LANE, step, *args)

    def begin() -> Future[T]:
        begun = worker.submit(lambda: step(*args))
        wait([begun], HOLD_SECONDS)
        return begun

    begun = await in_worker(LANE, begin)
    return await within(STALLED_SECONDS, asyncio.wrap_future(begun))
