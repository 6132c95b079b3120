"""View: a cursor on a Console, which reads at the pace of its own reader.

Output from before the view began is history: terminal queries are removed (see `wire/ansi`).
Later output is live and unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.aio.turns import Pauses
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.tail.echo import EchoFilter
from jupyter_bridge.consoles.tail.pattern import Pattern
from jupyter_bridge.consoles.tail.until import Until
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import Timeout
from jupyter_bridge.wire import ansi
from jupyter_bridge.wire.console import Ended, GapFrame, Matched, OutputFrame

# The most bytes of a frame: large enough to be cheap, small enough for a hundred stalled viewers.
FRAME_BYTES = 32 * 1024
# How far a resumed view looks back for an escape sequence that its first byte may be part of.
LOOKBACK_BYTES = 256
# How much of a history is read at once if its text alone is shown: fewer turns of the disk's
# thread, and fewer writes.
HISTORY_BYTES = 256 * 1024
# How much is searched for escape sequences at once; of simple ones, how much.
SLICE_BYTES = 4096
SKIM_BYTES = 32 * 1024

Step = OutputFrame | GapFrame | Ended | Matched


class View:
    """Iterate `steps()` once; `offset` is always where to resume."""

    def __init__(
        self,
        console: Console,
        start: int,
        *,
        follow: bool,
        strip: bool = False,
        until: Pattern | None = None,
        timeout: float | None = None,
        resumed: bool = False,
        to: int | None = None,
        raw: bool = False,
        joined: bool = False,
        skip_echo: bool = False,
    ) -> None:
        """The view ends at `to` at the latest; `raw` leaves history unchanged. If `joined`, a frame
        goes on after what `strip` removed from it, so its length does not tell where it ends.
        `skip_echo` leaves out the echo of what `send` typed.
        """
        self.console = console
        self.offset = self._start = start
        self.gaps = 0
        self._follow = follow
        self._to = to
        self._present = self._within(console.end_offset)
        # Where all sequences are removed, queries are, too.
        self._history: ansi.Cutter | None = None if raw or strip else ansi.without_queries()
        self._chunk = HISTORY_BYTES if joined else FRAME_BYTES
        self._stripper = ansi.without_escapes(joined=joined) if strip else None
        self._echo = EchoFilter(console.sent, start) if skip_echo else None
        self._pauses = Pauses()
        self._until = Until(until) if until is not None else None
        self._timeout = timeout
        self._resumed = resumed

    @property
    def first_held(self) -> int:
        """The offset of the first byte of the view, as far as is known now."""
        return min(self._present, self.console.log.held(self.offset))

    async def steps(self) -> AsyncIterator[Step]:
        """Yield output and gaps in order, then Ended or Matched.

        Raises Timeout if `until` did not match in time. Without `follow` the view ends where the
        console ended when the view began; in any case at `to`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout if self._timeout is not None else None
        await self._look_back()
        while True:
            end = self._within(self.console.end_offset) if self._follow else self._present
            if self.offset < end:
                for step in await self._next(end):
                    yield step
                    await self._pauses()  # there may be a step for each byte
                    if isinstance(step, Matched):
                        return
                continue
            is_over = self.console.state == "ended" and self.offset >= self.console.end_offset
            is_last = is_over or not self._follow or self.offset == self._to
            for step in await self._rest(is_last=is_last):
                yield step
                if isinstance(step, Matched):
                    return
            paused = await self._pause()
            if paused is not None:
                yield paused
                return
            if is_over:
                yield ended(self.console)
            if is_last:
                return
            try:
                # Not `change()`: it would miss a change before the wait has begun.
                left = None if deadline is None else max(0.0, deadline - loop.time())
                await within(left, self.console.wait(self.offset))
            except asyncio.TimeoutError:
                if self._until is None:
                    return
                raise Timeout(
                    f"Nothing matched within {self._timeout:g} s.", offset=self.offset
                ) from None

    def _within(self, end: int) -> int:
        return end if self._to is None else min(end, self._to)

    async def _next(self, end: int) -> list[Step]:
        console = self.console
        most = self._chunk if self.offset < self._present else FRAME_BYTES
        if self._history is not None:
            most = min(most, self._present - self.offset) or most
        data = await console.fetch(self.offset, min(most, end - self.offset))
        if not data:
            return await self._jump(end)
        start, self.offset = self.offset, self.offset + len(data)
        if self._is_plain:
            return [OutputFrame(start, data)]
        if self._history is None:
            return await self._pass([ansi.Piece(start, data)])
        pieces = await self._cut(self._history, start, data)
        if self.offset >= self._present:
            pieces += self._history.flush()
            self._history = None
        return await self._pass([_behind(self._start, piece) for piece in pieces])

    async def _jump(self, end: int) -> list[Step]:
        """Skip a gap."""
        held = min(end, self.console.log.held(self.offset))
        if held == self.offset:
            await asyncio.sleep(0.01)  # a file that is being replaced just now
            return []
        steps = await self._rest(is_last=True)
        steps.append(GapFrame(self.offset, held))
        self.offset = held
        self.gaps += 1
        if held >= self._present:
            self._history = None  # the rest of the history was deleted
        return steps

    async def _look_back(self) -> None:
        """Feed the bytes before the start, so that the rest of a cut sequence is removed, too."""
        cutter = self._history or self._stripper
        if self._resumed and cutter is not None and self.offset < self._present:
            start = max(self.console.first_offset, self.offset - LOOKBACK_BYTES)
            before = await self.console.fetch(start, self.offset - start)
            if start + len(before) == self.offset:
                cutter.feed(start, before)

    @property
    def _is_plain(self) -> bool:
        """Whether bytes are passed on unchanged, as for most viewers once they follow."""
        return (
            self._history is None
            and self._stripper is None
            and self._until is None
            and self._echo is None
        )

    async def _rest(self, *, is_last: bool = False) -> list[Step]:
        """Return the bytes held back as the possible beginning of an escape sequence, or of an
        echo unless that may go on."""
        if self._is_plain:
            return []
        pieces = self._history.flush() if self._history is not None else []
        steps = await self._pass([_behind(self._start, piece) for piece in pieces])
        if self._echo is not None:
            steps += await self._show(self._echo.flush() if is_last else self._echo.pause())
        if self._stripper is not None:
            steps += self._frames(self._stripper.flush())
        return steps

    async def _pass(self, pieces: list[ansi.Piece]) -> list[Step]:
        return await self._show(pieces if self._echo is None else self._echo.feed(pieces))

    async def _show(self, pieces: list[ansi.Piece]) -> list[Step]:
        steps: list[Step] = []
        for offset, data in pieces:
            found = await self._until.feed(offset, data) if data and self._until else None
            if found is not None:
                found = _not_before(offset, found)
                data = data[: found.to - offset]
            steps += await self._shown(offset, data)
            if found is not None:
                steps.append(found)
                self.offset = found.to
                return steps
        return steps

    async def _shown(self, offset: int, data: bytes) -> list[OutputFrame]:
        if self._stripper is not None:
            return self._frames(await self._cut(self._stripper, offset, data))
        return [OutputFrame(offset, data)] if data else []

    def _frames(self, pieces: list[ansi.Piece]) -> list[OutputFrame]:
        pieces = [_behind(self._start, piece) for piece in pieces]
        return [OutputFrame(*piece) for piece in pieces if piece.data]

    async def _cut(self, cutter: ansi.Cutter, offset: int, data: bytes) -> list[ansi.Piece]:
        """Feed the cutter some bytes at a time: nothing but sequences take it 10 ms for 4 KiB."""
        pieces: list[ansi.Piece] = []
        for first in range(0, len(data), SKIM_BYTES):
            await self._pauses()
            last = min(len(data), first + SKIM_BYTES)
            skimmed, size = cutter.skim(offset + first, data[first:last])
            pieces += skimmed
            for start in range(first + size, last, SLICE_BYTES):
                await self._pauses()
                pieces += cutter.feed(offset + start, data[start : min(last, start + SLICE_BYTES)])
        return _merged(pieces, gaps=cutter.joined)

    async def _pause(self) -> Matched | None:
        """Return a match that needs the present end, once all output was yielded."""
        found = await self._until.pause() if self._until is not None else None
        return _not_before(self.offset, found) if found is not None else None


