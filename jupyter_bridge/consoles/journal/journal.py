"""Journal: a console's bytes by absolute offset. Segments on disk, the newest in memory.

This file writes them and deletes the oldest; held_output.py reads them.

`append` only copies into memory; the Archive's thread writes to the disk some milliseconds later,
in large writes. While the disk is far behind, `congested` asks the producer to pause. If the disk
fails (full, not writable), the journal continues in memory and reports it once.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from jupyter_bridge.consoles.journal.held_output import MODES_BYTES, HeldOutput
from jupyter_bridge.consoles.journal.screen_record import Size
from jupyter_bridge.consoles.journal.segments import (
    MAX_SEGMENTS,
    Mark,
    Parts,
    Segment,
    SegmentWriter,
    Write,
)

# The newest bytes also held in memory, for viewers that keep up.
MEMORY_BYTES = 1024 * 1024
# Bytes held if there is no disk.
ALONE_BYTES = 8 * 1024 * 1024
# The backlog at which the producer should pause: half a second of a fast terminal.
CONGESTED_BYTES = 8 * 1024 * 1024
# A quiet console's segment is closed after this, so that it can be deleted by age.
ROLL_NANOSECONDS = 24 * 3600 * 10**9


class Journal(HeldOutput):
    """The bytes of one console in one epoch. Without a folder, memory only.

    The Archive's thread calls `prepare` to create the folder, and `on_trouble` once if it fails.
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
        on_trouble: Callable[[Exception], None] | None = None,
        clock: Callable[[], int] = time.time_ns,
        write: Write = os.writev,
    ) -> None:
        super().__init__(folder, epoch)
        self._segment_bytes = max(1, min(segment_bytes, max_bytes // 4))
        self._max_bytes = max_bytes
        self._memory_bytes = memory_bytes
        self._alone_bytes = max(alone_bytes, memory_bytes)
        self._prepare = prepare
        self._on_trouble = on_trouble
        self._clock = clock
        self._write = write
        self._writing = threading.Lock()
        self._written = self._memory.end
        self._active: SegmentWriter | None = None
        # Newlines before the first byte appended here, and before the first unwritten byte; set at
        # the first write, because this may read the disk.
        self._lines_before: int | None = None
        self._lines = 0

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

    def write_pending(self, seconds: float = math.inf) -> bool:
        """Write the backlog, for about so many seconds; tell whether none is left.

        If that fails, whatever the reason, the journal continues in memory, without a backlog.
        """
        until = time.monotonic() + seconds
        with self._writing:
            try:
                while self._write_piece():
                    if time.monotonic() >= until:
                        return False
                if self.folder is not None and self._segments.newest and self._screen.has_unwritten:
                    self._screen.write(self.folder)
            except Exception as error:  # the other journals share the thread
                self._fail(error)
        return True

    def _write_piece(self) -> bool:
        """Write bytes up to a gap or the end of a segment; False if there are none."""
        with self._lock:
            if self.folder is None:
                return False
            offset = self._memory.held(self._written)
            if offset is None:
                self._written = self._memory.end  # a gap at the end is no backlog
                return False
            room = self._segment_bytes
            if self._active is not None and self._active.segment.end == offset:
                room = room - self._active.segment.size or room
            parts = self._memory.parts(offset, max(1, room))
            end = offset + sum(map(len, parts))
            marks = self._memory.marks_in(offset, end)
        self._write_out(self.folder, offset, parts, marks)
        with self._lock:
            self._written = end
            self._trim()
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

    def _fail(self, error: Exception) -> None:
        self._leave_disk()
        if self._on_trouble is not None:
            self._on_trouble(error)

    def _leave_disk(self) -> None:
        with self._lock:
            self.folder = None
            self._trim()
            active, self._active = self._active, None
        if active is not None:
            with contextlib.suppress(OSError):
                active.close(sync=False)

    def abandon(self) -> None:
        """Close the files, which are deleted next, and write nothing more."""
        with self._writing:
            self._leave_disk()

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

    def close(self, seconds: float = math.inf) -> None:
        """Write the backlog, for about so many seconds, and close the files; twice is fine.

        Reading still works. Frees the memory of written bytes: ended consoles are many.
        """
        self.write_pending(seconds)
        with self._writing:
            active, self._active = self._active, None
            if active is not None:
                active.close()
        if self.folder is not None:
            with self._lock:
                self._memory.trim(self._written)

    # Retention

    def _shrink(self) -> None:
        """Delete segments beyond `max_bytes` or MAX_SEGMENTS; the new segment counts as full."""
        total = self.disk_bytes + self._segment_bytes
        while len(self._segments) > 1 and (
            total > self._max_bytes or len(self._segments) > MAX_SEGMENTS
        ):
            total -= self._drop_oldest()

    def _keep_modes(self) -> None:
        """Note the terminal's modes after the segments that `_shrink` is about to delete."""
        total, segments = self.disk_bytes + self._segment_bytes, list(self._segments)
        doomed = None
        while segments and (total > self._max_bytes or len(segments) >= MAX_SEGMENTS):
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
        with contextlib.suppress(OSError):  # the next start finds the file and deletes it by age
            segment.delete()
        return segment.size + segment.index_size
