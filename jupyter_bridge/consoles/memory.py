"""Memory: a console's newest bytes by absolute offset, and when they came. Not thread-safe."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from jupyter_bridge.consoles.segments import BLOCK_BYTES

# One mark at most this often: playback is this exact, `since` too.
MARK_NANOSECONDS = 100_000_000


class Memory:
    """Blocks of bytes, ascending, with gaps between them where bytes are missing."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.times: list[tuple[int, int]] = []
        """(offset, nanoseconds), ascending in both."""
        self.latest = 0
        self._bases: list[int] = []
        self._blocks: list[bytearray] = []

    @property
    def first(self) -> int:
        """The oldest byte held, or the end."""
        return self._bases[0] if self._bases else self.end

    def append(self, data: bytes, now: int) -> None:
        """Keep a copy of these bytes at the end."""
        self.latest = now = max(now, self.latest)
        last = self._blocks[-1] if self._blocks else None
        follows = last is not None and self._bases[-1] + len(last) == self.end
        if (
            not self.times
            or not follows
            or now - self.times[-1][1] >= MARK_NANOSECONDS
            or self.end - self.times[-1][0] >= BLOCK_BYTES
        ):
            self.times.append((self.end, now))
        if last is None or not follows or len(last) >= BLOCK_BYTES:
            self._bases.append(self.end)
            self._blocks.append(bytearray(data))
        else:
            last += data
        self.end += len(data)

    def skip(self, lost: int) -> None:
        """So many bytes are missing; the next ones stand behind them."""
        self.end += lost

    def read(self, offset: int, max_bytes: int) -> bytes:
        """At most `max_bytes` from `offset` on, up to a gap."""
        at = bisect_right(self._bases, offset) - 1
        if at < 0:
            return b""
        parts: list[bytes] = []
        while at < len(self._bases) and self._bases[at] <= offset and max_bytes > 0:
            start = offset - self._bases[at]
            part = bytes(self._blocks[at][start : start + max_bytes])
            if not part:
                break
            parts.append(part)
            offset += len(part)
            max_bytes -= len(part)
            at += 1
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def held(self, offset: int) -> int | None:
        """The first offset at or after this one that is held."""
        at = max(0, bisect_right(self._bases, offset) - 1)
        for base, block in zip(self._bases[at:], self._blocks[at:], strict=True):
            if base + len(block) > offset:
                return max(offset, base)
        return None

    def behind(self, offset: int) -> int | None:
        """One past the last byte that is held before this offset."""
        at = bisect_left(self._bases, offset) - 1
        return min(offset, self._bases[at] + len(self._blocks[at])) if at >= 0 else None

    def marks(self, start: int, end: int) -> list[tuple[int, int]]:
        """The known times of bytes in this range."""
        at = bisect_left(self.times, (start, 0))
        return self.times[at : bisect_left(self.times, (end, 0))]

    def when(self, offset: int) -> int:
        """When the byte at this offset came, or the latest known time before that."""
        at = bisect_right(self.times, offset, key=lambda mark: mark[0]) - 1
        return self.times[at][1] if at >= 0 else self.latest

    def drop(self, floor: int) -> None:
        """Forget everything before this offset."""
        self.trim(floor)
        if self._bases and self._bases[0] < floor:
            del self._blocks[0][: floor - self._bases[0]]
            self._bases[0] = floor

    def trim(self, floor: int) -> None:
        """Give back the blocks that lie before this offset."""
        count = 0
        while count < len(self._bases) and self._bases[count] + len(self._blocks[count]) <= floor:
            count += 1
        if count:
            del self._bases[:count], self._blocks[:count]
            # The mark before the first byte says when that came; it stays.
            at = bisect_right(self.times, self.first, key=lambda mark: mark[0]) - 1
            del self.times[: max(0, at)]
