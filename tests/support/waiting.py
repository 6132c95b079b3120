"""Waiting in tests: until something is true, and for time that a test lets pass at once."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

# How long something may take on a loaded machine, seconds: the limit tells what hangs, not what is
# slow.
PATIENCE = 60.0
# How often a condition is tested, seconds.
_PAUSE = 0.01
# So many turns of the event loop take everything that is due as far as it goes without waiting.
_TURNS = 50


class StoppedClock:
    """Stands in place of a module's `time`; a test moves `now`, in seconds, forward."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


async def until(check: Callable[[], Any], what: object = "it") -> Any:
    """Return the first true result of `check`, a plain function or an async one.

    AssertionError after PATIENCE: `what`, which may be a function that says more, did not happen.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        found = check()
        answer = await found if inspect.isawaitable(found) else found
        if answer:
            return answer
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{what() if callable(what) else what} did not happen")
        await asyncio.sleep(_PAUSE)


def wait_until(check: Callable[[], T | None], what: object = "it") -> T:
    """As `until`, for tests without an event loop."""
    deadline = time.monotonic() + PATIENCE
    while not (answer := check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what() if callable(what) else what} did not happen")
        time.sleep(_PAUSE)
    return answer


async def stays(future: asyncio.Future[T], seconds: float = 0.3) -> bool:
    """Tell whether the future is still not done after a while; at once if it is done."""
    done, _ = await asyncio.wait({future}, timeout=seconds)
    return not done


async def settle() -> None:
    """Let everything happen that waits for nothing but its turn in the event loop."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def pass_time(seconds: float) -> None:
    """Move the event loop's clock forward at once, and let happen what is due by then.

    Only timers of this loop notice: threads, processes and `time` itself do not. A timer that is
    set meanwhile counts from the new time.
    """
    loop = asyncio.get_running_loop()
    before = loop.time
    vars(loop)["time"] = lambda: before() + seconds
    await settle()
