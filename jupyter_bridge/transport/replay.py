"""Replay: cuts the known part from the output that a remote repeats after a reconnect.

The time is linear in the replay's size, some 20 ms for each MiB at worst. A large replay is
searched in a thread: `transport.answers.off_loop`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# A search in a thread gives the event loop its turns between pieces of this size, bytes.
_PIECE = 1 << 20


class Remainder(NamedTuple):
    """The new part of a replay, and whether it surely follows the known part."""

    data: bytes
    sure: bool


class Replay:
    """Cuts the known part from the output that a remote repeats after a reconnect.

    Remotes without offsets repeat their last output to each new client. The last `KEEP` bytes
    passed on, the tail, are kept; their longest end that the replay continues from is cut.
    """

    KEEP = 256 << 10
    # A shorter match may be chance: all prompts look alike. Bytes.
    SURE = 16
    # Matches longer than `NEAR` bytes are searched in only `STARTS` places: repetitive text has
    # more, and then the match is not sure anyway.
    NEAR = 1024
    STARTS = 64

    def __init__(self) -> None:
        self._tail = b""
        self._whole = True  # the tail has all output: the replay cannot begin before it

    def recall(self, tail: bytes) -> None:
        """Set the tail, of an earlier connection."""
        self._tail = tail[-self.KEEP :]
        self._whole = False

    def passed(self, data: bytes) -> None:
        """Note data that was passed on."""
        tail = self._tail + data
        self._whole = self._whole and len(tail) <= self.KEEP
        self._tail = tail[-self.KEEP :]

    def agrees(self, replay: bytes) -> bool:
        """Whether the replay's known part was passed on without a hole."""
        return not self._tail or self._goes_on(replay) is not None

    def rest(self, replay: bytes) -> Remainder:
        """Return the new part of `replay`. If not `sure`, output may be missing before it."""
        if not self._tail:
            return Remainder(replay, True)
        return self._goes_on(replay) or Remainder(replay[self._agreement(replay) :], False)

    def _goes_on(self, replay: bytes) -> Remainder | None:
        """Return the part after the tail; None if the replay differs before the tail's end."""
        overlaps = self._overlaps(replay)
        known, agreement = next(overlaps, (0, -1))
        if agreement < self._agreement(replay):
            return None  # a longer match that stops before the tail's end has a hole
        # Repetitive text (`yes`) may continue from more than one place: it is not sure.
        _, other = next(overlaps, (0, 0))
        return Remainder(replay[known:], other < max(self.SURE, agreement / 2))

    def _overlaps(self, replay: bytes) -> Iterator[tuple[int, int]]:
        """Iterate (length of the known part, length of the match), in bytes, the best first."""
        tail = self._tail
        if self._whole and len(tail) < self.SURE:
            if replay.startswith(tail):
                yield len(tail), len(tail)
            return
        if not self._whole and len(tail) >= self.SURE:
            found = _find(replay, tail, 1)
            while found > 0:
                yield found + len(tail), len(tail)
                found = _find(replay, tail, found + 1)
        for at in self._starts(replay):
            if len(tail) - at < self.SURE:
                break
            if replay.startswith(tail[at:]) or tail.startswith(replay, at):
                agreement = min(len(tail) - at, len(replay))
                yield agreement, agreement
        if len(replay) < self.SURE and tail.endswith(replay):
            yield len(replay), len(replay)

    def _starts(self, replay: bytes) -> Iterator[int]:
        """Iterate the offsets in the tail where the replay may begin, few enough to be fast."""
        near = max(0, len(self._tail) - self.NEAR)
        head = replay[: self.NEAR]
        at = self._tail.find(head, 0, near + len(head) - 1)
        for _ in range(self.STARTS):
            if at < 0:
                break
            yield at
            at = self._tail.find(head, at + 1, near + len(head) - 1)
        head = replay[: self.SURE]
        at = self._tail.find(head, near)
        while at >= 0:
            yield at
            at = self._tail.find(head, at + 1)

    def _agreement(self, replay: bytes) -> int:
        """Return the longest match of the replay with the tail, to its end or not, bytes."""
        return max((_common(replay, self._tail[at:]) for at in self._starts(replay)), default=0)


def _find(text: bytes, wanted: bytes, start: int) -> int:
    """Return the offset of `wanted` from `start` on, or -1; several short calls, not a long one."""
    while start + len(wanted) <= len(text):
        found = text.find(wanted, start, start + _PIECE + len(wanted) - 1)
        if found >= 0:
            return found
        start += _PIECE
    return -1


def _common(one: bytes, other: bytes) -> int:
    """Return the length of the common prefix."""
    size = min(len(one), len(other))
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
