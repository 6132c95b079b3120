"""Console frames: the websocket subprotocol `v1.console.bridge`.

Server to client, binary: one type byte, an offset as u64 big-endian, the payload.

    s  start    JSON {name, kind, state, epoch}; always the first frame
    o  output   the console's bytes from this offset; resume at offset + length
    g  gap      u64: the end of a gap that begins at this offset
    m  modes    escape sequences that set the terminal's modes at this offset; before the first o
    u  match    u64: the end of the text that `until=` waited for; it begins at this offset
    x  exit     JSON {code, signal}; no output follows
    v  viewers  JSON list of {user, mode, you?}
    e  problem  JSON {error, message, …}

The offset of s, x, v and e is the present end of the console. A gap is not empty, and a match does
not end before it begins. JSON is UTF-8 without a byte order mark and without NaN. An offset is at
most 2^53 - 1, which is exact in every language; a frame with a larger one is refused.

Client to server, binary: one type byte and the payload, no offset.

    i  input    raw bytes, typed unchanged
    r  resize   u16 rows, u16 columns, big-endian
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

SUBPROTOCOL = "v1.console.bridge"

# The largest integer that is exact as a double: 8 PiB of one console.
MAX_OFFSET = 2**53 - 1

_HEAD = struct.Struct(">cQ")
_U64 = struct.Struct(">Q")
_SIZE = struct.Struct(">HH")


# The most bytes of the JSON in a start, exit, viewers or problem frame.
MAX_OBJECT = 256 << 10


class ConsoleFrameError(ValueError):
    """These bytes are not a console frame; the message says why."""


@dataclass(frozen=True)
class Start:
    """The console's name, kind, state and epoch; the offset is its present end."""

    offset: int
    about: dict[str, Any]


@dataclass(frozen=True)
class OutputFrame:
    """Bytes of the console from `offset`."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class ModesFrame:
    """Escape sequences that set the modes that the terminal has at `offset`."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class GapFrame:
    """The bytes from `offset` up to `to` are not held."""

    offset: int
    to: int


@dataclass(frozen=True)
class Matched:
    """The text that `until=` waited for, from `offset` up to `to`; nothing follows."""

    offset: int
    to: int


@dataclass(frozen=True)
class Ended:
    """The console ended: `{code, signal}`."""

    offset: int
    exit: dict[str, Any]


@dataclass(frozen=True)
class Viewers:
    """The present viewers."""

    offset: int
    viewers: list[dict[str, Any]]


@dataclass(frozen=True)
class Trouble:
    """A Problem, as its JSON."""

    offset: int
    problem: dict[str, Any]


@dataclass(frozen=True)
class Input:
    """Bytes to type."""

    data: bytes


@dataclass(frozen=True)
class Resize:
    """The client's screen."""

    rows: int
    cols: int


ServerFrame = Start | ModesFrame | OutputFrame | GapFrame | Matched | Ended | Viewers | Trouble
ClientFrame = Input | Resize


def to_server_frame(frame: ServerFrame) -> bytes:
    """Encode a frame that the server sends."""
    if isinstance(frame, OutputFrame):
        return _HEAD.pack(b"o", frame.offset) + frame.data
    if isinstance(frame, GapFrame):
        return _HEAD.pack(b"g", frame.offset) + _U64.pack(frame.to)
    if isinstance(frame, Matched):
        return _HEAD.pack(b"u", frame.offset) + _U64.pack(frame.to)
    if isinstance(frame, ModesFrame):
        return _HEAD.pack(b"m", frame.offset) + frame.data
    if isinstance(frame, Start):
        return _HEAD.pack(b"s", frame.offset) + _json(frame.about)
    if isinstance(frame, Ended):
        return _HEAD.pack(b"x", frame.offset) + _json(frame.exit)
    if isinstance(frame, Viewers):
        return _HEAD.pack(b"v", frame.offset) + _json(frame.viewers)
    return _HEAD.pack(b"e", frame.offset) + _json(frame.problem)


def from_server_frame(data: bytes) -> ServerFrame | None:
    """Decode a frame of the server; None for an unknown type, which a client skips."""
    if len(data) < _HEAD.size:
        raise ConsoleFrameError(
            f"A console frame has at least {_HEAD.size} bytes, this one {len(data)}."
        )
    kind, offset = _HEAD.unpack_from(data)
    if offset > MAX_OFFSET:
        raise ConsoleFrameError(f"An offset is at most 2^53 - 1, this one is {offset}.")
    payload = data[_HEAD.size :]
    if kind == b"o":
        return OutputFrame(offset, payload)
    if kind == b"m":
        return ModesFrame(offset, payload)
    if kind in (b"g", b"u"):
        if len(payload) != _U64.size:
            raise ConsoleFrameError("A gap or match frame's payload is one u64.")
        to = _U64.unpack(payload)[0]
        if not offset + (kind == b"g") <= to <= MAX_OFFSET:
            raise ConsoleFrameError(f"A gap or match from {offset} cannot end at {to}.")
        return GapFrame(offset, to) if kind == b"g" else Matched(offset, to)
    if kind == b"s":
        return Start(offset, _object(payload, dict))
    if kind == b"x":
        return Ended(offset, _object(payload, dict))
    if kind == b"v":
        return Viewers(offset, _object(payload, list))
    if kind == b"e":
        return Trouble(offset, _object(payload, dict))
    return None


def to_client_frame(frame: ClientFrame) -> bytes:
    """Encode a frame that a client sends."""
    if isinstance(frame, Input):
        return b"i" + frame.data
    return b"r" + _SIZE.pack(frame.rows, frame.cols)


def from_client_frame(data: bytes) -> ClientFrame:
    """Decode a frame of a client; raises ConsoleFrameError."""
    kind, payload = data[:1], data[1:]
    if kind == b"i":
        return Input(payload)
    if kind == b"r":
        if len(payload) != _SIZE.size:
            raise ConsoleFrameError("A resize frame's payload is u16 rows and u16 columns.")
        rows, cols = _SIZE.unpack(payload)
        if not rows or not cols:
            raise ConsoleFrameError("A screen has at least one row and one column.")
        return Resize(rows, cols)
    raise ConsoleFrameError(f"A console frame begins with i or r, not with {kind!r}.")


def _json(value: Any) -> bytes:
    # A lone surrogate (a file's name may have one) is not UTF-8, and is replaced.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _object(payload: bytes, kind: type) -> Any:
    if len(payload) > MAX_OBJECT:
        raise ConsoleFrameError(f"The frame's payload has more than {MAX_OBJECT} bytes.")
    try:
        # As text: of bytes Python would guess the encoding.
        value = json.loads(payload.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ConsoleFrameError("The frame's payload is not JSON.") from error
    if not isinstance(value, kind):
        raise ConsoleFrameError(f"The frame's payload is not a JSON {kind.__name__}.")
    return value
