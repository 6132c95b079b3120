"""JobHandler: the answers of long jobs: in one piece, as a stream of events, or later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec

from jupyter_bridge.problems import BadRequest, Problem
from jupyter_bridge.web.handler import BridgeHandler
from jupyter_bridge.wire import bounded, large_json

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
# The largest event id.
MAX_EVENT = 1 << 53


class StreamEvent(NamedTuple):
    """One event of a streamed answer; `id` rises by one, and a stream can resume after it."""

    id: int
    event: str
    data: Any

    def encode(self, kind: str) -> Iterator[bytes]:
        """Encode the event as SSE or as a line of NDJSON, in pieces if it is large."""
        if kind == SSE:
            head, tail = b"id: %d\nevent: %s\ndata: " % (self.id, self.event.encode()), b"\n\n"
        else:
            event = msgspec.json.encode(self.event)
            head, tail = b'{"event":%s,"id":%d,"data":' % (event, self.id), b"}\n"
        pieces = large_json.encode(self.data)  # JSON has no newlines
        piece = head + next(pieces)
        for following in pieces:
            yield piece
            piece = following
        yield piece + tail


def silence(kind: str) -> bytes:
    """Return bytes that keep a silent stream open; readers skip them."""
    return b": still here\n\n" if kind == SSE else b"\n"


class LongAnswer(Protocol):
    """A long job that can be read while it runs: an execution, a run."""

    answered: asyncio.Event

    def model(self) -> Any:
        """Return the current state."""

    def events(self, after: int = 0) -> AsyncGenerator[tuple[int, str, Any], None]:
        """Return the events after the event `after`, as (id, name, data)."""


class WaitQuery(msgspec.Struct):
    """`wait` is the longest wait for the end before the answer, in seconds."""

    wait: Annotated[float, msgspec.Meta(ge=0)] = 0


class Prefer(NamedTuple):
    """The Prefer header (RFC 7240): answer 202 at once, or after `wait` seconds."""

    respond_async: bool = False
    wait: float | None = None


class JobHandler(BridgeHandler):
    """A route that starts a long job, or reads it again."""

    def prefer(self) -> Prefer:
        """Parse the Prefer header; unknown and invalid preferences are ignored, as in the RFC."""
        wait = None
        words = [w.strip() for w in self.request.headers.get("Prefer", "").lower().split(",")]
        for word in words:
            name, _, value = word.partition("=")
            if name == "wait":
                try:
                    wait = max(0.0, float(value.strip('"')))
                except ValueError:
                    continue
        return Prefer("respond-async" in words, wait)

    def streaming(self) -> str | None:
        """Return the stream type that the client accepts; None for one JSON answer."""
        accept = self.request.headers.get("Accept", "")
        for kind in (SSE, NDJSON):
            if kind in accept:
                return kind
        return None

    async def answer_begun(self, what: LongAnswer, path: str) -> None:
        """Answer the request that started a job; `path` is the route to read it again."""
        self.set_header("Location", self.link(path))
        kind = self.streaming()
        prefer = self.prefer()
        if kind is not None:
            await self.stream(_events(what), kind)
        elif prefer.respond_async or prefer.wait is not None:
            # Without `wait` always 202, however soon the job is done.
            answered = prefer.wait is not None and await self._wait(what, prefer.wait)
            await self.answer_large(what.model(), 200 if answered else 202)
        else:
            await self.while_here(what.answered.wait())
            await self.answer_large(what.model())

    async def answer_again(self, what: LongAnswer, path: str, query: WaitQuery) -> None:
        """Answer a request to read a job, as a stream from `Last-Event-ID` on if requested."""
        self.set_header("Location", self.link(path))
        kind = self.streaming()
        if kind is not None:
            await self.stream(_events(what, self._last_event_id()), kind)
        else:
            await self._wait(what, max(query.wait, self.prefer().wait or 0))
            await self.answer_large(what.model())

    async def stream(self, events: AsyncGenerator[StreamEvent, None], kind: str) -> None:
        """Send events as they come, until they end or the client leaves."""
        self.set_header("Content-Type", kind)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")  # nginx would hold the events back
        await self.flush()
        try:
            async with aclosing(self.each_while_here(events)) as steps:
                async for event in steps:
                    for piece in [silence(kind)] if event is None else event.encode(kind):
                        await self.send_piece(piece)
        except Problem as problem:
            for piece in StreamEvent(0, "problem", problem.to_json()).encode(kind):
                self.write(piece)
        await self.finish()

    async def _wait(self, what: LongAnswer, seconds: float) -> bool:
        """Wait up to `seconds`, and tell whether the job was answered."""
        if seconds > 0 and not what.answered.is_set():
            await self.while_here(what.answered.wait(), seconds)
        return what.answered.is_set()

    def _last_event_id(self) -> int:
        given = self.request.headers.get("Last-Event-ID", "0")
        event = bounded.number(given, MAX_EVENT)
        if event is None:
            raise BadRequest("Last-Event-ID: Must be a number.", field="Last-Event-ID")
        return event


async def _events(what: LongAnswer, after: int = 0) -> AsyncGenerator[StreamEvent, None]:
    async with aclosing(what.events(after)) as steps:
        async for step in steps:
            yield StreamEvent(*step)