def _merged(pieces: list[ansi.Piece], *, gaps: bool) -> list[ansi.Piece]:
    """Join pieces that follow one another; all of them if there may be `gaps` in the result."""
    groups: list[list[ansi.Piece]] = []
    end = -1
    for piece in pieces:
        if groups and (gaps or piece.offset == end):
            groups[-1].append(piece)
        else:
            groups.append([piece])
        end = piece.offset + len(piece.data)
    return [ansi.Piece(group[0].offset, b"".join(p.data for p in group)) for group in groups]


def _not_before(offset: int, found: Matched) -> Matched:
    """Move the match's end to `offset` at least: a reader that resumes there repeats no output."""
    return Matched(found.offset, max(found.to, offset))


def _behind(start: int, piece: ansi.Piece) -> ansi.Piece:
    """Return the part of a piece from `start`: a resuming reader has the bytes before it."""
    before = max(0, start - piece.offset)
    return ansi.Piece(piece.offset + before, piece.data[before:])


def ended(console: Console) -> Ended:
    """Return the last frame of a console that has ended."""
    how = console.exit
    return Ended(
        console.end_offset,
        {"code": how.code if how else None, "signal": how.signal if how else None},
    )


async def counted(view: View) -> AsyncGenerator[Step, None]:
    """Yield the view's steps, counted for the metrics."""
    console = view.console
    async for step in view.steps():
        if isinstance(step, OutputFrame):
            metrics.CONSOLE_SENT.inc(len(step.data))
            metrics.CONSOLE_LAG.observe(max(0, console.end_offset - view.offset))
        elif isinstance(step, GapFrame):
            metrics.CONSOLE_GAPS.inc()
        yield step
