"""Search backwards for the start of a console's last lines."""

from __future__ import annotations

from typing import Protocol

from jupyter_bridge.consoles.journal.segments import BLOCK_BYTES

# The most bytes of a tail, so that output without newlines is not sent whole.
TAIL_BYTES = 1024 * 1024
TAIL_BYTES_PER_LINE = 1024


class Readable(Protocol):
    """A log that can be searched: a Journal, or a followed file."""

    @property
    def end_offset(self) -> int: ...
    def held(self, offset: int) -> int: ...
    def behind(self, offset: int) -> int: ...
    def read(self, offset: int, max_bytes: int) -> bytes: ...


def furthest(log: Readable, lines: int) -> int:
    """Return the earliest offset for so many lines: 1 KiB a line, but at least 1 MiB."""
    return max(0, log.behind(log.end_offset) - max(TAIL_BYTES, lines * TAIL_BYTES_PER_LINE))


def search(log: Readable, lines: int, floor: int) -> tuple[int, int]:
    """Search from the end back to `floor`; return (offset, newlines still to find).

    An unfinished last line counts. 0 newlines are left if the first line begins at the offset.
    """
    position = log.end_offset
    wanted = lines
    fresh = True
    while wanted > 0 and position > floor:
        position = log.behind(position)
        start, block = _block_before(log, position, max(floor, position - BLOCK_BYTES))
        if not block:
            break
        if fresh and block.endswith(b"\n"):
            wanted += 1  # the newline at the end begins no line
        fresh = False
        count = block.count(b"\n")
        if count >= wanted:
            at = len(block)
            for _ in range(wanted):
                at = block.rindex(b"\n", 0, at)
            return start + at + 1, 0
        wanted -= count
        position = start
    return position, wanted


def _block_before(log: Readable, position: int, start: int) -> tuple[int, bytes]:
    """Return the bytes from `start`, or from after a gap, to `position`, and their offset."""
    parts: list[bytes] = []
    begin = at = start
    while at < position:
        held = log.held(at)
        data = log.read(held, position - held) if held < position else b""
        if not data:
            return position, b""
        if held != at:
            parts.clear()
            begin = held
        parts.append(data)
        at = held + len(data)
    return begin, b"".join(parts)
