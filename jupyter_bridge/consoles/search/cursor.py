"""Cursor: the place of a search in one console's output. Reads and matches in a worker."""

from __future__ import annotations

import time
from collections.abc import Iterator

from jupyter_bridge.consoles.log import Log
from jupyter_bridge.consoles.search.lines import Hit, hits
from jupyter_bridge.consoles.tail.pattern import Pattern

# How much is read and searched at once: it stays in the processor's cache, and is allocated without
# asking the system. A longer line counts as several lines.
PIECE_BYTES = 64 * 1024
# The longest match that is found for sure where a line is cut.
OVERLAP_BYTES = 4096
# How far back the line of the first byte may begin.
LINE_BACK_BYTES = 64 * 1024
# How long one step goes on, seconds: other searches take their turns, and a client that left is
# noticed.
STEP_SECONDS = 0.025
# After how much work Python's lock is let go, and for how long, seconds. The event loop would wait
# 5 ms each time it needs the lock, which is several times for a request.
WORK_SECONDS = 0.002
REST_SECONDS = 0.0001

Found = tuple[Hit, "float | None"]


class Cursor:
    """Searches a log from its beginning, or from the line of a time, to its present end."""

    def __init__(self, log: Log, pattern: Pattern, since: float | None = None) -> None:
        self.done = False
        self._log = log
        self._pattern = pattern
        self._since = since
        self._offset: int | None = None
        self._end = log.end_offset
        self._hits: Iterator[Hit] = iter(())
        self._known = 0  # so many bytes from `_offset` on were searched before

    def step(self, most: int) -> list[Found]:
        """Return the next hits, `most` at most, each with the time of its line; perhaps none yet.

        Raises OSError, and Unsupported for `since` in a log without times.
        """
        if self._offset is None:
            self._offset = self._first()
        now = time.monotonic()
        until, rest = now + STEP_SECONDS, now + WORK_SECONDS
        found: list[Found] = []
        while not self.done:
            for hit in self._hits:
                found.append((hit, self._log.time_of(hit.offset)))
                if len(found) >= most:
                    return found
            self._hits = self._next(self._offset)
            now = time.monotonic()
            if now > until:
                break
            if now > rest:
                time.sleep(REST_SECONDS)
                rest = time.monotonic() + WORK_SECONDS
        return found

    def _first(self) -> int:
        first = self._log.first_offset
        if self._since is None:
            return first
        start = self._log.since(self._since)
        if start >= self._end:
            return start
        back = max(first, start - LINE_BACK_BYTES)
        before = self._read(back, start - back)
        is_whole = len(before) == start - back  # no gap in it
        return back + before.rfind(b"\n") + 1 if is_whole else start

    def _next(self, offset: int) -> Iterator[Hit]:
        """Search the next piece, whole lines if it has any; go on after it."""
        size = min(PIECE_BYTES, self._end - offset)
        data = self._read(offset, size)
        if not data:
            self._jump(offset)
            return iter(())
        known, self._known = self._known, 0
        if len(data) == PIECE_BYTES:
            whole = data.rfind(b"\n") + 1
            if whole:
                data = data[:whole]
            else:
                self._known = OVERLAP_BYTES
        self._offset = offset + len(data) - self._known
        return hits(self._pattern, data, offset, known)

    def _jump(self, offset: int) -> None:
        """Go on after a gap; a log that holds nothing more is done."""
        held = self._log.held(offset)
        self._known = 0
        self._offset = held
        self.done = not offset < held < self._end

    def _read(self, offset: int, size: int) -> bytes:
        """Return `size` bytes, or those before a gap."""
        parts: list[bytes] = []
        while size > 0 and (part := self._log.read(offset, size)):
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
