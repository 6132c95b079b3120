"""Large JSON values in outputs and answers: not decoded, and written in pieces.

Copying or decoding 50 MB blocks the event loop for up to half a second, even in a thread (Python
runs one thread at a time). So a value of more than LARGE bytes is not decoded: it is a `LargeJson`
that refers to the bytes of its message, and `encode` writes JSON with such values as pieces.
"""

from __future__ import annotations

import codecs
import re
import uuid
from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec

from jupyter_bridge.wire.json_errors import JSON_ERRORS

# A larger value is neither copied nor decoded at once on the event loop, bytes.
LARGE = 256 << 10
# How deep `parse` looks for large values: in content and its `data`.
_DEPTH = 2

_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_HALF_PAIR = re.compile(rb"\\u[dD][89abAB]..\Z")


class LargeJson:
    """A JSON value as the bytes of its message, which it keeps in memory."""

    __slots__ = ("raw",)

    def __init__(self, raw: bytes | memoryview) -> None:
        self.raw = memoryview(raw)

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def is_text(self) -> bool:
        """Tell whether this is a JSON string."""
        return self.raw[:1] == b'"'

    def pieces(self) -> Iterator[bytes]:
        """Yield the value as JSON in UTF-8, in pieces."""
        return utf8_pieces(self.raw)

    def decode(self) -> Any:
        """Decode the value; null if it cannot be read. Slow."""
        try:
            return msgspec.json.decode(self.raw)
        except JSON_ERRORS:
            return None

    def texts(self) -> Iterator[str]:
        """Yield the characters of a JSON string, else the JSON, in pieces."""
        if not self.is_text:
            yield from (piece.decode() for piece in self.pieces())
            return
        rest = b""
        for piece in utf8_pieces(self.raw[1:-1]):
            piece = rest + piece
            end = _end_of_whole(piece)
            rest = piece[end:]
            yield _decode_text(piece[:end])
        if rest:
            yield _decode_text(rest)


class LargeText:
    """A large text as a JSON string; `raw`, in UTF-8, must not change."""

    __slots__ = ("_raw", "_rest")

    def __init__(self, raw: bytearray, rest: str) -> None:
        self._raw = raw
        self._rest = rest

    def pieces(self) -> Iterator[bytes]:
        """Yield the string as JSON in UTF-8, in pieces."""
        yield b'"'
        rest = (self._rest[at : at + LARGE].encode() for at in range(0, len(self._rest), LARGE))
        for piece in chain(utf8_pieces(memoryview(self._raw)), rest):
            yield msgspec.json.encode(piece.decode())[1:-1]
        yield b'"'


def _end_of_whole(piece: bytes) -> int:
    """Return where a JSON string can be cut: not inside an escape or a pair of escapes."""
    end = len(piece)
    back = piece.rfind(b"\\", max(0, end - 6))  # the longest escape is \uXXXX
    if back >= 0 and _begins_escape(piece, back):
        end = back
        if _HALF_PAIR.search(piece, max(0, back - 6), back) and _begins_escape(piece, back - 6):
            end = back - 6
    return end


def _begins_escape(piece: bytes, back: int) -> bool:
    """Tell whether the backslash at this position is not itself escaped."""
    return (back + 1 - len(piece[: back + 1].rstrip(b"\\"))) % 2 == 1


def _decode_text(piece: bytes) -> str:
    try:
        return str(msgspec.json.decode(b'"%b"' % piece, type=str))
    except JSON_ERRORS:
        return piece.decode("utf-8", "replace")


def utf8_pieces(raw: memoryview) -> Iterator[bytes]:
    """Yield the bytes of a text in pieces of valid UTF-8; other bytes become U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for start in range(0, len(raw), LARGE):
        piece = bytes(raw[start : start + LARGE])
        if piece.isascii() and not decoder.getstate()[0]:
            yield piece
        else:
            yield decoder.decode(piece).encode()
    if last := decoder.decode(b"", final=True):
        yield last.encode()


def as_utf8(raw: bytes) -> list[bytes]:
    """Return the bytes of a text unchanged if they are UTF-8, else as by `utf8_pieces`."""
    view = memoryview(raw)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(view), LARGE):
            decoder.decode(view[start : start + LARGE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return list(utf8_pieces(view))
    return [raw]


def is_json(raw: bytes | memoryview) -> bool:
    """Tell whether this is JSON, nested at most about 1000 levels."""
    try:
        _decode_raw(raw)
    except JSON_ERRORS:
        return False
    return True


def parse(raw: bytes | memoryview) -> Any:
    """Decode `raw`, with a LargeJson for each large value inside that is not an object.

    Takes 50 ms and more for 50 MB. Raises the errors in JSON_ERRORS.
    """
    if len(raw) > LARGE and not bytes(raw[:64]).lstrip().startswith(b"{"):
        return LargeJson(memoryview(_decode_raw(raw)))
    return _parse(memoryview(raw), _DEPTH)


def _parse(raw: memoryview, depth: int) -> Any:
    """Decode an object, or what is small, or (inside of an object that was decoded) any JSON."""
    if len(raw) <= LARGE:
        return msgspec.json.decode(raw)
    if depth and bytes(raw[:64]).lstrip().startswith(b"{"):
        members = _decode_members(raw)
        return {name: _parse(memoryview(value), depth - 1) for name, value in members.items()}
    return LargeJson(raw)


def encode(value: Any) -> Iterator[bytes]:
    """Encode a value that may contain LargeJson values, in pieces; one piece without any."""
    (first, *between), found = split(value)
    yield first
    for part, after in zip(found, between, strict=True):
        yield from part.pieces()
        yield after


def split(value: Any) -> tuple[list[bytes], list[Any]]:
    """Return the JSON of `value` around its large values, and those: one fewer than the former.

    Raises the errors of msgspec.json.encode.
    """
    found: list[Any] = []
    mark = uuid.uuid4().hex

    def note(part: Any) -> str:
        if not isinstance(part, LargeJson | LargeText):
            raise TypeError(f"{type(part).__name__} is no JSON")
        found.append(part)
        return mark

    text = msgspec.json.encode(value, enc_hook=note)
    return text.split(b'"%b"' % mark.encode()) if found else [text], found
