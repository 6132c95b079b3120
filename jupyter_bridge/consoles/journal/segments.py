"""Segments: the part of a Journal that is on the disk, in files named by their first offset.

    00000000000000000000.log   the bytes, as they are
    00000000000000000000.idx   records of three u64, big-endian: an offset, the number of newlines
                               before it (since the console began), the Unix time in nanoseconds
                               when the byte there came

A segment is written once, by one writer; after a crash the next writer begins a new one. So the
.log needs no repair, and of the .idx only whole records within it count. A record is written before
the bytes it describes, so that after a crash no byte is without its time.

Segments ascend, with gaps for missing bytes. Not thread-safe. Functions that read files take a list
of segments, so that no lock is held meanwhile.
"""

from __future__ import annotations

import os
import stat
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from jupyter_bridge.private_files import open_private, open_regular, read_regular
from jupyter_bridge.wire.console import MAX_OFFSET

RECORD = struct.Struct(">QQQ")
BLOCK_BYTES = 64 * 1024

# The most segments of a journal: it has ten or so, and one more for every gap and every day. Each
# costs two files and some memory.
MAX_SEGMENTS = 1_000
# The largest index that is read, bytes: a full segment's has a record for at least each 100 ms.
MAX_INDEX = 32 * 1024 * 1024

# The most parts of one writev call, on every system.
_IOV_MAX = 1024

Parts = Sequence[bytes | bytearray]
Write = Callable[[int, Parts], int]


@dataclass
class Mark:
    """One byte's offset, the number of newlines before it, and when it came."""

    offset: int
    lines: int
    nanoseconds: int


