"""Journal: a console's bytes by absolute offset. Segments on disk, the newest in memory.

`append` only copies into memory; one `Writer` thread for all journals takes it to the disk, some
milliseconds later and in large writes. While the disk is far behind, `congested` asks the producer
to pause. When the disk fails (full, not writable), the journal goes on in memory and says so once.

Reading is safe from any thread. Bytes that retention took, or that never came (`skip`), are a gap:
`read` stops before it, `held` says where it ends.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from pathlib import Path

from jupyter_bridge.consoles.memory import MARK_NANOSECONDS, Memory
from jupyter_bridge.consoles.segments import Segment, SegmentWriter, load_segments
from jupyter_bridge.consoles.tail import TAIL_BYTES, furthest, search

# Newest bytes held in memory beside the disk: what viewers that keep up read.
MEMORY_BYTES = 1024 * 1024
# Held when there is no disk.
ALONE_BYTES = 8 * 1024 * 1024
# Unwritten bytes from which on the producer should pause: half a second of a fast terminal.
CONGESTED_BYTES = 8 * 1024 * 1024
# A segment of a quiet console is closed after this, so that age can take it.
ROLL_NANOSECONDS = 24 * 3600 * 10**9


class Journal:
    """The bytes of one console, in one epoch. `folder=None` keeps memory only.

    `prepare` makes the folder, and `on_trouble` hears of a disk that failed, once; the Writer's
    thread calls both.
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
        write: Callable[[int, bytes], int] = os.write,
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
        self._segments = load_segments(folder) if folder is not None and folder.exists() else []
        self._written = self._segments[-1].end if self._segments else 0
        self._memory = Memory(self._written)
        self._active: SegmentWriter | None = None
        self._lines: int | None = None

    @property
    def first_offset(self) -> int:
        """The oldest byte still held."""
        with self._lock:
            first = self._memory.first
            return min(first, self._segments[0].base) if self._segments else first

    @property
    def end_offset(self) -> int:
        """One past the newest byte."""
        return self._memory.end

    @property
    def backlog(self) -> int:
        """Bytes that are not on the disk yet, where there is one."""
        return self._memory.end - self._written if self.folder is not None else 0

    @property
    def congested(self) -> bool:
        """The disk is far behind; whoever produces should pause."""
        return self.backlog > CONGESTED_BYTES

    @property
    def disk_bytes(self) -> int:
        """What the segments and their indexes take."""
        with self._lock:
            return sum(segment.size + segment.index_size for segment in self._segments)

    # Writing

    def append(self, data: bytes) -> None:
        """Keep these bytes at the end; copies, and never touches the disk."""
        if data:
            with self._lock:
                self._memory.append(data, self._clock())
                if self.folder is None:
                    self._trim()

    def skip(self, lost: int) -> None:
        """So many bytes never came; the next ones stand behind them."""
        with self._lock:
            self._memory.skip(lost)

    def write_pending(self) -> bool:
        """Take what is in memory to the disk; the Writer's thread does. False when that failed."""
        with self._writing:
            while True:
                with self._lock:
                    offset = self._memory.held(self._written)
                    if self.folder is None or offset is None:
                        return True
                    room = self._segment_bytes
                    if self._active is not None and self._active.segment.end == offset:
                        room = room - self._active.segment.size or room
                    data = self._memory.read(offset, max(1, room))
                    times = self._memory.marks(offset, offset + len(data))
                try:
                    self._write_out(self.folder, offset, data, times)
                except OSError as error:
                    self._fail(error)
                    return False
                with self._lock:
                    self._written = offset + len(data)
                    self._trim()

    def _write_out(
        self, folder: Path, offset: int, data: bytes, times: list[tuple[int, int]]
    ) -> None:
        active = self._active
        if active is not None:
            segment = active.segment
            full = segment.size + segment.index_size >= self._segment_bytes
            old = self._memory.latest - segment.first > ROLL_NANOSECONDS
            if full or old or segment.end != offset:
                self._active = None
                self._lines = active.lines
                active.close(sync=False)
        if self._active is None:
            if self._lines is None:
                last = self._segments[-1] if self._segments else None
                self._lines = last.lines_before(last.end) if last is not None else 0
            if self._prepare is not None:
                self._prepare()
            with self._lock:
                came = self._memory.when(offset)
            if not times or times[0][0] != offset:
                times = [(offset, came), *times]
            segment = Segment(folder, offset, 0, self._lines, came, came)
            self._active = SegmentWriter(segment, self._write)
            with self._lock:
                self._segments.append(segment)
                self._shrink()
        self._active.append(data, times)

    def _fail(self, error: OSError) -> None:
        with self._lock:
            self.folder = None
            self._trim()
            active, self._active = self._active, None
        if active is not None:
            try:
                active.close(sync=False)
            except OSError:
                pass  # the disk's trouble is told below, once
        if self._on_trouble is not None:
            self._on_trouble(error)

    def _trim(self) -> None:
        """Give memory back: only what is on the disk, where there is one."""
        end = self._memory.end
        if self.folder is None:
            self._memory.trim(end - self._alone_bytes)
        else:
            self._memory.trim(min(end - self._memory_bytes, self._written))

    def close(self) -> None:
        """Write what is left and close the files; reading still works. Closing twice is fine."""
        self.write_pending()
        with self._writing:
            active, self._active = self._active, None
            if active is not None:
                self._lines = active.lines
                active.close()

    # Retention

    def _shrink(self) -> None:
        """Keep within `max_bytes`, counting the segment that now begins as full."""
        total = self.disk_bytes + self._segment_bytes
        while total > self._max_bytes and len(self._segments) > 1:
            total -= self._drop_oldest()

    def oldest(self) -> int | None:
        """When the oldest segment that may be dropped was last written; None without one."""
        with self._lock:
            return self._segments[0].last if self._droppable() else None

    def drop_oldest(self) -> int:
        """Delete the oldest segment unless it is being written; says how many bytes that freed."""
        with self._lock:
            return self._drop_oldest() if self._droppable() else 0

    def _droppable(self) -> bool:
        return bool(self._segments) and not self._is_active(self._segments[0])

    def _is_active(self, segment: Segment) -> bool:
        return self._active is not None and self._active.segment is segment

    def _drop_oldest(self) -> int:
        segment = self._segments.pop(0)
        self._memory.drop(segment.end)
        try:
            segment.delete()
        except OSError:
            pass  # it is no longer ours to read; the next start finds and ages the file
        return segment.size + segment.index_size

    # Reading

    def near(self, offset: int) -> bool:
        """Whether reading here needs no disk."""
        with self._lock:
            return not self._segments or offset >= self._memory.first

    def held(self, offset: int) -> int:
        """The first offset at or after this one that is held, or the end."""
        with self._lock:
            found = self._memory.held(offset)
            at = bisect_right(self._segments, offset, key=lambda segment: segment.end)
            if at < len(self._segments) and self._segments[at].size:
                on_disk = max(offset, self._segments[at].base)
                found = on_disk if found is None else min(found, on_disk)
            return self._memory.end if found is None else found

    def behind(self, offset: int) -> int:
        """One past the last byte that is held before this offset; the first one when none is."""
        with self._lock:
            found = self._memory.behind(offset) or 0
            at = bisect_left(self._segments, offset, key=lambda segment: segment.base) - 1
            if at >= 0:
                found = max(found, min(offset, self._segments[at].end))
            return max(found, self.first_offset)

    def read(self, offset: int, max_bytes: int) -> bytes:
        """At most `max_bytes` from `offset` on; fewer at a gap; none at the end or inside a gap."""
        with self._lock:
            data = self._memory.read(offset, max_bytes)
            if data:
                return data
            at = bisect_right(self._segments, offset, key=lambda segment: segment.end)
            segment = self._segments[at] if at < len(self._segments) else None
        if segment is None or offset < segment.base:
            return b""
        try:
            data = segment.read(offset, max_bytes)
        except FileNotFoundError:
            data = b""
        if not data:
            # Retention took it meanwhile, or somebody deleted the file: a gap from now on.
            with self._lock:
                if segment in self._segments and not self._is_active(segment):
                    self._segments.remove(segment)
        return data

    def tail(self, lines: int) -> int:
        """Where the last `lines` lines begin; an unfinished last one counts. See `tail.py`."""
        floor = max(self.first_offset, furthest(self, lines))
        nearby = max(floor, min(self.behind(self.end_offset) - TAIL_BYTES, self._memory.first))
        start, wanted = search(self, lines, nearby)
        if wanted == 0 or start <= floor:
            return start
        try:
            return max(floor, self._by_index(start, wanted))
        except FileNotFoundError:
            return self.first_offset

    def _by_index(self, position: int, wanted: int) -> int:
        """Where the text begins that has `wanted` newlines between it and `position`."""
        with self._lock:
            segments = list(self._segments)
        at = bisect_left(segments, position, key=lambda segment: segment.base) - 1
        if at < 0:
            return self.first_offset
        line = segments[at].lines_before(min(position, segments[at].end)) - wanted + 1
        if line <= segments[0].lines:
            return segments[0].base
        # The newline of that number is in the last segment that has fewer before it.
        at = bisect_left(segments, line, key=lambda segment: segment.lines) - 1
        return segments[at].after_line(line)

    def since(self, when: float) -> int:
        """Where what came at or after this Unix time begins, at most a tenth of a second early."""
        # What follows a mark came within MARK_NANOSECONDS of it.
        nanoseconds = int(when * 1e9) - MARK_NANOSECONDS
        with self._lock:
            times, segments = list(self._memory.times), list(self._segments)
            first, end = self.first_offset, self.end_offset
        at = bisect_left(times, nanoseconds, key=lambda mark: mark[1])
        if at > 0 or not segments:
            return max(times[at][0], first) if at < len(times) else end
        later = bisect_left(segments, nanoseconds, key=lambda segment: segment.first)
        if later > 0:
            for mark in segments[later - 1].marks():
                if mark.nanoseconds >= nanoseconds:
                    return mark.offset
        found = [times[0][0]] if times else [end]
        return max(first, min(found + [segment.base for segment in segments[later : later + 1]]))

    def times(self, start: int, end: int) -> list[tuple[int, float]]:
        """Known (offset, Unix time) pairs in this range, ascending."""
        with self._lock:
            segments = [part for part in self._segments if part.base < end and part.end > start]
            known = dict(self._memory.times)
        for segment in segments:
            known |= {mark.offset: mark.nanoseconds for mark in segment.marks()}
        return [(at, known[at] / 1e9) for at in sorted(known) if start <= at < end]
