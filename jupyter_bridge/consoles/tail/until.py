"""Until: the first match of a pattern in a console's text, wherever its bytes are cut.

The match that ends first counts, so that a tail ends as soon as its text has a match.
"""

from __future__ import annotations

import codecs
from bisect import bisect_right
from collections.abc import Callable
from copy import copy
from functools import partial
from operator import attrgetter, itemgetter
from typing import TypeVar

from jupyter_bridge.aio.serial_worker import in_worker
from jupyter_bridge.aio.turns import Pauses
from jupyter_bridge.consoles.tail.pattern import LANE, SUBSTITUTE, Pattern, character_at, utf8
from jupyter_bridge.wire import ansi
from jupyter_bridge.wire.console import Matched

# A match of this many bytes is always found; a longer one, up to twice that, depending on where it
# begins.
BLOCK = 4096
# How much output is searched at once if it has no match, which is the rule.
SKIM_BYTES = 32 * 1024
# A larger pattern may take more than 0.2 s for that, and all patterns take turns.
SKIM_SIZE = 400
# The most parts whose output is kept: it may be much more than its text.
MAX_UNREAD_PARTS = 16
# A larger pattern may take more than 2 ms for two blocks, and is matched off the event loop.
LOOP_SIZE = 24

T = TypeVar("T")


class Until:
    """Finds the match in output that is fed in order, without its escape sequences.

    Bytes that are not UTF-8 are characters that only `.` and negated classes match. The text is
    held in blocks, counted from its beginning. A match is searched in the block where it ends and
    the one before, so that it makes no difference how the output was cut.
    """

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._pauses = Pauses()
        self._cutter = ansi.without_escapes(joined=True)
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = b""
        self._base = 0  # text before it is only context for `^` and `\b`
        self._least = 0  # no match ends before it
        self._parts: list[_Part] = []

    async def feed(self, offset: int, data: bytes) -> Matched | None:
        """Return the first match, if these bytes complete it."""
        for first in range(0, len(data), SKIM_BYTES):
            await self._pauses()
            last = min(len(data), first + SKIM_BYTES)
            size = 0
            if last - first > BLOCK and self._pattern.size <= SKIM_SIZE:
                size = await self._run(partial(self._skim, offset + first, data[first:last]))
            for start in range(first + size, last, BLOCK):
                await self._pauses()
                part = data[start : min(last, start + BLOCK)]
                found = await self._run(partial(self.take, offset + start, part))
                if found is not None:
                    return found
        return None

    def _skim(self, offset: int, data: bytes) -> int:
        """Take as much of `data` as surely has no match, at once; return how much that is.

        It is searched as a whole: a match in two blocks is one in all of them.
        """
        pieces, size = self._cutter.skim(offset, data)
        if not size:
            return 0
        part = _Part(len(self._text) + self._unfinished, self._cutter, offset, data[:size])
        state = self._decoder.getstate()
        more = b"".join(piece.data for piece in pieces)
        text, end = self._seen(self._text + utf8(self._decoder.decode(more)))
        if self._find(text, end) is not None:
            self._decoder.setstate(state)
            return 0
        self._least = max(self._least, end + 1)
        self._text = text[:-1] if self._pattern.looks_ahead and self._unfinished else text
        self._parts.append(part)
        full = self._base + 2 * BLOCK + self._pattern.looks_ahead
        if len(self._text) >= full:
            self._forget((len(self._text) - full) // BLOCK + 1)
        return size

    async def pause(self) -> Matched | None:
        """Return the first match if no output follows for now: `$` also matches at the end."""
        if not self._pattern.looks_ahead or self._unfinished:
            return None
        return await self._run(self.take_end)

    def take(self, offset: int, data: bytes) -> Matched | None:
        """Like `feed`, in this thread."""
        part = _Part(len(self._text) + self._unfinished, self._cutter, offset, data)
        text = b"".join(piece.data for piece in self._cutter.feed(offset, data))
        if text:
            self._parts.append(part)
            if len(self._parts) > MAX_UNREAD_PARTS:
                self._parts[-1 - MAX_UNREAD_PARTS].read()
        return self._add(text)

    def take_end(self) -> Matched | None:
        """Like `pause`, in this thread."""
        return self._find(self._text, len(self._text))

    async def _run(self, call: Callable[[], T]) -> T:
        return call() if self._pattern.size <= LOOP_SIZE else await in_worker(LANE, call)

    @property
    def _unfinished(self) -> int:
        """The number of bytes of an incomplete character."""
        return len(self._decoder.getstate()[0])

    def _add(self, data: bytes) -> Matched | None:
        more = utf8(self._decoder.decode(data))
        while True:
            full = self._base + 2 * BLOCK + self._pattern.looks_ahead
            room = full - len(self._text)
            self._text, more = self._text + more[:room], more[room:]
            found = self._look()
            if found is not None:
                return found
            if len(self._text) == full:
                self._forget()
            if not more:
                return None

    def _look(self) -> Matched | None:
        text, end = self._seen(self._text)
        end = min(end, self._base + 2 * BLOCK)
        found = self._find(text, end)
        self._least = max(self._least, end + 1)
        return found

    def _seen(self, text: bytes) -> tuple[bytes, int]:
        """Return the text with what follows it, and where a match ends at the latest."""
        if not self._pattern.looks_ahead:
            return text, len(text)
        if self._unfinished:  # the next character is neither a word's nor a newline
            return text + SUBSTITUTE.encode(), len(text)
        return text, len(text) - 1

    def _find(self, text: bytes, end: int) -> Matched | None:
        start = character_at(text, self._base)
        if start > end or self._least > end:
            return None
        found = self._pattern.find(text, start, end, self._least)
        if found is None:
            return None
        first, behind = found[0], character_at(text, found[1])
        if first == found[1]:
            return Matched(self._at(behind), self._at(behind))
        return Matched(self._at(first), self._at(behind - 1) + 1)

    def _at(self, index: int) -> int:
        """Return the offset of the text's byte at `index`."""
        place = bisect_right(self._parts, index, key=attrgetter("index"))
        return self._parts[max(0, place - 1)].offset_of(index) if self._parts else index

    def _forget(self, blocks: int = 1) -> None:
        """Discard the oldest blocks, except the last byte."""
        cut = self._base + blocks * BLOCK - 1
        first = bisect_right(self._parts, cut, key=attrgetter("index")) - 1
        del self._parts[: max(0, first)]
        for part in self._parts:
            part.index -= cut
        self._text = self._text[cut:]
        self._least -= cut
        self._base = 1


class _Part:
    """Output that was fed at once: where its text begins in all text, and the offset of each byte.

    The offsets are read from the output when they are needed first, which is slow.
    """

    __slots__ = ("_cutter", "_data", "_offset", "_places", "index")

    def __init__(self, index: int, cutter: ansi.Cutter, offset: int, data: bytes) -> None:
        self.index = index
        self._cutter = copy(cutter)
        self._offset, self._data = offset, data
        self._places: list[tuple[int, int]] = []  # of each piece: where it begins, its offset

    def read(self) -> None:
        """Read the offsets, and forget the output."""
        if self._places:
            return
        self._cutter.joined = False
        index = 0
        for offset, data in self._cutter.feed(self._offset, self._data):
            self._places.append((index, offset))
            index += len(data)
        self._data = b""

    def offset_of(self, index: int) -> int:
        """Return the offset of the byte at `index` in all text."""
        self.read()
        index -= self.index
        place = bisect_right(self._places, index, key=itemgetter(0))
        begin, offset = self._places[max(0, place - 1)]
        return offset + index - begin