@dataclass
class Segment:
    """The bytes of a console from `base` up to `end`, as far as they are on the disk."""

    folder: Path
    base: int
    size: int
    lines: int
    """Newlines before `base`, since the console began."""
    first: int
    """When its first byte came, in nanoseconds."""
    last: int
    """When it was last written."""
    index_size: int = 0

    @property
    def end(self) -> int:
        """One past its last byte."""
        return self.base + self.size

    @property
    def log_path(self) -> Path:
        """The file of the bytes."""
        return self.folder / f"{self.base:020d}.log"

    @property
    def index_path(self) -> Path:
        """The file of the index."""
        return self.folder / f"{self.base:020d}.idx"

    @classmethod
    def load(cls, folder: Path, base: int, before: Segment | None) -> Segment:
        """Load a segment that follows `before`, even if its writer crashed."""
        segment = cls(folder, base, 0, 0, 0, 0)
        known = segment.log_path.lstat()
        # Anything but a file, as a FIFO, counts as empty.
        segment.size = known.st_size if stat.S_ISREG(known.st_mode) else 0
        segment.last = known.st_mtime_ns
        segment.first = segment.last
        try:
            with open_regular(segment.index_path) as file:
                segment.index_size = os.fstat(file.fileno()).st_size
                record = file.read(RECORD.size)
        except OSError:
            record = b""
        if len(record) == RECORD.size and RECORD.unpack(record)[0] == base:
            _, segment.lines, segment.first = RECORD.unpack(record)
        elif before is not None:
            segment.lines = before.lines_before(before.end)
        return segment

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Return bytes from `offset`; FileNotFoundError if the segment was deleted."""
        with open_regular(self.log_path) as file:
            file.seek(offset - self.base)
            return file.read(min(max_bytes, self.end - offset))

    def marks(self) -> list[Mark]:
        """Return the index's whole records, ascending, up to the first bad one."""
        try:
            data = read_regular(self.index_path, MAX_INDEX)
        except OSError:
            return []
        marks: list[Mark] = []
        for values in RECORD.iter_unpack(data[: len(data) // RECORD.size * RECORD.size]):
            mark = Mark(*values)
            if not self.base <= mark.offset <= self.end or (
                marks and (mark.offset <= marks[-1].offset or mark.lines < marks[-1].lines)
            ):
                break
            marks.append(mark)
        return marks

    def time_of(self, offset: int) -> int | None:
        """Return the time of the last mark at or before `offset`; None if there is none.

        Reads a few records only: an index may hold half a million.
        """
        try:
            with self.index_path.open("rb", buffering=0) as file:

                def record(at: int) -> tuple[int, ...]:
                    file.seek(at * RECORD.size)
                    return RECORD.unpack(file.read(RECORD.size).ljust(RECORD.size, b"\0"))

                records = range(self.index_size // RECORD.size)
                at = bisect_right(records, offset, key=lambda at: record(at)[0]) - 1
                return record(at)[2] if at >= 0 else None
        except FileNotFoundError:
            return None

    def lines_before(self, offset: int) -> int:
        """Return the number of newlines before `offset`, since the console began."""
        marks = self.marks()
        at = bisect_right(marks, offset, key=lambda mark: mark.offset) - 1
        start, lines = (marks[at].offset, marks[at].lines) if at >= 0 else (self.base, self.lines)
        while start < offset:
            block = self.read(start, min(BLOCK_BYTES, offset - start))
            if not block:
                break
            lines += block.count(b"\n")
            start += len(block)
        return lines

    def after_line(self, line: int) -> int:
        """Return the offset after the newline number `line`, counted from 1."""
        marks = self.marks()
        # The last mark with fewer newlines before it: the wanted newline comes after.
        at = bisect_right(marks, line - 1, key=lambda mark: mark.lines) - 1
        start, lines = (marks[at].offset, marks[at].lines) if at >= 0 else (self.base, self.lines)
        while start < self.end:
            block = self.read(start, BLOCK_BYTES)
            if not block:
                break
            count = block.count(b"\n")
            if lines + count >= line:
                position = -1
                for _ in range(line - lines):
                    position = block.index(b"\n", position + 1)
                return start + position + 1
            lines += count
            start += len(block)
        return self.end

    def delete(self) -> None:
        """Delete the files; a reader that has them open is not disturbed."""
        self.log_path.unlink(missing_ok=True)
        self.index_path.unlink(missing_ok=True)


class SegmentWriter:
    """Writes a new segment. Raises OSError; written bytes stay readable."""

    def __init__(self, segment: Segment, write: Write = os.writev) -> None:
        self.segment = segment
        self._write = write
        self._lines = segment.lines
        self._log = _create(segment.log_path)
        try:
            self._index = _create(segment.index_path)
        except BaseException:
            os.close(self._log)
            raise

    @property
    def lines(self) -> int:
        """Newlines before the segment's end, since the console began."""
        return self._lines

    def append(self, parts: Parts, marks: Sequence[Mark]) -> None:
        """Write an index record for each mark, then the parts, in order.

        Only newlines after the last mark are counted: marks have the number before them.
        """
        if marks:
            self._lines = marks[-1].lines
        position = self.segment.end
        counted_from = marks[-1].offset if marks else position
        for part in parts:
            if position + len(part) > counted_from:
                self._lines += part.count(b"\n", max(0, counted_from - position))
            position += len(part)
        if marks:
            records = (RECORD.pack(mark.offset, mark.lines, mark.nanoseconds) for mark in marks)
            index = b"".join(records)
            self._write_all(self._index, (index,))
            self.segment.index_size += len(index)
            self.segment.last = marks[-1].nanoseconds
        self._write_all(self._log, parts)
        self.segment.size = position - self.segment.base

    def close(self, sync: bool = True) -> None:
        """Close both files, after fsync unless `sync` is false; twice is fine."""
        log, index = self._log, self._index
        self._log = self._index = -1
        for number in (log, index):
            if number >= 0:
                try:
                    if sync:
                        os.fsync(number)
                finally:
                    os.close(number)

    def _write_all(self, number: int, parts: Parts) -> None:
        left = [part for part in parts if part]
        while left:
            written = self._write(number, list(islice(left, _IOV_MAX)))
            done = 0
            while done < len(left) and written >= len(left[done]):
                written -= len(left[done])
                done += 1
            del left[:done]
            if written:
                left[0] = left[0][written:]


def _create(path: Path) -> int:
    return open_private(path, os.O_WRONLY | os.O_TRUNC | os.O_APPEND)


class Segments:
    """The segments in a folder; other files are left alone."""

    def __init__(self, folder: Path | None) -> None:
        self._segments = _load(folder) if folder is not None and folder.exists() else []

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    def __contains__(self, segment: Segment) -> bool:
        return any(one is segment for one in self._segments)

    @property
    def oldest(self) -> Segment | None:
        """The first segment, or None."""
        return self._segments[0] if self._segments else None

    @property
    def newest(self) -> Segment | None:
        """The last segment, or None."""
        return self._segments[-1] if self._segments else None

    @property
    def bytes(self) -> int:
        """The size of all segments and their indexes."""
        return sum(segment.size + segment.index_size for segment in self._segments)

    def add(self, segment: Segment) -> None:
        """Add a segment, which begins after all others."""
        self._segments.append(segment)

    def remove(self, segment: Segment) -> None:
        """Remove a segment, but not its files."""
        if self._segments and self._segments[0] is segment:
            del self._segments[0]
            return
        self._segments = [one for one in self._segments if one is not segment]

    def reaching(self, offset: int) -> Segment | None:
        """Return the first segment that ends after this offset."""
        at = bisect_right(self._segments, offset, key=lambda segment: segment.end)
        return self._segments[at] if at < len(self._segments) else None

    def held(self, offset: int) -> int | None:
        """Return the first offset held at or after `offset`."""
        segment = self.reaching(offset)
        return max(offset, segment.base) if segment is not None and segment.size else None

    def behind(self, offset: int) -> int | None:
        """Return one past the last byte held before `offset`."""
        at = bisect_left(self._segments, offset, key=lambda segment: segment.base) - 1
        return min(offset, self._segments[at].end) if at >= 0 else None


def lines_back(segments: Sequence[Segment], position: int, newlines: int) -> int | None:
    """Return the offset of the text that has so many newlines before `position`; the first byte if
    there are fewer, None if nothing is held before it. Raises FileNotFoundError."""
    at = bisect_left(segments, position, key=lambda segment: segment.base) - 1
    if at < 0:
        return None
    line = segments[at].lines_before(min(position, segments[at].end)) - newlines + 1
    if line <= segments[0].lines:
        return segments[0].base
    # That newline is in the last segment with fewer newlines before it.
    at = bisect_left(segments, line, key=lambda segment: segment.lines) - 1
    return segments[at].after_line(line)


def first_since(segments: Sequence[Segment], nanoseconds: int) -> int | None:
    """Return the offset of the first byte since this time, to the indexes' precision."""
    later = bisect_left(segments, nanoseconds, key=lambda segment: segment.first)
    if later > 0:
        for mark in segments[later - 1].marks():
            if mark.nanoseconds >= nanoseconds:
                return mark.offset
    return segments[later].base if later < len(segments) else None


def _load(folder: Path) -> list[Segment]:
    bases = sorted(
        int(path.stem)
        for path in folder.glob("*.log")
        if len(path.stem) == 20 and path.stem.isdigit()
    )
    for base in bases[:-MAX_SEGMENTS]:
        Segment(folder, base, 0, 0, 0, 0).delete()
    segments: list[Segment] = []
    for base in bases[-MAX_SEGMENTS:]:
        segment = Segment.load(folder, base, segments[-1] if segments else None)
        follows = not segments or base >= segments[-1].end
        if segment.size and follows and segment.end <= MAX_OFFSET:
            segments.append(segment)
    return segments
