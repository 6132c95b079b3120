"""Server-to-client websocket frames (RFC 6455, section 5.2): unmasked, unfragmented, uncompressed.

Written by hand for one reason: a batch of messages for many clients is framed once, and sent with
one write to each, where a websocket library would frame and write each message for each client.
"""

from __future__ import annotations

import struct

_TEXT = 0x81  # FIN and opcode 1
_BINARY = 0x82  # FIN and opcode 2


def build_frame(payload: str | bytes) -> bytes:
    """Return one frame: text for a str, binary for bytes."""
    if isinstance(payload, str):
        first, body = _TEXT, payload.encode()
    else:
        first, body = _BINARY, payload
    size = len(body)
    if size < 126:
        head = struct.pack("!BB", first, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, 126, size)
    else:
        head = struct.pack("!BBQ", first, 127, size)
    return head + body
