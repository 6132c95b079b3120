"""Kernel messages as bytes: ZMQ frames and websocket frames, with the content unchanged.

A Jupyter message travels as *parts*: header, parent_header, metadata, content (each JSON in
UTF-8), then any binary buffers. Only headers are parsed here; all else is passed on unchanged.

**ZMQ** (jupyter-client.readthedocs.io, "Messaging in Jupyter"): any routing frames, the delimiter
`<IDS|MSG>`, a hex HMAC over the four JSON parts, then the parts.

**Websocket, `v1.kernel.websocket.jupyter.org`** (jupyter-server.readthedocs.io, "WebSocket kernel
wire protocols"): one binary frame of little-endian u64s, then bytes:

    n | offset_0 … offset_{n-1} | channel | part_0 | … | part_{n-3}

`offset_0` is where the channel name starts, `offset_1` where it ends and part_0 starts, and the
last offset is the end of the frame.

**Websocket, default** (no subprotocol): without buffers one text frame holding a JSON object with
`header, parent_header, metadata, content, channel`; with buffers one binary frame of big-endian
u32s, then bytes:  `n | offset_0 … offset_{n-1} | that JSON | buffer_1 | …`.

A frame that breaks these rules raises `FrameError`, whose text says what was wrong.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import struct
import uuid
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

import msgspec

from jupyter_bridge.wire import large_json
from jupyter_bridge.wire.json_errors import JSON_ERRORS
from jupyter_bridge.wire.large_json import LARGE

V1 = "v1.kernel.websocket.jupyter.org"
PROTOCOL_VERSION = "5.4"
DELIMITER = b"<IDS|MSG>"
# Every message has the four JSON parts; buffers may follow.
JSON_PARTS = 4

# Real messages have at most some hundred buffers; a frame of 64 MiB could name eight million.
MAX_PARTS = 1 << 14
# A header has half a kilobyte. Bytes.
MAX_HEADER = 64 << 10
# Content with NaN, or that is not UTF-8, takes Python's own decoder, 20 ms a megabyte. Bytes.
MAX_MENDED = 1 << 20


class FrameError(ValueError):
    """The bytes are not a message of this protocol."""


class Header(msgspec.Struct, gc=False):
    """The fields of a header that the bridge reads.

    Strings only, so that the garbage collector does not track it: a ring holds 100,000 of these.
    """

    msg_id: str = ""
    msg_type: str = ""
    session: str = ""


_decode_header = msgspec.json.Decoder(Header).decode


def parse_header(part: bytes) -> Header:
    """Decode a header; an empty object (no parent) has empty fields."""
    if len(part) > MAX_HEADER:
        raise FrameError(f"a header has {MAX_HEADER} bytes at most")
    try:
        return _decode_header(part)
    except JSON_ERRORS as error:
        raise FrameError(f"the header is not a Jupyter message header: {error}") from error


def read_content(part: bytes) -> dict[str, Any] | None:
    """Decode a message's content, with a LargeJson for each large value; None if that fails.

    NaN and numbers beyond a float become null, and bytes that are not UTF-8 become U+FFFD. For
    more than LARGE bytes call it in a thread.
    """
    try:
        content = large_json.parse(part)
    except JSON_ERRORS:
        try:
            content = msgspec.json.decode(_repaired(part))
        except (FrameError, *JSON_ERRORS):
            return None
    return content if isinstance(content, dict) else None


def parse_content(parts: Sequence[bytes]) -> dict[str, Any]:
    """Decode a message's content; an empty object if it cannot be read or is large."""
    return (read_content(parts[3]) if len(parts[3]) <= LARGE else None) or {}


