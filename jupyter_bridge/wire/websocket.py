"""Server-to-client websocket frames (RFC 6455, section 5.2): unmasked, unfragmented, uncompressed.

A batch of messages for many clients is framed once, and sent with one write to each client. A
websocket library would frame and write each message for each client.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

_TEXT = 0x81  # FIN and opcode 1
_BINARY = 0x82  # FIN and opcode 2


def build_frame(payload: str | bytes) -> bytes:
    """Return one frame: text for a str, binary for bytes."""
    if isinstance(payload, str):
        first, body = _TEXT, payload.encode()
    else:
        first, body = _BINARY, payload
    return _head(first, len(body)) + body


def frame_pieces(payload: Sequence[bytes], *, text: bool) -> list[bytes]:
    """Return one frame in pieces, to be written in order; nothing is copied."""
    return [_head(_TEXT if text else _BINARY, sum(map(len, payload))), *payload]


def _head(first: int, size: int) -> bytes:
    if size < 126:
        return struct.pack("!BB", first, size)
    if size < 1 << 16:
        return struct.pack("!BBH", first, 126, size)
    return struct.pack("!BBQ", first, 127, size)
