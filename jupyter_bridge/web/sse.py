"""StreamEvent: one step of a streamed answer, as a server-sent event or an NDJSON line."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from tornado.httputil import HTTPServerRequest

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
# Proxies close a silent answer after 30 to 60 s; half of the shorter keeps it open.
KEEP_ALIVE = 15.0


class StreamEvent(NamedTuple):
    """One step of a streamed answer: `id` rises by one and lets a stream resume after it."""

    id: int
    event: str
    data: Any

    def encode(self, kind: str) -> bytes:
        """The event as SSE or as a line of NDJSON; JSON has no bare newline, one line is enough."""
        if kind == SSE:
            data = msgspec.json.encode(self.data)
            return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.id, self.event.encode(), data)
        line = {"event": self.event, "id": self.id, "data": self.data}
        return msgspec.json.encode(line) + b"\n"


def silence(kind: str) -> bytes:
    """What keeps a stream open that has nothing to say; readers skip it."""
    return b": still here\n\n" if kind == SSE else b"\n"


def is_closed(request: HTTPServerRequest) -> bool:
    """Whether the client has closed the connection.

    Tornado calls `on_connection_close` only for a connection that closes after the request was
    read: ask once when the waiting begins.
    """
    stream = getattr(request.connection, "stream", None)
    return stream is not None and bool(stream.closed())
