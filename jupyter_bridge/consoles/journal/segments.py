"""Segments: the part of a Journal that is on the disk, ascending, with gaps for missing bytes.

Not thread-safe. Functions that read files take a list, so that no lock is held meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from jupyter_bridge.consoles.journal.segment import Segment


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
    segments: list[Segment] = []
    for base in bases:
        segment = Segment.load(folder, base, segments[-1] if segments else None)
        if segment.size and (not segments or base >= segments[-1].end):
            segments.append(segment)
    return segments
