"""Decode untrusted JSON and compressed bytes within limits that are checked beforehand.

A few bytes can expand to many objects: 117 KB of gzip can hold 120 MB of `[[],[],…`, and each `[]`
takes 64 bytes of memory. Three things are limited: the size after decompression, its ratio to the
compressed size, and the number of values in a text before it is decoded. Beyond a limit
`msgspec.DecodeError` (JSON) or `PackedError` (compressed bytes) is raised.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec

# The fewest bytes that a value takes in a text of the largest size: a short key and its value.
BYTES_A_VALUE = 16
# How deep lists and objects may nest in an answer of unknown shape.
MAX_DEPTH = 64
# Real lists shrink to a thirtieth, a log of equal lines to a hundredth; zlib reaches a thousandth.
MAX_RATIO = 100
# Below this size, in bytes, the ratio is not checked.
FREE = 256 << 10
# Bytes are decompressed in pieces of this size, so that a limit is noticed as it is passed.
STEP = 128 << 10
# gzip allows several members in a row; each one costs a new decompressor.
MAX_MEMBERS = 16

T = TypeVar("T")


class PackedError(ValueError):
    """The compressed bytes are damaged, of an unknown encoding, or expand beyond a limit."""


def decode(text: bytes | str, kind: type[T], limit: int) -> T:
    """Decode the JSON `text` of at most `limit` bytes as `kind`.

    Stops at the first element of a wrong type. Raises `wire.json_errors.JSON_ERRORS`.
    """
    if len(text) > limit:
        raise msgspec.DecodeError(f"a text of more than {limit} bytes")
    check_values(text, limit // BYTES_A_VALUE)
    value: T = _decoder(cast(Any, kind))(text)
    check_depth(value)
    return value


@lru_cache(maxsize=256)
def _decoder(kind: Any) -> Any:
    return msgspec.json.Decoder(kind).decode


def check_values(text: bytes | str, most: int) -> None:
    """Raise msgspec.DecodeError if the JSON text may hold more than about `most` values.

    Counts commas and opening brackets, those inside strings included.
    """
    marks: tuple[Any, ...] = (",", "[", "{") if isinstance(text, str) else (b",", b"[", b"{")
    if sum(text.count(mark) for mark in marks) > most:
        raise msgspec.DecodeError(f"more than {most} values")


def check_depth(value: Any) -> None:
    """Raise msgspec.DecodeError if lists and objects nest deeper than MAX_DEPTH."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise msgspec.DecodeError(f"more than {MAX_DEPTH} values in each other")


def _children(node: Any) -> list[Any]:
    """Return the values inside a list, an object or a Struct that may hold further values."""
    if isinstance(node, list):
        inside = node
    elif isinstance(node, dict):
        inside = list(node.values())
    elif isinstance(node, msgspec.Struct):
        inside = [getattr(node, name) for name in node.__struct_fields__]
    else:
        return []
    return [child for child in inside if isinstance(child, (list, dict, msgspec.Struct))]


def number(text: str, most: int) -> int | None:
    """Parse the decimal digits of a header as a number from 0 to `most`; None for anything else.

    Python refuses more than 4,300 digits, and is slow on fewer.
    """
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal()):
        return None
    digits = digits.lstrip("0") or "0"
    if len(digits) > len(str(most)) or int(digits) > most:
        return None
    return int(digits)


class Unpacker:
    """Decompresses a body with this Content-Encoding; "" or None passes it through.

    `feed` yields pieces of at most STEP bytes, and decompresses only as they are taken.
    """

    def __init__(self, coding: str | None) -> None:
        self._coding = (coding or "").strip().lower()
        if self._coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise PackedError("has a compression that was not asked for")
        self.is_plain = self._coding in ("", "identity")
        self._unpack: Any = None
        self._members = 0
        self._came = 0
        self._gave = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what these bytes decompress to."""
        if self.is_plain:
            yield data
            return
        self._came += len(data)
        while data:
            data = self._open(data)
            piece, data = self._step(data)
            self._gave += len(piece)
            if self._gave > max(FREE, MAX_RATIO * self._came):
                raise PackedError(f"unpacks to more than {MAX_RATIO} times its size")
            if piece:
                yield piece

    def end(self) -> None:
        """End the body; raises PackedError if it is incomplete."""
        if self._unpack is not None and not self._unpack.eof:
            raise PackedError("ended within its compressed bytes")

    def _open(self, data: bytes) -> bytes:
        """Return the decompressor, a new one after the end of a member."""
        if self._unpack is not None and not self._unpack.eof:
            return data
        self._members += 1
        if self._members > (MAX_MEMBERS if self._coding != "deflate" else 1):
            raise PackedError("is compressed in too many parts")
        bits = 16 + zlib.MAX_WBITS
        if self._coding == "deflate":  # some servers leave the head of zlib's format out
            bits = zlib.MAX_WBITS if data[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
        self._unpack = zlib.decompressobj(wbits=bits)
        return data

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        """Return one piece, and the bytes that are still to decompress."""
        try:
            piece = self._unpack.decompress(data, STEP)
        except zlib.error:
            raise PackedError("is compressed in a way that cannot be read") from None
        if self._unpack.eof:
            return piece, self._unpack.unused_data
        return piece, self._unpack.unconsumed_tail
