"""ByteRanges: a set of a file's bytes, as the fewest pairs of numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable


class ByteRanges:
    """A set of bytes, kept as sorted, separate spans `(start, stop)`, `stop` exclusive."""

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self.total = 0  # number of bytes
        for start, stop in spans:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> int:
        """Add these bytes; return how many of them are new."""
        if start >= stop:
            return 0
        # Every span that touches the new one becomes part of it.
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        before = sum(self._stops[i] - self._starts[i] for i in range(first, last))
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]
        new = stop - start - before
        self.total += new
        return new

    def missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the parts of `start` to `stop` that are not in the set."""
        gaps = []
        for index in range(bisect_right(self._stops, start), len(self._starts)):
            if self._starts[index] >= stop:
                break
            if start < self._starts[index]:
                gaps.append((start, self._starts[index]))
            start = self._stops[index]
        if start < stop:
            gaps.append((start, stop))
        return gaps

    def to_json(self) -> list[tuple[int, int]]:
        return list(zip(self._starts, self._stops, strict=True))
