"""When the bytes of a Journal came: searches in the marks of its memory and its segments.

Functions that read files; no lock may be held meanwhile.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from jupyter_bridge.consoles.journal.memory import MARK_NANOSECONDS
from jupyter_bridge.consoles.journal.segments import Mark, Segment, first_since


def offset_since(
    when: float, marks: Sequence[Mark], segments: Sequence[Segment], first: int, end: int
) -> int:
    """Return the offset of the first byte since this Unix time, or up to 0.1 s before it.

    `first` and `end` are those of the journal.
    """
    # The bytes after a mark came within MARK_NANOSECONDS of it.
    nanoseconds = int(when * 1e9) - MARK_NANOSECONDS
    at = bisect_left(marks, nanoseconds, key=lambda mark: mark.nanoseconds)
    if at > 0 or not segments:
        return max(marks[at].offset, first) if at < len(marks) else end
    found = [marks[0].offset if marks else end, first_since(segments, nanoseconds)]
    return max(first, min(at for at in found if at is not None))


def times_between(
    start: int, end: int, marks: Sequence[Mark], segments: Sequence[Segment]
) -> list[tuple[int, float]]:
    """Return the known (offset, Unix time) pairs from `start` to `end`, ascending."""
    known: dict[int, int] = {}
    for some in (marks, *(segment.marks() for segment in segments)):
        known |= {mark.offset: mark.nanoseconds for mark in some if start <= mark.offset < end}
    return [(at, known[at] / 1e9) for at in sorted(known)]
