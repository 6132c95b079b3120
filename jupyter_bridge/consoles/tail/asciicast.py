"""A console's journal as an asciicast: its output with times, to be played back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.wire import ansi
from jupyter_bridge.wire.terminal import asciicast

PART_BYTES = 64 * 1024
_SIZE = (24, 80)


async def recording(console: Console, start: int, end: int | None) -> AsyncIterator[str]:
    """Yield a recording, many lines at a time; terminal queries are removed, as in all history."""
    end = console.end_offset if end is None else min(end, console.end_offset)
    at = console.log.held(start)
    times = await asyncio.to_thread(console.log.times, 0, end)
    # The mark at or before the first byte has its time.
    while len(times) > 1 and times[1][0] <= at:
        del times[0]
    first = times[0][1] if times else console.started.timestamp()
    rows, cols = _SIZE
    if isinstance(console.source, TerminalSource) and console.state == "live":
        rows, cols = console.source.terminal.ptyproc.getwinsize()
    yield asciicast.header(cols, rows, first, console.title or console.name) + "\n"
    cast = asciicast.Recording(first)
    cutter = ansi.without_queries()
    index = 0
    lines: list[str] = []
    size = 0
    while at < end:
        while index + 1 < len(times) and times[index + 1][0] <= at:
            index += 1
        until = min(times[index + 1][0] if index + 1 < len(times) else end, end, at + PART_BYTES)
        when = times[index][1] if times else first
        data = await console.fetch(at, until - at)
        if data:
            for piece in cutter.feed(at, data):
                lines += cast.output(when, piece.data)
            at += len(data)
            size += len(data)
        else:
            held = console.log.held(at)
            if held == at:
                break
            at = held
        if size >= PART_BYTES:
            yield "".join(f"{line}\n" for line in lines)
            lines, size = [], 0
    for piece in cutter.flush():
        lines += cast.output(times[-1][1] if times else first, piece.data)
    lines += cast.output(times[-1][1] if times else first, b"", final=True)
    yield "".join(f"{line}\n" for line in lines)
