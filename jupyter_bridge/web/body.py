"""IncomingBody: the body of a request, read only after the user is known and allowed.

Tornado reads a whole body, up to the host's limit of 512 MB, before it calls a handler. Here the
handler is called first; a refused or too large body is never kept.
"""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_bridge.problems import TooLarge

# A refused body up to this size is read and dropped, so that its sender gets the answer; above it
# the connection is closed. Bytes, and seconds.
DROPPED_BYTES = 32 << 20
DROP_TIME = 10.0


class IncomingBody:
    """The body of one request as it arrives, at most `limit` bytes."""

    def __init__(self) -> None:
        self.limit = 0
        self._chunks: list[bytes] = []
        self._size = 0
        self._is_dropped = False

    def expect(self, limit: int, headers: Any) -> None:
        """Set the limit; TooLarge if the Content-Length is larger."""
        self.limit = limit
        if _length(headers) > limit:
            raise self._too_large()

    def receive(self, chunk: bytes, connection: Any) -> None:
        """Keep or drop one piece; close the connection if too much was dropped."""
        self._size += len(chunk)
        if self._size > self.limit or self._is_dropped:
            self._is_dropped = True
            self._chunks.clear()
            if self._size > max(self.limit, DROPPED_BYTES):
                connection.close()
        else:
            self._chunks.append(chunk)

    async def drop(self, handler: Any) -> None:
        """Read and drop the rest of a refused body, unless it is too large."""
        self._is_dropped = True
        self._chunks.clear()
        begins, ends = handler._prepared_future, handler.request._body_future
        if _length(handler.request.headers) > DROPPED_BYTES or begins is None or begins.done():
            return
        begins.set_result(None)  # Tornado waits for this before it reads the body
        await asyncio.wait({ends}, timeout=DROP_TIME)

    def take(self) -> bytes:
        """Return the whole body, once; TooLarge if it exceeded the limit."""
        if self._is_dropped:
            raise self._too_large()
        body, self._chunks = b"".join(self._chunks), []
        return body

    def _too_large(self) -> TooLarge:
        return TooLarge(f"A body may have {self.limit} bytes at most.", limit=self.limit)


def _length(headers: Any) -> int:
    """Return the Content-Length; 0 if it is missing or not a number."""
    given = headers.get("Content-Length", "")
    return int(given[:20]) if given.isascii() and given.isdigit() else 0
