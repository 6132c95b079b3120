r"""The text of one stream output, written as on a terminal: outputs.py has the rules.

The time of a write is that of its characters. A line is not written once for each `\r` and `\b` in
it, of which a kernel may send a million: first it is reduced to what they leave of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from jupyter_bridge.wire.large_json import LARGE, LargeText

# Characters that are written in 5 ms at most, if there are controls in them.
_PIECE = 2048
_CONTROL = re.compile(r"[\r\x08]")
_ERASED = re.compile(r"([^\x08]*)(\x08*)")


class _Reduced(NamedTuple):
    r"""What text without `\r` does: `back` characters before the cursor are deleted, then `text`
    is written; `taken` characters at the cursor are overwritten or deleted by the text alone.
    """

    back: int
    text: str
    taken: int


class StreamText:
    """A stream output: the text up to the cursor as UTF-8, and the rest of its last line.

    Writing takes time for the new text only, however long the text and the line are: the text
    behind the cursor is never moved, only shortened from its beginning.
    """

    __slots__ = ("_ahead", "_lent", "_line", "_text", "name", "size")

    def __init__(self, name: str) -> None:
        self.name = name
        self.size = 0  # bytes of all its text
        self._text = bytearray()
        self._lent = False  # whether a LargeText may still be read from it
        self._line = 0
        # Parts of the line behind the cursor, the nearest last: the text, and how many of its
        # characters are removed.
        self._ahead: list[tuple[str, int]] = []

    def output(self) -> dict[str, Any]:
        """Return the output in nbformat; a large text is a LargeText."""
        rest = "".join(part[gone:] for part, gone in reversed(self._ahead))
        text: Any = self._text
        if len(text) <= LARGE:
            text = text.decode() + rest
        else:
            self._lent = True
            text = LargeText(text, rest)
        return {"output_type": "stream", "name": self.name, "text": text}

    def write(self, text: str, limit: int) -> bool:
        """Write at the cursor; false if the text was cut so that it stays within `limit` bytes."""
        if self._lent:
            self._text, self._lent = bytearray(self._text), False
        text = text.replace("\r\n", "\n")
        at = 0
        while control := _CONTROL.search(text, at):
            start = text.rfind("\n", at, control.start()) + 1 or at
            end = text.find("\n", control.end())
            end = len(text) if end < 0 else end
            if not (self._put(text[at:start], limit) and self._write_line(text[start:end], limit)):
                return False
            at = end
        return self._put(text[at:], limit)

    def _put(self, text: str, limit: int) -> bool:
        """Write text without controls."""
        line, newline, lines = text.partition("\n")
        self._take(len(line))
        whole = self._append(line, limit)
        if whole and newline:
            self._to_end()
            whole = self._append(newline + lines, limit)
        return whole

    def _write_line(self, text: str, limit: int) -> bool:
        """Write text without newlines."""
        before, *returned = text.split("\r")
        back, written, taken = _reduced(before)
        self._erase(back)
        self._take(taken)
        whole = self._append(written, limit)
        if not (whole and returned):
            return whole
        # Each return begins to write over the line as it then is: the last is nearest.
        _, written, taken = _reduced(returned.pop())
        ahead: list[str] = []
        for seen in reversed(returned):
            over = len(seen)
            if "\b" in seen:
                _, seen, over = _reduced(seen)
            if len(seen) > taken:
                ahead.append(seen[taken:])
                taken = over
            else:
                taken += over - len(seen)
        self._return()
        self._take(taken)
        for part in reversed(ahead):
            cut = _cut(part, limit - self.size)
            self._ahead.append((cut, 0))
            self.size += len(cut.encode())
        return self._append(written, limit)

    def _append(self, text: str, limit: int) -> bool:
        """Put text before the cursor, as much as there is room for."""
        raw, room = text.encode(), limit - self.size
        whole = len(raw) <= room
        if not whole:
            raw = _cut(text, room).encode()
        if newline := raw.rfind(b"\n") + 1:
            self._line = len(self._text) + newline
        self._text += raw
        self.size += len(raw)
        return whole

    def _return(self) -> None:
        if len(self._text) > self._line:
            self._ahead.append((self._text[self._line :].decode(), 0))
            del self._text[self._line :]

    def _to_end(self) -> None:
        while self._ahead:
            part, gone = self._ahead.pop()
            self._text += part[gone:].encode()

    def _erase(self, count: int) -> None:
        """Delete up to `count` characters before the cursor, and as many at it."""
        if not count:
            return
        start = max(self._line, len(self._text) - 4 * count)
        before = self._text[start:].decode(errors="ignore")[-count:]
        size = len(before.encode())
        del self._text[len(self._text) - size :]
        self.size -= size
        self._take(len(before))

    def _take(self, count: int) -> None:
        """Remove the `count` characters at the cursor."""
        while count > 0 and self._ahead:
            part, gone = self._ahead.pop()
            taken = part[gone : gone + count]
            self.size -= len(taken.encode())
            count -= len(taken)
            if gone + len(taken) < len(part):
                self._ahead.append((part, gone + len(taken)))


def _reduced(text: str) -> _Reduced:
    if "\b" not in text:
        return _Reduced(0, text, len(text))
    back = pushed = popped = 0
    kept: list[tuple[str, int]] = []  # parts, and how many characters of each are left
    for written, erased in _ERASED.findall(text):
        if written:
            kept.append((written, len(written)))
            pushed += len(written)
        count = len(erased)
        while count and kept:
            part, left = kept.pop()
            if left > count:
                kept.append((part, left - count))
            gone = min(left, count)
            popped += gone
            count -= gone
        back += count
    return _Reduced(back, "".join([part[:left] for part, left in kept]), pushed + popped)


def _cut(text: str, size: int) -> str:
    """Return the beginning of `text` of at most `size` bytes as UTF-8."""
    return text.encode()[: max(0, size)].decode(errors="ignore")


def pieces(text: str) -> Iterator[str]:
    """Yield `text` in pieces of which each is written in a few milliseconds."""
    size = _PIECE if _CONTROL.search(text) else LARGE
    for start in range(0, len(text), size):
        yield text[start : start + size]
