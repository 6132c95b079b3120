"""How many turns the event loop had for others while something was done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """The turns that another task had, up to now."""

    def __init__(self) -> None:
        self.count = 0


@asynccontextmanager
async def counted_turns() -> AsyncIterator[Turns]:
    """Count the turns of another task within the block."""
    turns = Turns()

    async def count() -> None:
        while True:
            turns.count += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    try:
        yield turns
    finally:
        counting.cancel()
        await asyncio.wait({counting})
