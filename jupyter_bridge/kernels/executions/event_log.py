"""EventLog: the numbered events of one execution, for streams and for their resumption."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from jupyter_bridge.aio.news import News

# The most bytes of events held; a stream that resumes before them gets a gap.
LIMIT = 16 << 20
# The memory of one event besides its text: the object, its message's dictionaries (measured).
EVENT_COST = 500
# The most events that a reader copies at once: of small ones 80,000 are held.
AT_ONCE = 256


class LoggedEvent(msgspec.Struct):
    """One event; `id` rises by one."""

    id: int
    event: str
    data: Any
    size: int


class EventLog:
    """The newest events of one execution, up to `done`."""

    def __init__(self) -> None:
        self.size = 0
        self._events: deque[LoggedEvent] = deque()
        self._last_id = 0
        self._is_over = False
        self._news = News()

    def add(self, event: str, data: Any, size: int) -> None:
        """Add an event of about `size` bytes."""
        self._last_id += 1
        logged = LoggedEvent(self._last_id, event, data, size + EVENT_COST)
        self._events.append(logged)
        self.size += logged.size
        while self.size > LIMIT and len(self._events) > 1:
            self.size -= self._events.popleft().size
        self._news.tell()

    def end(self, data: Any) -> None:
        """Add the last event, `done`."""
        self._is_over = True
        self.add("done", data, 0)

    def clear(self) -> None:
        """Discard all events."""
        self._events.clear()
        self.size = 0

    def _waiting(self, position: int) -> list[LoggedEvent]:
        """Return the next events after `position`, which are numbered one by one.

        A copy, because the events change while a reader is written to.
        """
        start = position + 1 - self._events[0].id if self._events else 0
        stop = min(start + AT_ONCE, len(self._events))
        return [self._events[index] for index in range(start, stop)]

    async def after(self, position: int = 0) -> AsyncGenerator[tuple[int, str, Any], None]:
        """Yield the events after `position` as (id, name, data), up to `done`.

        One event `gap` `{lost}` replaces the discarded events.
        """
        while True:
            more = self._news.next
            first = self._events[0].id if self._events else self._last_id + 1
            if first > position + 1:
                yield first - 1, "gap", {"lost": first - 1 - position}
                position = first - 1
            waiting = self._waiting(position)
            for logged in waiting:
                yield logged.id, logged.event, logged.data
                position = logged.id
                if logged.event == "done":
                    return
            if waiting:
                continue
            if self._is_over and position >= self._last_id:
                return
            await more.wait()
