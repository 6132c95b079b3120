"""StreamEvent: one step of a streamed answer, as a server-sent event or an NDJSON line."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from tornado.httputil import HTTPServerRequest

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
# Proxies close a silent answer after 30 to 60 s; this is half of the shorter time. Seconds.
KEEP_ALIVE = 15.0


class StreamEvent(NamedTuple):
    """One event of a streamed answer; `id` rises by one, and a stream can resume after it."""

    id: int
    event: str
    data: Any

    def encode(self, kind: str) -> bytes:
        """Encode the event as SSE or as a line of NDJSON; JSON has no newlines."""
        if kind == SSE:
            data = msgspec.json.encode(self.data)
            return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.id, self.event.encode(), data)
        line = {"event": self.event, "id": self.id, "data": self.data}
        return msgspec.json.encode(line) + b"\n"


def silence(kind: str) -> bytes:
    """Return bytes that keep a silent stream open; readers skip them."""
    return b": still here\n\n" if kind == SSE else b"\n"


def is_closed(request: HTTPServerRequest) -> bool:
    """Tell whether the client has closed the connection.

    Tornado calls `on_connection_close` only if that happens after the request was read: ask once
    before waiting.
    """
    stream = getattr(request.connection, "stream", None)
    return stream is not None and bool(stream.closed())
