"""Throttle: news about many things, told at once and then no oftener than somebody can use.

Who has news only writes it down, which takes a microsecond; it is told in a later turn of the event
loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Throttle(Generic[T]):
    """Calls `tell(key, value)`: for each key at once, then at most every `period` seconds.

    What became old meanwhile is not told; the last value of each topic always is. One call tells of
    one topic. Used on one event loop; `close` forgets what was not told yet.
    """

    def __init__(self, tell: Callable[[str, T], None], period: float) -> None:
        self._tell = tell
        self._period = period
        # Of each key that was told of within the period: what has not been told, by topic.
        self._news: dict[str, dict[str, T]] = {}
        self._timers: dict[str, asyncio.Handle] = {}

    def note(self, key: str, value: T, topic: str = "") -> None:
        """There is news of `key`; it takes the place of what was noted of the same topic."""
        news = self._news.get(key)
        if news is not None:
            news[topic] = value
            return
        self._news[key] = {topic: value}
        self._timers[key] = asyncio.get_running_loop().call_soon(self._next, key)

    def note_last(self, key: str, value: T) -> None:
        """As `note`, in place of all that was not told yet."""
        news = self._news.get(key)
        if news is not None:
            news.clear()
        self.note(key, value)

    def close(self) -> None:
        """Tell nothing more of what was noted; twice is fine."""
        timers, self._timers = self._timers, {}
        for timer in timers.values():
            timer.cancel()
        self._news.clear()

    def _next(self, key: str) -> None:
        news = self._news[key]
        if not news:
            del self._news[key], self._timers[key]
            return
        topic = next(iter(news))
        value = news.pop(topic)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(self._period, self._next, key)
        self._tell(key, value)
