"""SentTexts: what `send` typed into a console lately, and where, to know its echo."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

# The most typed texts whose echo is known, and the most bytes of one; a longer text is shown.
MOST_SENT = 64
MAX_SENT_BYTES = 64 * 1024


class Sent(NamedTuple):
    """Text that was typed when the console's output ended at `offset`.

    If the tty was not `is_cooked`, a line editor was reading, and shows the text once.
    """

    offset: int
    data: bytes
    is_cooked: bool

    def lines(self) -> Iterator[bytes]:
        """Return the typed lines, with their newlines."""
        return iter(self.data.replace(b"\r", b"\n").splitlines(keepends=True))


class SentTexts:
    """What `send` typed into a console lately."""

    def __init__(self) -> None:
        self._texts: deque[tuple[int, Sent]] = deque(maxlen=MOST_SENT)
        self._count = 0

    def note(self, offset: int, data: bytes, *, is_cooked: bool = True) -> None:
        """Note a text that is about to be typed."""
        if data and len(data) <= MAX_SENT_BYTES:
            self._count += 1
            self._texts.append((self._count, Sent(offset, data, is_cooked)))

    def since(self, number: int, offset: int) -> list[tuple[int, Sent]]:
        """Return the texts after this one, and from this offset, with their numbers."""
        return [(n, sent) for n, sent in self._texts if n > number and sent.offset >= offset]
