"""A console's journal as an asciicast: its output and sizes with times, to be played back."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.wire import ansi
from jupyter_bridge.wire.terminal import asciicast

PART_BYTES = 64 * 1024
# The size of a console that has none, in rows and columns.
_SIZE = (24, 80)


async def recording(
    console: Console, start: int, end: int | None, version: int = 2
) -> AsyncIterator[str]:
    """Yield a recording, many lines at a time; terminal queries are removed, as in all history.

    A part begins with the size and the modes that the terminal had there.
    """
    log = console.log
    is_whole = end is None or end >= console.end_offset
    end = console.end_offset if end is None else min(end, console.end_offset)
    at = log.held(start)
    times = _Times(await asyncio.to_thread(log.times, 0, end), console.started.timestamp())
    sizes = log.sizes(at, end)
    rows, cols = sizes[0][2:] if sizes else _SIZE
    while sizes and sizes[0][0] <= at:
        rows, cols = sizes.pop(0)[2:]
    cast = asciicast.VERSIONS[version](times.at(at))
    yield cast.header(cols, rows, console.title or console.name) + "\n"
    cutter = ansi.without_queries()
    lines = cast.output(times.at(at), await console.modes(at)) if at else []
    size = 0
    while at < end:
        while sizes and sizes[0][0] <= at:
            _, when, rows, cols = sizes.pop(0)
            lines.append(cast.resize(when, rows, cols))
        until = min(times.next(at, end), sizes[0][0] if sizes else end, at + PART_BYTES)
        data = await console.fetch(at, until - at)
        if data:
            for piece in cutter.feed(at, data):
                lines += cast.output(times.at(at), piece.data)
            at += len(data)
            size += len(data)
        else:
            held = log.held(at)
            if held == at:
                break
            at = held
        if size >= PART_BYTES:
            yield "".join(f"{line}\n" for line in lines)
            lines, size = [], 0
    for piece in cutter.flush():
        lines += cast.output(times.at(end), piece.data)
    lines += cast.output(times.at(end), b"", final=True)
    if is_whole and console.exit is not None and console.exit.code is not None:
        lines += cast.exit(console.last_activity.timestamp(), console.exit.code)
    yield "".join(f"{line}\n" for line in lines)


class _Times:
    """When the byte at an offset came; the mark at or before it has its time."""

    def __init__(self, marks: list[tuple[int, float]], started: float) -> None:
        self._offsets = [offset for offset, _ in marks]
        self._times = [when for _, when in marks] or [started]

    def at(self, offset: int) -> float:
        return self._times[max(0, bisect_right(self._offsets, offset) - 1)]

    def next(self, offset: int, end: int) -> int:
        """Return the first offset after this one that came at another time, or the end."""
        place = bisect_right(self._offsets, offset)
        return min(self._offsets[place], end) if place < len(self._offsets) else end
