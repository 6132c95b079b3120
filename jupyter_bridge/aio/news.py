"""News: wakes readers that wait for more."""

from __future__ import annotations

import asyncio


class News:
    """Wakes every waiting reader.

    Take `next`, read, then wait for `next`: news that comes in between is not missed.
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
        """Wake the readers. Cheap if there are none."""
        event, self._next = self._next, None
        if event is not None:
            event.set()
