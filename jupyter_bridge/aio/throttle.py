"""Throttle: pass on news about many keys, at once and then at a limited rate.

Noting news takes a microsecond; it is passed on in a later turn of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Throttle(Generic[T]):
    """Calls `tell(key, value)`: for each key at once, then at most every `period` seconds.

    Outdated values are skipped; the last value of each topic is always passed on, one topic a call.
    For one event loop; `close` discards what was not passed on yet.
    """

    def __init__(self, tell: Callable[[str, T], None], period: float) -> None:
        self._tell = tell
        self._period = period
        # For each key that was passed on within the period: the waiting values, by topic.
        self._news: dict[str, dict[str, T]] = {}
        self._timers: dict[str, asyncio.Handle] = {}

    def note(self, key: str, value: T, topic: str = "") -> None:
        """Note a value of `key`; it replaces the waiting value of the same topic."""
        news = self._news.get(key)
        if news is not None:
            news[topic] = value
            return
        self._news[key] = {topic: value}
        self._timers[key] = asyncio.get_running_loop().call_soon(self._next, key)

    def note_last(self, key: str, value: T) -> None:
        """As `note`, but it replaces all waiting values of `key`."""
        news = self._news.get(key)
        if news is not None:
            news.clear()
        self.note(key, value)

    def close(self) -> None:
        """Discard all waiting values; closing twice is fine."""
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
