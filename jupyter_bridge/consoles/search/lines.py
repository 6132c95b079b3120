"""Find the lines of a piece of output that match a pattern, as a reader sees them.

A line ends at LF. Its text has no escape sequences; a sequence ends with its line at the latest.
What a carriage return overwrote is a part of the line, before the text that replaced it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from jupyter_bridge.consoles.tail.pattern import Pattern, character_at
from jupyter_bridge.wire import ansi

# How much of a line a hit shows, and how much of that before the match; bytes.
SHOWN_BYTES = 1000
LEAD_BYTES = 300
CUT = "…"
# How much is searched for escape sequences in one step, which holds Python's lock, bytes.
STEP_BYTES = 4096

_C1 = re.compile(rb"\xc2[\x80-\x9f]")


class Hit(NamedTuple):
    """A line that matches: the offset of its first byte, and its text, cut around the match."""

    offset: int
    line: str
    start: int
    end: int


def hits(pattern: Pattern, data: bytes, offset: int, known: int = 0) -> Iterator[Hit]:
    """Yield the lines of `data`, which begins at `offset`, that match; each line once.

    `known` bytes at the start were searched before: a match that ends within them is left out.
    """
    text = without_escapes(data)
    matched = pattern.readable(text)
    found = pattern.search(matched, 0)
    if known and found is not None:
        behind = len(without_escapes(data[:known]))
        if found[1] <= behind:
            found = pattern.search(matched, behind)
    counted = begin = 0  # the line that begins at `counted` in `text` begins at `begin` in `data`
    while found is not None:
        start = text.rfind(b"\n", 0, found[0]) + 1
        end = text.find(b"\n", found[0])
        end = len(text) if end < 0 else end
        if start == len(text):
            return  # an empty match behind the last line
        if text is data:
            begin = start
        else:
            for _ in range(text.count(b"\n", counted, start)):
                begin = data.index(b"\n", begin) + 1
            counted = start
        yield _hit(offset + begin, text[start:end], found[0] - start, found[1] - start)
        found = pattern.search(matched, end + 1) if end < len(text) else None


def without_escapes(data: bytes) -> bytes:
    """Return the lines without their escape sequences; a line for each line."""
    if not _may_have_escapes(data):
        return data
    text, unfinished = _strip(data)
    if text.count(b"\n") == data.count(b"\n"):
        return text + unfinished
    # A sequence goes on over the end of a line.
    return b"\n".join(map(_line_without_escapes, data.split(b"\n")))


def _line_without_escapes(line: bytes) -> bytes:
    return b"".join(_strip(line)) if _may_have_escapes(line) else line


def _may_have_escapes(data: bytes) -> bool:
    if b"\x1b" in data or b"\x05" in data:
        return True
    return b"\xc2" in data and _C1.search(data) is not None


def _strip(data: bytes) -> tuple[bytes, bytes]:
    """Return the text without escape sequences, and an unfinished sequence at its end."""
    cutter = ansi.without_escapes(joined=True)
    pieces: list[ansi.Piece] = []
    for start in range(0, len(data), STEP_BYTES):
        pieces += cutter.feed(start, data[start : start + STEP_BYTES])
    return b"".join(piece.data for piece in pieces), b"".join(p.data for p in cutter.flush())


def _hit(offset: int, line: bytes, start: int, end: int) -> Hit:
    line = line.rstrip(b"\r")
    first = 0 if len(line) <= SHOWN_BYTES else min(start - LEAD_BYTES, len(line) - SHOWN_BYTES)
    first = character_at(line, max(0, first))
    last = character_at(line, min(len(line), first + SHOWN_BYTES))
    start, end = (min(max(at, first), last) for at in (start, end))
    lead = (CUT if first else "") + line[first:start].decode("utf-8", "replace")
    match = line[start:end].decode("utf-8", "replace")
    rest = line[end:last].decode("utf-8", "replace") + (CUT if last < len(line) else "")
    return Hit(offset, lead + match + rest, len(lead), len(lead) + len(match))
