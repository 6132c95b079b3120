"""Until: the first match of a pattern in a console's text, whatever way its bytes arrive.

The match that ends first counts, so that a tail ends as soon as its text holds one.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from operator import itemgetter

from jupyter_bridge.aio.serial_worker import SerialWorker, off_loop
from jupyter_bridge.consoles.tail.pattern import Pattern
from jupyter_bridge.wire import ansi
from jupyter_bridge.wire.console import Matched

# A match of this many bytes is found wherever it stands; a longer one, up to twice that, if it
# stands well.
BLOCK = 4096
# A look at two blocks that may take longer than about 2 ms is taken off the event loop.
LOOP_SIZE = 24
# One for all: whatever patterns there are, they take one core. Each waits for its turn by block.
_LANE = SerialWorker()

_NOT_UTF8 = re.compile("[\udc80-\udcff]")
# ASCII's sign for what cannot be shown. It is one byte long, so that offsets stay as they are.
_SUBSTITUTE = "\x1a"


class Until:
    """Feed it output in order. Escape sequences are left out before the pattern is looked for.

    Bytes that are not UTF-8 are characters that only `.` and negated classes match. The text is
    held in blocks that are counted from its beginning. A match stands in the block where it ends
    and the one before, so how the output was cut makes no difference.
    """

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._cutter = ansi.without_escapes()
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text = b""
        self._base = 0  # text before it is only there for `^` and `\b` to see
        self._least = 0  # no match ends before it
        self._offsets: list[tuple[int, int]] = []  # (index in the text, offset), one per piece

    async def feed(self, offset: int, data: bytes) -> Matched | None:
        """The first match, if these bytes complete it."""
        for start in range(0, len(data), BLOCK):
            if start:
                await asyncio.sleep(0)  # text that is all escape sequences takes 5 ms a block
            part = data[start : start + BLOCK]
            found = await self._run(partial(self.take, offset + start, part))
            if found is not None:
                return found
        return None

    async def pause(self) -> Matched | None:
        """The first match if nothing follows for now: `$` matches at the present end too."""
        if not self._pattern.looks_ahead or self._unfinished:
            return None
        return await self._run(self.take_end)

    def take(self, offset: int, data: bytes) -> Matched | None:
        """As `feed`, without leaving this thread."""
        return self._add(self._cutter.feed(offset, data))

    def take_end(self) -> Matched | None:
        """As `pause`, without leaving this thread."""
        return self._find(self._text, len(self._text))

    async def _run(self, call: Callable[[], Matched | None]) -> Matched | None:
        return call() if self._pattern.size <= LOOP_SIZE else await off_loop(_LANE, call)

    @property
    def _unfinished(self) -> int:
        """How many bytes came of a character that is not whole yet."""
        return len(self._decoder.getstate()[0])

    def _add(self, pieces: list[ansi.Piece]) -> Matched | None:
        """Look once at all of them: there may be as many as bytes."""
        index = len(self._text) + self._unfinished
        for offset, data in pieces:
            self._offsets.append((index, offset))
            index += len(data)
        more = _utf8(self._decoder.decode(b"".join(piece.data for piece in pieces)))
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
        text, end = self._text, len(self._text)
        if self._pattern.looks_ahead:
            if self._unfinished:
                text += _SUBSTITUTE.encode()  # what follows is neither a word's nor a line's end
            else:
                end -= 1
        end = min(end, self._base + 2 * BLOCK)
        found = self._find(text, end)
        self._least = max(self._least, end + 1)
        return found

    def _find(self, text: bytes, end: int) -> Matched | None:
        start = _character(text, self._base)
        if start > end or self._least > end:
            return None
        found = self._pattern.find(text, start, end, self._least)
        if found is None:
            return None
        first, behind = found[0], _character(text, found[1])
        if first == found[1]:
            return Matched(self._at(behind), self._at(behind))
        return Matched(self._at(first), self._at(behind - 1) + 1)

    def _at(self, index: int) -> int:
        """The offset of the text's byte at `index`."""
        place = bisect_right(self._offsets, index, key=itemgetter(0))
        base, offset = self._offsets[max(0, place - 1)] if self._offsets else (0, 0)
        return offset + index - base

    def _forget(self) -> None:
        """Leave the older block out, but for its last byte."""
        cut = self._base + BLOCK - 1
        first = self._at(cut)
        kept = [(index - cut, offset) for index, offset in self._offsets if index > cut]
        self._offsets = [(0, first), *kept]
        self._text = self._text[cut:]
        self._least -= cut
        self._base = 1


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _NOT_UTF8.sub(_SUBSTITUTE, text).encode()


def _character(text: bytes, index: int) -> int:
    """Where a character begins, at `index` or behind it."""
    while index < len(text) and 0x80 <= text[index] < 0xC0:
        index += 1
    return index