def _repaired(part: bytes) -> bytes:
    """Return a kernel's almost-JSON as strict JSON; FrameError if that is not possible."""
    if len(part) > MAX_MENDED:
        raise FrameError("a part of the message is not JSON")
    try:
        value = json.loads(
            str(part, "utf-8", "replace"),
            parse_constant=lambda name: None,
            parse_float=_finite,
            parse_int=lambda digits: None if _finite(digits) is None else int(digits),
        )
        text = json.dumps(value, ensure_ascii=False).encode("utf-16", "surrogatepass")
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a part of the message is not JSON: {error}") from error
    return text.decode("utf-16", "replace").encode()


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def as_json(part: bytes) -> bytes:
    """Return `part` if it is JSON, or repaired if it is small; FrameError if neither."""
    return part if large_json.is_json(part) else _repaired(part)


def build_message(
    msg_type: str, content: Any, session: str, parent: bytes = b"{}", msg_id: str | None = None
) -> list[bytes]:
    """Return the parts of a new message with this JSON content and a new header."""
    header = {
        "msg_id": msg_id or uuid.uuid4().hex,
        "msg_type": msg_type,
        "session": session,
        "username": "bridge",
        "date": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z"),
        "version": PROTOCOL_VERSION,
    }
    return [msgspec.json.encode(header), parent, b"{}", msgspec.json.encode(content)]


# -- ZMQ ---------------------------------------------------------------------------------------


class Signer:
    """Signs and verifies messages with a kernel's key; does neither if the key is empty."""

    def __init__(self, key: bytes, scheme: str = "hmac-sha256") -> None:
        prefix, _, digest = scheme.partition("-")
        if prefix != "hmac" or digest not in hashlib.algorithms_available:
            raise ValueError(f"unknown signature scheme {scheme!r}")
        self._hmac = hmac.new(key, digestmod=digest) if key else None

    def sign(self, parts: Sequence[bytes]) -> bytes:
        """Return the hex digest of the four JSON parts; buffers are not signed."""
        if self._hmac is None:
            return b""
        digest = self._hmac.copy()
        for part in parts[:JSON_PARTS]:
            digest.update(part)
        return digest.hexdigest().encode()

    def to_zmq(self, parts: Sequence[bytes]) -> list[bytes]:
        """Return the frames to send on a DEALER socket."""
        return [DELIMITER, self.sign(parts), *parts]

    def from_zmq(self, frames: list[bytes]) -> list[bytes]:
        """Return the parts in `frames`; FrameError if one is missing or the signature is wrong."""
        try:
            start = frames.index(DELIMITER) + 2
        except ValueError:
            raise FrameError("no <IDS|MSG> delimiter") from None
        parts = frames[start:]
        if len(parts) < JSON_PARTS:
            raise FrameError(f"{len(parts)} parts, at least {JSON_PARTS} belong to a message")
        if self._hmac is not None and not hmac.compare_digest(frames[start - 1], self.sign(parts)):
            raise FrameError("the signature is not the kernel's")
        return parts


# -- websocket, v1 -----------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _u64s(count: int) -> struct.Struct:
    return struct.Struct(f"<{count}Q")


def build_v1(channel: str, parts: Sequence[bytes]) -> bytes:
    """One v1 frame."""
    return b"".join((v1_head(channel, parts), *parts))


def v1_head(channel: str, parts: Sequence[bytes]) -> bytes:
    """A v1 frame up to its parts."""
    name = channel.encode()
    count = len(parts) + 2
    end = 8 * (count + 1)
    offsets = [end]
    end += len(name)
    offsets.append(end)
    for part in parts:
        end += len(part)
        offsets.append(end)
    return _u64s(count + 1).pack(count, *offsets) + name


def parse_v1(frame: bytes) -> tuple[str, list[bytes]]:
    """Return the channel and the parts of one v1 frame; the parts of a large frame are views."""
    if len(frame) < 8:
        raise FrameError("a v1 frame has at least 8 bytes")
    (count,) = _u64s(1).unpack_from(frame)
    if not JSON_PARTS + 2 <= count <= MAX_PARTS or 8 * (count + 1) > len(frame):
        raise FrameError(f"a v1 frame of {len(frame)} bytes cannot hold {count} offsets")
    offsets = _u64s(count).unpack_from(frame, 8)
    start = 8 * (count + 1)
    for offset in offsets:
        if not start <= offset <= len(frame):
            raise FrameError("the offsets of a v1 frame must rise and stay inside it")
        start = offset
    try:
        channel = frame[offsets[0] : offsets[1]].decode()
    except UnicodeDecodeError as error:
        raise FrameError("the channel name is not UTF-8") from error
    source = frame if len(frame) <= LARGE else memoryview(frame)
    return channel, [source[offsets[i] : offsets[i + 1]] for i in range(1, count - 1)]


