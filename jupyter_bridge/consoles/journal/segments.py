"""Segments: what of a Journal is on the disk, ascending, with gaps between where bytes are missing.

Not thread-safe. What reads files takes a list of segments, so that no lock need be held meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from jupyter_bridge.consoles.journal.segment import Segment


class Segments:
    """The segments in a folder. Files that are none are left alone."""

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
        """The first one, or None."""
        return self._segments[0] if self._segments else None

    @property
    def newest(self) -> Segment | None:
        """The last one, or None."""
        return self._segments[-1] if self._segments else None

    @property
    def bytes(self) -> int:
        """What they and their indexes take."""
        return sum(segment.size + segment.index_size for segment in self._segments)

    def add(self, segment: Segment) -> None:
        """Put this one, which begins behind all others, at the end."""
        self._segments.append(segment)

    def remove(self, segment: Segment) -> None:
        """Forget this one; its files are not touched."""
        self._segments = [one for one in self._segments if one is not segment]

    def reaching(self, offset: int) -> Segment | None:
        """The first one that ends behind this offset."""
        at = bisect_right(self._segments, offset, key=lambda segment: segment.end)
        return self._segments[at] if at < len(self._segments) else None

    def held(self, offset: int) -> int | None:
        """The first offset at or after this one that is held."""
        segment = self.reaching(offset)
        return max(offset, segment.base) if segment is not None and segment.size else None

    def behind(self, offset: int) -> int | None:
        """One past the last byte that is held before this offset."""
        at = bisect_left(self._segments, offset, key=lambda segment: segment.base) - 1
        return min(offset, self._segments[at].end) if at >= 0 else None


def lines_back(segments: Sequence[Segment], position: int, newlines: int) -> int | None:
    """Where the text begins that has so many newlines between it and `position`; the first byte
    where there are fewer, None where nothing is held before it. Raises FileNotFoundError."""
    at = bisect_left(segments, position, key=lambda segment: segment.base) - 1
    if at < 0:
        return None
    line = segments[at].lines_before(min(position, segments[at].end)) - newlines + 1
    if line <= segments[0].lines:
        return segments[0].base
    # The newline of that number is in the last segment that has fewer before it.
    at = bisect_left(segments, line, key=lambda segment: segment.lines) - 1
    return segments[at].after_line(line)


def first_since(segments: Sequence[Segment], nanoseconds: int) -> int | None:
    """Where what came at or after this time begins, as far as the indexes know."""
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
