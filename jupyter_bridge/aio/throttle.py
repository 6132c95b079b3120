"""Throttle: pass on values for many keys, at once and then at a limited rate.

`note` takes a microsecond; the value is passed on in a later turn of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Throttle(Generic[T]):
    """Calls `callback(key, value)`: for each key at once, then at most every `period` seconds.

    Outdated values are skipped; the last value of each topic is always passed on, one topic a call.
    For one event loop; `close` discards what was not passed on yet.
    """

    def __init__(self, callback: Callable[[str, T], None], period: float) -> None:
        self._callback = callback
        self._period = period
        # For each key that was passed on within the period: the waiting values, by topic.
        self._waiting: dict[str, dict[str, T]] = {}
        self._timers: dict[str, asyncio.Handle] = {}

    def note(self, key: str, value: T, topic: str = "") -> None:
        """Note a value of `key`; it replaces the waiting value of the same topic."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting[topic] = value
            return
        self._waiting[key] = {topic: value}
        self._timers[key] = asyncio.get_running_loop().call_soon(self._next, key)

    def note_last(self, key: str, value: T) -> None:
        """As `note`, but it replaces all waiting values of `key`."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.clear()
        self.note(key, value)

    def close(self) -> None:
        """Discard all waiting values; closing twice is fine."""
        timers, self._timers = self._timers, {}
        for timer in timers.values():
            timer.cancel()
        self._waiting.clear()

    def _next(self, key: str) -> None:
        waiting = self._waiting[key]
        if not waiting:
            del self._waiting[key], self._timers[key]
            return
        topic = next(iter(waiting))
        value = waiting.pop(topic)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(self._period, self._next, key)
        self._callback(key, value)
