"""HeldOutput: what a journal holds, in segments on the disk and in memory, to be read.

Reading is safe from any thread. Bytes that retention deleted, or that never came, are a gap: `read`
stops before it, and `held` returns its end.
"""

from __future__ import annotations

import threading
from pathlib import Path

from jupyter_bridge.consoles.journal.arrival import offset_since, times_between
from jupyter_bridge.consoles.journal.line_search import TAIL_BYTES, furthest, search
from jupyter_bridge.consoles.journal.memory import RecentBytes
from jupyter_bridge.consoles.journal.screen_record import ModesAt, ScreenRecord
from jupyter_bridge.consoles.journal.segments import Segment, Segments, lines_back
from jupyter_bridge.wire.terminal.modes import TerminalModes

# How far apart the terminal's modes are noted when output is read for them, bytes.
MODES_BYTES = 256 * 1024


class HeldOutput:
    """The reading half of a Journal, which adds to it."""

    def __init__(self, folder: Path | None, epoch: str) -> None:
        self.folder = folder
        self.epoch = epoch
        self._lock = threading.RLock()
        self._segments = Segments(folder)
        self._screen = ScreenRecord(folder)
        newest = self._segments.newest
        self._memory = RecentBytes(newest.end if newest is not None else 0)

    @property
    def worker(self) -> None:
        """None: the archive is on the server's own disk."""
        return None

    @property
    def first_offset(self) -> int:
        """The offset of the oldest byte held."""
        with self._lock:
            first, oldest = self._memory.first, self._segments.oldest
            return first if oldest is None else min(first, oldest.base)

    @property
    def end_offset(self) -> int:
        """One past the newest byte."""
        return self._memory.end

    def near(self, offset: int) -> bool:
        """Tell whether `offset` can be read without the disk."""
        with self._lock:
            return not self._segments or offset >= self._memory.first

    def held(self, offset: int) -> int:
        """Return the first offset held at or after `offset`, or the end."""
        with self._lock:
            found = [self._memory.held(offset), self._segments.held(offset)]
            return min((at for at in found if at is not None), default=self._memory.end)

    def behind(self, offset: int) -> int:
        """Return one past the last byte held before `offset`; `first_offset` if there is none."""
        with self._lock:
            found = [self._memory.behind(offset), self._segments.behind(offset)]
            return max(self.first_offset, *(at for at in found if at is not None), 0)

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Return at most `max_bytes` from `offset`, up to a gap; none at the end or in a gap."""
        with self._lock:
            data = self._memory.read(offset, max_bytes)
            if data:
                return data
            segment = self._segments.reaching(offset)
        if segment is None or offset < segment.base or max_bytes <= 0:
            return b""
        try:
            data = segment.read(offset, max_bytes)
        except FileNotFoundError:
            data = b""
        if not data:
            # The file was deleted meanwhile, by retention or by the user: a gap from now on.
            with self._lock:
                if not self._is_active(segment):
                    self._segments.remove(segment)
        return data

    def recent(self, max_bytes: int) -> bytes:
        """Return at most `max_bytes` of the last bytes, from memory only."""
        with self._lock:
            return self._memory.newest(max_bytes)

    def tail(self, lines: int) -> int:
        """Return the offset of the last `lines` lines, an unfinished one included."""
        floor = max(self.first_offset, furthest(self, lines))
        nearby = max(floor, min(self.behind(self.end_offset) - TAIL_BYTES, self._memory.first))
        start, wanted = search(self, lines, nearby)
        if wanted == 0 or start <= floor:
            return start
        with self._lock:
            segments = list(self._segments)
        try:
            return max(floor, lines_back(segments, start, wanted) or 0)
        except FileNotFoundError:
            return self.first_offset

    def since(self, when: float) -> int:
        """Return the offset of the first byte since this Unix time, or up to 0.1 s before it."""
        with self._lock:
            marks, segments = list(self._memory.marks), list(self._segments)
            first, end = self.first_offset, self.end_offset
        return offset_since(when, marks, segments, first, end)

    def times(self, start: int, end: int) -> list[tuple[int, float]]:
        """Return the known (offset, Unix time) pairs from `start` to `end`, ascending."""
        with self._lock:
            segments = [part for part in self._segments if part.base < end and part.end > start]
            marks = list(self._memory.marks)
        return times_between(start, end, marks, segments)

    def time_of(self, offset: int) -> float | None:
        """Return the Unix time at which the byte there came, to the index's precision."""
        with self._lock:
            if offset >= self._memory.first and self._memory.marks:
                return self._memory.when(offset) / 1e9
            segment = self._segments.reaching(offset)
        nanoseconds = segment.time_of(offset) if segment is not None else None
        return nanoseconds / 1e9 if nanoseconds is not None else None

    def sizes(self, start: int, end: int) -> list[tuple[int, float, int, int]]:
        """Return (offset, Unix time, rows, columns) of the size at `start` and of later ones."""
        found = self._screen.sizes(start, end)
        return [(size.offset, size.nanoseconds / 1e9, size.rows, size.cols) for size in found]

    def modes_at(self, offset: int, *, keep: bool = False) -> bytes:
        """Return the escape sequences that set the terminal's modes of this offset.

        Reads the output since the last offset where they are known. With `keep` they stay known
        when that output is deleted.
        """
        known = self._screen.modes_before(offset)
        modes, at = TerminalModes(), known.offset
        modes.feed(known.data)
        while at < offset:
            try:
                data = self.read(at, min(MODES_BYTES, offset - at))
            except OSError:  # whoever reads it is told why
                break
            modes.feed(data)
            before, at = at, at + len(data) if data else min(offset, self.held(at))
            if at == before:
                break  # its file has become shorter
            if at - known.offset >= MODES_BYTES:
                known = ModesAt(at, modes.checkpoint())
                self._screen.note_modes(known)
        if keep:
            self._screen.note_modes(ModesAt(offset, modes.checkpoint(), is_kept=True))
        return modes.set_up()

    def _is_active(self, segment: Segment) -> bool:
        """Tell whether this segment is being written."""
        return False
