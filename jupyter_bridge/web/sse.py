"""StreamEvent: one step of a streamed answer, as a server-sent event or an NDJSON line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from jupyter_bridge.wire import large_json

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
# Proxies close a silent answer after 30 to 60 s; this is half of the shorter time. Seconds.
KEEP_ALIVE = 15.0


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
