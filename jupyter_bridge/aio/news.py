"""News: how those who read something wait for more of it."""

from __future__ import annotations

import asyncio


class News:
    """Wakes everybody who waits for something new.

    Take `next`, look what there is, then wait for it: what comes in between is not missed.
    """

    def __init__(self) -> None:
        self._next: asyncio.Event | None = None

    @property
    def next(self) -> asyncio.Event:
        """Set at the next `tell`."""
        if self._next is None:
            self._next = asyncio.Event()
        return self._next

    def tell(self) -> None:
        """There is something new. Cheap where nobody waits."""
        event, self._next = self._next, None
        if event is not None:
            event.set()