# -- websocket, default ------------------------------------------------------------------------


class _DefaultFrame(msgspec.Struct):
    """One default frame, its parts as the client wrote them."""

    header: msgspec.Raw
    parent_header: msgspec.Raw = msgspec.Raw(b"{}")
    metadata: msgspec.Raw = msgspec.Raw(b"{}")
    content: msgspec.Raw = msgspec.Raw(b"{}")
    channel: str | None = None


_decode_default = msgspec.json.Decoder(_DefaultFrame).decode


def build_default(channel: str, parts: Sequence[bytes]) -> str | bytes:
    """Encode one default frame: text, or bytes if there are buffers; FrameError if not JSON.

    The object also repeats `msg_id` and `msg_type`, as Jupyter Server does.
    """
    frame = b"".join(default_pieces(channel, parts))
    return frame if len(parts) > JSON_PARTS else frame.decode("utf-8", "replace")


def default_pieces(channel: str, parts: Sequence[bytes]) -> list[bytes]:
    """Encode one default frame in pieces, without copying the message's parts."""
    header = parse_header(parts[0])
    parent, metadata, content = map(as_json, parts[1:JSON_PARTS])
    body = [
        b'{"header":',
        parts[0],
        b',"msg_id":',
        msgspec.json.encode(header.msg_id),
        b',"msg_type":',
        msgspec.json.encode(header.msg_type),
        b',"parent_header":',
        parent,
        b',"metadata":',
        metadata,
        b',"content":',
        content,
        b',"buffers":[],"channel":"',
        channel.encode(),
        b'"}',
    ]
    buffers = parts[JSON_PARTS:]
    if not buffers:
        return body
    offset = 4 * (len(buffers) + 2)
    offsets = [offset]
    for size in (sum(map(len, body)), *map(len, buffers[:-1])):
        offset += size
        offsets.append(offset)
    return [struct.pack(f">{len(offsets) + 1}I", len(offsets), *offsets), *body, *buffers]


def parse_default(frame: str | bytes) -> tuple[str | None, list[bytes]]:
    """Return the channel (None if the client named none) and the parts of one default frame."""
    body, buffers = (frame, []) if isinstance(frame, str) else _split_default(frame)
    try:
        message = _decode_default(body)
    except JSON_ERRORS as error:
        raise FrameError(f"not a Jupyter message in JSON: {error}") from error
    raw = (message.header, message.parent_header, message.metadata, message.content)
    return message.channel, [*map(_part, raw), *buffers]


def _part(raw: msgspec.Raw) -> bytes:
    # JupyterLab writes `null` for a parent that is not there; kernels expect an object.
    view = memoryview(raw)
    if len(view) > LARGE:
        return view
    return b"{}" if view == b"null" else bytes(view)


def _split_default(frame: bytes) -> tuple[bytes, list[bytes]]:
    if len(frame) < 4:
        raise FrameError("a binary frame has at least 4 bytes")
    (count,) = struct.unpack_from(">I", frame)
    start = 4 * (count + 1)
    if not 1 <= count <= MAX_PARTS or start > len(frame):
        raise FrameError(f"a binary frame of {len(frame)} bytes cannot hold {count} offsets")
    offsets = [*struct.unpack_from(f">{count}I", frame, 4), len(frame)]
    for offset in offsets:
        if not start <= offset <= len(frame):
            raise FrameError("the offsets of a binary frame must rise and stay inside it")
        start = offset
    source = frame if len(frame) <= LARGE else memoryview(frame)
    blocks = [source[offsets[i] : offsets[i + 1]] for i in range(count)]
    return blocks[0], blocks[1:]
