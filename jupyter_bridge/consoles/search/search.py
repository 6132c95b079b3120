"""Search: the hits of one search, console by console."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing, contextmanager

import msgspec

from jupyter_bridge.consoles.console import Console, Viewer
from jupyter_bridge.consoles.search.cursor import Cursor, Found
from jupyter_bridge.consoles.search.lane import in_turn
from jupyter_bridge.consoles.search.query import SearchRequest
from jupyter_bridge.models.consoles import HitModel, SearchModel
from jupyter_bridge.problems import Unsupported

# How many hits come in one step.
AT_ONCE = 100
# How much of the answer is sent at once, bytes.
ANSWER_BYTES = 64 * 1024


class Search:
    """A search in `consoles`. Iterate `hits()` or `pieces()` once; `truncated` and `unread` are
    known then."""

    def __init__(
        self,
        request: SearchRequest,
        consoles: Iterable[Console],
        *,
        user: str,
        skips_timeless: bool = False,
    ) -> None:
        """`user` views a file that is searched, so that it stays open. If `skips_timeless`, a
        search `since` a time leaves out the consoles without times."""
        self.truncated = False
        self.unread: list[str] = []
        self._request = request
        self._consoles = consoles
        self._user = user
        self._skips_timeless = skips_timeless

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the JSON of a SearchModel, as the hits are found: many have tens of megabytes."""
        piece, separator = bytearray(b'{"hits":['), b""
        async with aclosing(self.hits()) as hits:
            async for hit in hits:
                piece += separator + msgspec.json.encode(hit)
                separator = b","
                if len(piece) >= ANSWER_BYTES:
                    yield bytes(piece)
                    piece.clear()
        _, end, rest = msgspec.json.encode(SearchModel([], self.truncated, self.unread)).partition(
            b"]"
        )
        yield bytes(piece) + end + rest

    async def hits(self) -> AsyncGenerator[HitModel, None]:
        """Yield the hits, up to the limit. Raises Unsupported for times of a file."""
        left = self._request.limit
        for console in self._consoles:
            with _open(console, self._user):
                async with aclosing(self._in_console(console)) as steps:
                    async for hit in steps:
                        if not left:
                            self.truncated = True
                            return
                        left -= 1
                        yield hit

    async def _in_console(self, console: Console) -> AsyncGenerator[HitModel, None]:
        name, epoch, log = console.name, console.epoch, console.log
        cursor = Cursor(log, self._request.pattern, self._request.since)
        while not cursor.done:
            try:
                found = await in_turn(log, cursor.step, AT_ONCE)
            except (OSError, asyncio.TimeoutError):
                self.unread.append(name)
                return
            except Unsupported:
                if self._skips_timeless:
                    return
                raise
            for one in found:
                yield _model(name, epoch, one)


def _model(name: str, epoch: str, found: Found) -> HitModel:
    hit, seconds = found
    when = None
    if seconds is not None:
        when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return HitModel(name, epoch, hit.offset, when, hit.line, hit.start, hit.end)


@contextmanager
def _open(console: Console, user: str) -> Iterator[None]:
    """Keep a console open that is closed a minute after its last viewer left."""
    if console.kind != "file":
        yield  # a journal can be read after its end
        return
    viewer = Viewer(user, "watch", lambda: None)
    console.enter(viewer)
    try:
        yield
    finally:
        console.leave(viewer)
