"""RecentBytes: a console's newest bytes by absolute offset, and when they came. Not thread-safe."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from jupyter_bridge.consoles.journal.segments import BLOCK_BYTES, Mark

# The shortest time between two marks: the precision of playback and of `since`.
MARK_NANOSECONDS = 100_000_000
# Data of at least this size is kept as it is, so that a fast terminal's bytes reach the disk
# without a copy; smaller data is gathered into blocks.
WHOLE_BYTES = 16 * 1024


class RecentBytes:
    """Blocks of bytes, ascending, with gaps between them where bytes are missing."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.marks: list[Mark] = []
        """Ascending; their lines are counted from the start of this memory."""
        self.latest = 0
        self._lines = 0
        self._bases: list[int] = []
        # Only the last block grows, and only if it is a bytearray.
        self._blocks: list[bytes | bytearray] = []

    @property
    def first(self) -> int:
        """The offset of the oldest byte held, or the end."""
        return self._bases[0] if self._bases else self.end

    def append(self, data: bytes, now: int) -> None:
        """Add these bytes, which arrived `now` (nanoseconds), at the end."""
        self.latest = now = max(now, self.latest)
        last = self._blocks[-1] if self._blocks else None
        follows = last is not None and self._bases[-1] + len(last) == self.end
        if (
            not self.marks
            or not follows
            or now - self.marks[-1].nanoseconds >= MARK_NANOSECONDS
            or self.end - self.marks[-1].offset >= BLOCK_BYTES
        ):
            self.marks.append(Mark(self.end, self._lines, now))
        # Counted here, not when the index is written: the bytes are still in the processor's cache.
        self._lines += data.count(b"\n")
        if isinstance(data, bytes) and len(data) >= WHOLE_BYTES:
            self._bases.append(self.end)
            self._blocks.append(data)
        elif isinstance(last, bytearray) and follows and len(last) < BLOCK_BYTES:
            last += data
        else:
            self._bases.append(self.end)
            self._blocks.append(bytearray(data))
        self.end += len(data)

    def skip(self, lost: int) -> None:
        """Leave a gap of `lost` bytes."""
        self.end += lost

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Return at most `max_bytes` from `offset`, up to a gap."""
        parts = self.parts(offset, max_bytes)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def parts(self, offset: int, max_bytes: int) -> list[bytes]:
        """Like `read`, in pieces, which are copied only if necessary."""
        at = bisect_right(self._bases, offset) - 1
        if at < 0:
            return []
        parts: list[bytes] = []
        while at < len(self._bases) and self._bases[at] <= offset and max_bytes > 0:
            start = offset - self._bases[at]
            block = self._blocks[at]
            if isinstance(block, bytes):
                part = block[start : start + max_bytes]
            else:  # through a view, so that it is copied once, not twice
                with memoryview(block) as view:
                    part = bytes(view[start : start + max_bytes])
            if not part:
                break
            parts.append(part)
            offset += len(part)
            max_bytes -= len(part)
            at += 1
        return parts

    def newest(self, max_bytes: int) -> bytes:
        """Return at most `max_bytes` of the last bytes, from after the last gap."""
        parts: list[bytes | bytearray] = []
        at = len(self._blocks) - 1
        while at >= 0 and max_bytes > 0:
            parts.append(self._blocks[at][-max_bytes:])
            max_bytes -= len(parts[-1])
            if at and self._bases[at - 1] + len(self._blocks[at - 1]) != self._bases[at]:
                break
            at -= 1
        return b"".join(reversed(parts))

    def held(self, offset: int) -> int | None:
        """Return the first offset held at or after `offset`."""
        at = max(0, bisect_right(self._bases, offset) - 1)
        while at < len(self._bases):  # without a copy: there may be a block for every gap
            if self._bases[at] + len(self._blocks[at]) > offset:
                return max(offset, self._bases[at])
            at += 1
        return None

    def behind(self, offset: int) -> int | None:
        """Return one past the last byte held before `offset`."""
        at = bisect_left(self._bases, offset) - 1
        return min(offset, self._bases[at] + len(self._blocks[at])) if at >= 0 else None

    def marks_in(self, start: int, end: int) -> list[Mark]:
        """Return the marks of bytes from `start` to `end`."""
        return self.marks[self._at(start) : self._at(end)]

    def when(self, offset: int) -> int:
        """Return the time of the mark at or before this offset, else the latest time."""
        at = self._at(offset + 1) - 1
        return self.marks[at].nanoseconds if at >= 0 else self.latest

    def drop(self, floor: int) -> None:
        """Discard everything before this offset."""
        self.trim(floor)
        if self._bases and self._bases[0] < floor:
            self._blocks[0] = self._blocks[0][floor - self._bases[0] :]
            self._bases[0] = floor

    def trim(self, floor: int) -> None:
        """Discard the blocks that end at or before this offset."""
        count = 0
        while count < len(self._bases) and self._bases[count] + len(self._blocks[count]) <= floor:
            count += 1
        if count:
            del self._bases[:count], self._blocks[:count]
            # The mark at or before the first byte remains: it has that byte's time.
            del self.marks[: max(0, self._at(self.first + 1) - 1)]

    def _at(self, offset: int) -> int:
        return bisect_left(self.marks, offset, key=lambda mark: mark.offset)
