"""Where the last lines of a console begin."""

from __future__ import annotations

from typing import Protocol

from jupyter_bridge.consoles.journal.segment import BLOCK_BYTES

# A tail sends at most this much where lines are long, so that no newline is no flood.
TAIL_BYTES = 1024 * 1024
TAIL_BYTES_PER_LINE = 1024


class Readable(Protocol):
    """What can be searched: a Journal, a followed file."""

    @property
    def end_offset(self) -> int: ...
    def held(self, offset: int) -> int: ...
    def behind(self, offset: int) -> int: ...
    def read(self, offset: int, max_bytes: int) -> bytes: ...


def furthest(log: Readable, lines: int) -> int:
    """A tail of so many lines begins here at the earliest: 1 KiB a line, but at least 1 MiB."""
    return max(0, log.behind(log.end_offset) - max(TAIL_BYTES, lines * TAIL_BYTES_PER_LINE))


def search(log: Readable, lines: int, floor: int) -> tuple[int, int]:
    """Look backward from the end, down to `floor`: (where it begins, newlines still to find).

    An unfinished last line counts as one. Nothing is left to find when that line begins here.
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
            wanted += 1  # the newline that finishes the last line begins no other
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
    """The bytes without a gap that end at `position`, from `start` at the earliest."""
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
