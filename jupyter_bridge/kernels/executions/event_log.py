"""EventLog: what happened, one after the other, for whoever follows it or takes it up again."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from jupyter_bridge.aio.news import News

# What a stream can be resumed from, bytes. What is older is told as a gap.
LIMIT = 16 << 20


class LoggedEvent(msgspec.Struct):
    """One event; `id` rises by one."""

    id: int
    event: str
    data: Any
    size: int


class EventLog:
    """The events of one execution, the newest of them held, up to `done`."""

    def __init__(self) -> None:
        self.size = 0
        self._steps: deque[LoggedEvent] = deque()
        self._last_id = 0
        self._is_over = False
        self._news = News()

    def tell(self, event: str, data: Any, size: int) -> None:
        """One more, of about `size` bytes."""
        self._last_id += 1
        step = LoggedEvent(self._last_id, event, data, size + 200)
        self._steps.append(step)
        self.size += step.size
        while self.size > LIMIT and len(self._steps) > 1:
            self.size -= self._steps.popleft().size
        self._news.tell()

    def end(self, data: Any) -> None:
        """The last one, `done`."""
        self._is_over = True
        self.tell("done", data, 0)

    async def after(self, position: int = 0) -> AsyncGenerator[tuple[int, str, Any], None]:
        """What happens behind the event `position`, as (id, name, data), up to `done`.

        Events that are no longer held are told as one event `gap` `{lost}`.
        """
        while True:
            more = self._news.next
            first = self._steps[0].id if self._steps else self._last_id + 1
            if first > position + 1:
                yield first - 1, "gap", {"lost": first - 1 - position}
                position = first - 1
            # A copy: while a reader is being written to, steps come and go.
            for step in [s for s in self._steps if s.id > position]:
                yield step.id, step.event, step.data
                position = step.id
                if step.event == "done":
                    return
            if self._is_over and position >= self._last_id:
                return
            await more.wait()
