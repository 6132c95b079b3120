"""Journal: a console's bytes by absolute offset. Segments on disk, the newest in memory.

`append` only copies into memory; the Archive's thread writes to the disk some milliseconds later,
in large writes. While the disk is far behind, `congested` asks the producer to pause. If the disk
fails (full, not writable), the journal continues in memory and reports it once.

Reading is safe from any thread. Bytes that retention deleted, or that never came (`skip`), are a
gap: `read` stops before it, and `held` returns its end.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

from jupyter_bridge.consoles.journal.line_search import TAIL_BYTES, furthest, search
from jupyter_bridge.consoles.journal.memory import MARK_NANOSECONDS, RecentBytes
from jupyter_bridge.consoles.journal.screen_record import ModesAt, ScreenRecord, Size
from jupyter_bridge.consoles.journal.segments import (
    Mark,
    Parts,
    Segment,
    Segments,
    SegmentWriter,
    Write,
    first_since,
    lines_back,
)
from jupyter_bridge.wire.terminal.modes import TerminalModes

# The newest bytes also held in memory, for viewers that keep up.
MEMORY_BYTES = 1024 * 1024
# Bytes held if there is no disk.
ALONE_BYTES = 8 * 1024 * 1024
# The backlog at which the producer should pause: half a second of a fast terminal.
CONGESTED_BYTES = 8 * 1024 * 1024
# How far apart the terminal's modes are noted when output is read for them, bytes.
MODES_BYTES = 256 * 1024
# A quiet console's segment is closed after this, so that it can be deleted by age.
ROLL_NANOSECONDS = 24 * 3600 * 10**9


class Journal:
    """The bytes of one console in one epoch. Without a folder, memory only.

    The Archive's thread calls `prepare` to create the folder, and `on_trouble` once if the disk
    fails.
    """

    def __init__(
        self,
        folder: Path | None,
        epoch: str,
        *,
        segment_bytes: int = 8 * 1024 * 1024,
        max_bytes: int = 64 * 1024 * 1024,
        memory_bytes: int = MEMORY_BYTES,
        alone_bytes: int = ALONE_BYTES,
        prepare: Callable[[], None] | None = None,
        on_trouble: Callable[[OSError], None] | None = None,
        clock: Callable[[], int] = time.time_ns,
        write: Write = os.writev,
    ) -> None:
        self.folder = folder
        self.epoch = epoch
        self._segment_bytes = max(1, min(segment_bytes, max_bytes // 4))
        self._max_bytes = max_bytes
        self._memory_bytes = memory_bytes
        self._alone_bytes = max(alone_bytes, memory_bytes)
        self._prepare = prepare
        self._on_trouble = on_trouble
        self._clock = clock
        self._write = write
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._segments = Segments(folder)
        self._screen = ScreenRecord(folder)
        newest = self._segments.newest
        self._written = newest.end if newest is not None else 0
        self._memory = RecentBytes(self._written)
        self._active: SegmentWriter | None = None
        # Newlines before the first byte appended here, and before the first unwritten byte; set at
        # the first write, because this may read the disk.
        self._lines_before: int | None = None
        self._lines = 0

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

    @property
    def backlog(self) -> int:
        """How many bytes are not on the disk yet; 0 without a disk."""
        return self._memory.end - self._written if self.folder is not None else 0

    @property
    def has_unwritten(self) -> bool:
        """Whether `write_pending` has something to write."""
        return bool(self.backlog) or self._screen.has_unwritten

    @property
    def congested(self) -> bool:
        """Whether the disk is far behind, so that the producer should pause."""
        return self.backlog > CONGESTED_BYTES

    @property
    def disk_bytes(self) -> int:
        """The size of the segments and their indexes, bytes."""
        with self._lock:
            return self._segments.bytes

    # Writing

    def append(self, data: bytes) -> None:
        """Add these bytes at the end; never touches the disk."""
        if data:
            with self._lock:
                self._memory.append(data, self._clock())
                if self.folder is None:
                    self._trim()

    def note_size(self, rows: int, cols: int) -> None:
        """Note the screen's size from now on."""
        self._screen.note_size(Size(self.end_offset, self._clock(), rows, cols))

    def skip(self, lost: int) -> None:
        """Leave a gap of `lost` bytes that never came."""
        with self._lock:
            self._memory.skip(lost)

    def write_pending(self) -> bool:
        """Write the backlog to the disk; return False if that failed."""
        with self._writing:
            while True:
                with self._lock:
                    offset = self._memory.held(self._written)
                    if self.folder is None or offset is None:
                        break
                    room = self._segment_bytes
                    if self._active is not None and self._active.segment.end == offset:
                        room = room - self._active.segment.size or room
                    parts = self._memory.parts(offset, max(1, room))
                    end = offset + sum(map(len, parts))
                    marks = self._memory.marks_in(offset, end)
                try:
                    self._write_out(self.folder, offset, parts, marks)
                except OSError as error:
                    self._fail(error)
                    return False
                with self._lock:
                    self._written = end
                    self._trim()
            try:
                if self.folder is not None and self._segments.newest and self._screen.has_unwritten:
                    self._screen.write(self.folder)
            except OSError as error:
                self._fail(error)
                return False
            return True

    def _write_out(self, folder: Path, offset: int, parts: Parts, marks: list[Mark]) -> None:
        active = self._active
        if active is not None:
            segment = active.segment
            full = segment.size + segment.index_size >= self._segment_bytes
            old = self._memory.latest - segment.first > ROLL_NANOSECONDS
            if full or old or segment.end != offset:
                self._active = None
                active.close(sync=False)
        if self._lines_before is None:
            last = self._segments.newest
            self._lines_before = last.lines_before(last.end) if last is not None else 0
            self._lines = self._lines_before
        before = self._lines_before
        marks = [Mark(mark.offset, before + mark.lines, mark.nanoseconds) for mark in marks]
        if self._active is None:
            if self._prepare is not None:
                self._prepare()
            self._keep_modes()
            with self._lock:
                came = self._memory.when(offset)
            if not marks or marks[0].offset != offset:
                marks.insert(0, Mark(offset, self._lines, came))
            segment = Segment(folder, offset, 0, self._lines, came, came)
            self._active = SegmentWriter(segment, self._write)
            with self._lock:
                self._segments.add(segment)
                self._shrink()
        self._active.append(parts, marks)
        self._lines = self._active.lines

    def _fail(self, error: OSError) -> None:
        with self._lock:
            self.folder = None
            self._trim()
            active, self._active = self._active, None
        if active is not None:
            try:
                active.close(sync=False)
            except OSError:
                pass  # reported below, once
        if self._on_trouble is not None:
            self._on_trouble(error)

    def _trim(self) -> None:
        """Free memory; if there is a disk, only bytes that are written."""
        end = self._memory.end
        if self.folder is None:
            floor = end - self._alone_bytes
            if floor - self._memory.first >= MODES_BYTES:
                self.modes_at(floor)
                self._memory.trim(floor)
                self._screen.drop(floor)
        else:
            self._memory.trim(min(end - self._memory_bytes, self._written))

    def close(self) -> None:
        """Write the backlog and close the files; reading still works. Closing twice is fine.

        Frees the memory of written bytes: ended consoles are many, and seldom read.
        """
        self.write_pending()
        with self._writing:
            active, self._active = self._active, None
            if active is not None:
                active.close()
        if self.folder is not None:
            with self._lock:
                self._memory.trim(self._written)

    # Retention

    def _shrink(self) -> None:
        """Delete segments beyond `max_bytes`; the new segment counts as full."""
        total = self.disk_bytes + self._segment_bytes
        while total > self._max_bytes and len(self._segments) > 1:
            total -= self._drop_oldest()

    def _keep_modes(self) -> None:
        """Note the terminal's modes after the segments that `_shrink` is about to delete."""
        total, segments = self.disk_bytes + self._segment_bytes, list(self._segments)
        doomed = None
        while total > self._max_bytes and segments:
            doomed = segments.pop(0)
            total -= doomed.size + doomed.index_size
        if doomed is not None:
            self.modes_at(doomed.end, keep=True)

    def oldest(self) -> int | None:
        """Return when the oldest segment that may be deleted was last written, or None."""
        with self._lock:
            oldest = self._droppable()
            return oldest.last if oldest is not None else None

    def drop_oldest(self) -> int:
        """Delete the oldest segment unless it is being written; return the bytes freed."""
        with self._lock:
            oldest = self._droppable()
        if oldest is not None:
            self.modes_at(oldest.end, keep=True)  # reads the disk: without the lock
        with self._lock:
            return self._drop_oldest() if self._droppable() is not None else 0

    def _droppable(self) -> Segment | None:
        oldest = self._segments.oldest
        return None if oldest is None or self._is_active(oldest) else oldest

    def _is_active(self, segment: Segment) -> bool:
        return self._active is not None and self._active.segment is segment

    def _drop_oldest(self) -> int:
        segment = self._segments.oldest
        assert segment is not None
        self._segments.remove(segment)
        self._memory.drop(segment.end)
        self._screen.drop(segment.end)
        try:
            segment.delete()
        except OSError:
            pass  # the next start finds the file and deletes it by age
        return segment.size + segment.index_size

    # Reading

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
        # The bytes after a mark came within MARK_NANOSECONDS of it.
        nanoseconds = int(when * 1e9) - MARK_NANOSECONDS
        with self._lock:
            marks, segments = list(self._memory.marks), list(self._segments)
            first, end = self.first_offset, self.end_offset
        at = bisect_left(marks, nanoseconds, key=lambda mark: mark.nanoseconds)
        if at > 0 or not segments:
            return max(marks[at].offset, first) if at < len(marks) else end
        found = [marks[0].offset if marks else end, first_since(segments, nanoseconds)]
        return max(first, min(at for at in found if at is not None))

    def times(self, start: int, end: int) -> list[tuple[int, float]]:
        """Return the known (offset, Unix time) pairs from `start` to `end`, ascending."""
        with self._lock:
            segments = [part for part in self._segments if part.base < end and part.end > start]
            known = {mark.offset: mark.nanoseconds for mark in self._memory.marks}
        for segment in segments:
            known |= {mark.offset: mark.nanoseconds for mark in segment.marks()}
        return [(at, known[at] / 1e9) for at in sorted(known) if start <= at < end]

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
            data = self.read(at, min(MODES_BYTES, offset - at))
            modes.feed(data)
            at = at + len(data) if data else max(at + 1, min(offset, self.held(at)))
            if at - known.offset >= MODES_BYTES:
                known = ModesAt(at, modes.checkpoint())
                self._screen.note_modes(known)
        if keep:
            self._screen.note_modes(ModesAt(at, modes.checkpoint(), is_kept=True))
        return modes.set_up()
