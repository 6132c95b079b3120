"""JSON and packed bytes of strangers, decoded within bounds that hold before the memory is used.

A few bytes can stand for many objects: 117 KB of gzip are 120 MB of `[[],[],…`, and each `[]` costs
64 bytes in memory. So three things are counted: the bytes after unpacking, how much larger they are
than what was sent, and the values in a text before it is decoded. What breaks a bound raises
`msgspec.DecodeError` (JSON) or `PackedError` (packed bytes).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec

# Bytes of text for each value that a text of the longest size may hold: a short key and its value.
BYTES_A_VALUE = 16
# Lists in lists, and objects in objects, of an answer whose shape is not known.
MAX_DEPTH = 64
# Real lists shrink to a thirtieth, a log of equal lines to a hundredth; zlib can do a thousandth.
MAX_RATIO = 100
# Below this size nobody asks how well something was packed, bytes.
FREE = 256 << 10
# Packed bytes are unpacked in pieces of this size, so that a bound is met when it is passed.
STEP = 128 << 10
# gzip allows several members in a row; each one costs a new decompressor.
MAX_MEMBERS = 16

T = TypeVar("T")


class PackedError(ValueError):
    """The packed bytes are damaged, of an unknown kind, or unpack to far too much."""


def decode(text: bytes | str, kind: type[T], limit: int) -> T:
    """The JSON `text` as `kind`; `limit` is how many bytes such a text may have at most.

    Stops at the first element of a wrong type. Raises msgspec.DecodeError or what else stands in
    `wire.unreadable.UNREADABLE`.
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
    """Pass if the JSON text holds at most about `most` values; else msgspec.DecodeError.

    Every value but the first follows a comma or an opening. Those in strings count, too.
    """
    marks: tuple[Any, ...] = (",", "[", "{") if isinstance(text, str) else (b",", b"[", b"{")
    if sum(text.count(mark) for mark in marks) > most:
        raise msgspec.DecodeError(f"more than {most} values")


def check_depth(value: Any) -> None:
    """Pass if no more than MAX_DEPTH lists and objects are in each other; else DecodeError."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise msgspec.DecodeError(f"more than {MAX_DEPTH} values in each other")


def _children(node: Any) -> list[Any]:
    """What in a list, an object or a Struct may hold further values."""
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
    """The number from 0 to `most` that decimal digits in a header spell; None for anything else.

    Python refuses to read more than 4,300 digits, and needs long for them.
    """
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal()):
        return None
    digits = digits.lstrip("0") or "0"
    if len(digits) > len(str(most)) or int(digits) > most:
        return None
    return int(digits)


class Unpacker:
    """Unpacks the body of an answer with this Content-Encoding ("" or None: it is not packed).

    `feed` gives pieces of at most STEP bytes; who stops taking them stops the unpacking.
    """

    def __init__(self, coding: str | None) -> None:
        self._coding = (coding or "").strip().lower()
        if self._coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise PackedError("is packed in a way that was not asked for")
        self.is_plain = self._coding in ("", "identity")
        self._unpack: Any = None
        self._members = 0
        self._came = 0
        self._gave = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes unpack to."""
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
        """Say that the body is over; raises if it broke off."""
        if self._unpack is not None and not self._unpack.eof:
            raise PackedError("broke off within its packed bytes")

    def _open(self, data: bytes) -> bytes:
        """Begin, or go on behind the end of a member."""
        if self._unpack is not None and not self._unpack.eof:
            return data
        self._members += 1
        if self._members > (MAX_MEMBERS if self._coding != "deflate" else 1):
            raise PackedError("is packed in too many parts")
        bits = 16 + zlib.MAX_WBITS
        if self._coding == "deflate":  # some servers leave the head of zlib's format out
            bits = zlib.MAX_WBITS if data[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
        self._unpack = zlib.decompressobj(wbits=bits)
        return data

    def _step(self, data: bytes) -> tuple[bytes, bytes]:
        """One piece, and what is left to unpack."""
        try:
            piece = self._unpack.decompress(data, STEP)
        except zlib.error:
            raise PackedError("is packed in a way that cannot be read") from None
        if self._unpack.eof:
            return piece, self._unpack.unused_data
        return piece, self._unpack.unconsumed_tail
