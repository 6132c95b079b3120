"""A console's journal as an asciicast: its output and sizes with times, to be played back."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterable, Iterator

from jupyter_bridge.aio.turns import Pauses
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.log import Log
from jupyter_bridge.wire import ansi
from jupyter_bridge.wire.terminal import asciicast

# How much is sent at once, characters, and read at once, bytes: with nothing but sequences in it,
# that takes 5 ms.
PART_BYTES = 64 * 1024
PIECE_BYTES = 16 * 1024
PIECES_IN_A_TURN = 100
# The times of so much output are in memory together, bytes: those of a segment of a journal.
TIMES_BYTES = 8 << 20
# The size of a console that has none, in rows and columns.
_SIZE = (24, 80)


async def recording(
    console: Console, start: int, end: int | None, version: int = 2
) -> AsyncGenerator[str, None]:
    """Yield a recording, many lines at a time; terminal queries are removed, as in all history.

    The loop has its turns, whatever the console said.
    A part begins with the size and the modes that the terminal had there.
    """
    log = console.log
    is_whole = end is None or end >= console.end_offset
    end = console.end_offset if end is None else min(end, console.end_offset)
    at = log.held(start)
    times = _Times(log, end, console.started.timestamp())
    await times.load(at)
    sizes = _Sizes(log.sizes(at, end))
    rows, cols = sizes.at(at)
    cast = asciicast.VERSIONS[version](times.at(at))
    yield cast.header(cols, rows, console.title or console.name) + "\n"
    cutter, pauses = ansi.without_queries(), Pauses()
    part = _Part()
    if at:
        part.add(cast.output(times.at(at), await console.modes(at)))
    while at < end:
        await times.load(at)
        for _, when, rows, cols in sizes.until(at):
            part.add((cast.resize(when, rows, cols),))
            await pauses()
        until = min(times.next(at, end), sizes.next(end), at + PIECE_BYTES)
        data = await console.fetch(at, until - at)
        if data:
            for number, piece in enumerate(cutter.feed(at, data)):
                part.add(cast.output(times.at(at), piece.data))
                if number % PIECES_IN_A_TURN == 0:
                    await pauses()
            at += len(data)
        else:
            held = log.held(at)
            if held == at:
                break
            at = held
        if part.size >= PART_BYTES:
            yield part.take()
        await pauses()
    for piece in cutter.flush():
        part.add(cast.output(times.at(end), piece.data))
    part.add(cast.output(times.at(end), b"", final=True))
    if is_whole and console.exit is not None and console.exit.code is not None:
        part.add(cast.exit(console.last_activity.timestamp(), console.exit.code))
    yield part.take()


class _Part:
    """Lines that are yielded together; `size` in characters."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.size = 0

    def add(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._lines.append(f"{line}\n")
            self.size += len(line) + 1

    def take(self) -> str:
        text = "".join(self._lines)
        self._lines, self.size = [], 0
        return text


class _Sizes:
    """The sizes of the screen, each (offset, time, rows, columns)."""

    def __init__(self, sizes: list[tuple[int, float, int, int]]) -> None:
        self._sizes = sizes
        self._place = 0

    def at(self, offset: int) -> tuple[int, int]:
        """Return the size at the first offset, or the first size; those before count as told."""
        rows, cols = self._sizes[0][2:] if self._sizes else _SIZE
        for size in self.until(offset):
            rows, cols = size[2:]
        return rows, cols

    def until(self, offset: int) -> Iterator[tuple[int, float, int, int]]:
        """Yield the sizes up to this offset that were not yielded before."""
        while self._place < len(self._sizes) and self._sizes[self._place][0] <= offset:
            self._place += 1
            yield self._sizes[self._place - 1]

    def next(self, end: int) -> int:
        """Return the offset of the next size, or the end."""
        return self._sizes[self._place][0] if self._place < len(self._sizes) else end


class _Times:
    """When the byte at an offset came; the mark at or before it has its time.

    `load(offset)` before its time is asked for: a console may have a million marks.
    """

    def __init__(self, log: Log, end: int, started: float) -> None:
        self._log = log
        self._end = end
        self._loaded = -1
        self._offsets: list[int] = []
        self._times = [started]

    async def load(self, offset: int) -> None:
        """Have the times from this offset on, up to `next(offset, end)` at least."""
        if offset >= self._loaded:
            self._loaded = min(offset + TIMES_BYTES, max(self._end, offset + 1))
            loaded = await asyncio.to_thread(self._read, offset, self._loaded)
            self._offsets, self._times = loaded

    def _read(self, start: int, end: int) -> tuple[list[int], list[float]]:
        marks = self._log.times(start, end)
        if not marks or marks[0][0] > start:
            before = self._log.time_of(start)
            marks.insert(0, (start, self._times[-1] if before is None else before))
        return [offset for offset, _ in marks], [when for _, when in marks]

    def at(self, offset: int) -> float:
        return self._times[max(0, bisect_right(self._offsets, offset) - 1)]

    def next(self, offset: int, end: int) -> int:
        """Return the first offset after this one that may have come at another time, or the end."""
        place = bisect_right(self._offsets, offset)
        following = self._offsets[place] if place < len(self._offsets) else self._loaded
        return min(following, end)
