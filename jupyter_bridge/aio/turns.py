"""Sharing the event loop's time: Turns among many clients, Pauses in long work.

Whatever takes 0.2 ms takes half a second if 2,000 clients want it in the same turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections import deque

# How long work may go on without a pause, seconds.
TURN_SECONDS = 0.002


class Pauses:
    """For long work on the event loop: `await pauses()` often, and the loop gets its turns."""

    def __init__(self) -> None:
        self._until = 0.0

    async def __call__(self) -> None:
        """Give the loop a turn if the last one was TURN_SECONDS ago."""
        loop = asyncio.get_running_loop()
        if loop.time() > self._until:
            await asyncio.sleep(0)
            self._until = loop.time() + TURN_SECONDS


class Turns:
    """At most so many beginnings in one turn of the loop; the others wait for a later one.

    Shared by all who want a turn; first come, first served.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._refills = False

    async def take(self) -> None:
        """Return at once, or in a later turn of the loop."""
        loop = asyncio.get_running_loop()
        if not self._refills:
            self._refills = True
            loop.call_soon(self._refill)
        if self._left:
            self._left -= 1
            return
        turn = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _refill(self) -> None:
        self._left = self._most
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # it was cancelled
                turn.set_result(None)
                self._left -= 1
        self._refills = self._left < self._most
        if self._refills:
            asyncio.get_running_loop().call_soon(self._refill)
