"""wire/bounded.py: bounds on what strangers wrote, which honest text does not meet."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import msgspec
import pytest

from jupyter_bridge.wire import bounded
from jupyter_bridge.wire.bounded import MAX_RATIO, PackedError, Unpacker
from jupyter_bridge.wire.json_errors import JSON_ERRORS

ANYTHING: Any = Any
LIMIT = 1 << 20


class Named(msgspec.Struct):
    name: str


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"[" + b"[]," * 60_000 + b"[]]", list[Any]),
        (b'["' + b"," * 200_000 + b'"]', list[str]),
        (b"[" * 65 + b"]" * 65, ANYTHING),
        (b'{"a":' * 65 + b"1" + b"}" * 65, ANYTHING),
        (b"[" * 100_000, ANYTHING),
        (b'[{"name": "x"}, {"name": 5}, ' + b"[" * 100_000, list[Named]),
        (b"1" * (LIMIT + 1), int),
        (b"\xff", str),
    ],
)
def test_what_breaks_a_bound_is_refused(text: bytes, kind: Any) -> None:
    """Too many values, too deep, too long, or of another type."""
    with pytest.raises(JSON_ERRORS):
        bounded.decode(text, kind, LIMIT)


def test_honest_text_passes() -> None:
    """A list of 7,000 short names, and 60 lists in each other."""
    names = msgspec.json.encode([{"name": f"n{number}"} for number in range(7000)])
    assert len(bounded.decode(names, list[Named], LIMIT)) == 7000
    assert bounded.decode(b"[" * 60 + b"]" * 60, ANYTHING, LIMIT)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        (" 50 ", 50),
        ("0" * 5000 + "7", 7),
        ("9" * 5000, None),
        ("101", None),
        ("٣", None),
        ("-1", None),
        ("", None),
        ("1e3", None),
    ],
)
def test_a_number_in_a_header(text: str, number: int | None) -> None:
    """Digits of any number; what is larger than allowed, or no number, is None."""
    assert bounded.number(text, 100) == number


def pack(data: bytes, how: str) -> bytes:
    if how == "gzip":
        return gzip.compress(data)
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS if how == "zlib" else -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("how", ["gzip", "zlib", "raw"])
@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_honest_bytes_are_unpacked(how: str, step: int) -> None:
    """However they are cut, with and without the head of zlib's format."""
    data = b"".join(b'{"name": "file-%d"},' % number for number in range(20_000))
    packed = pack(data, how)
    unpacker = Unpacker("gzip" if how == "gzip" else "deflate")
    pieces = [
        piece
        for start in range(0, len(packed), step)
        for piece in unpacker.feed(packed[start : start + step])
    ]
    unpacker.end()
    assert b"".join(pieces) == data


@pytest.mark.parametrize("how", ["gzip", "zlib", "raw"])
def test_unpacking_stops_where_the_ratio_is_passed(how: str) -> None:
    """Not after: of 200 MB no more is made than the bound and one step."""
    packed = pack(bytes(200 << 20), how)
    made = 0

    def unpack() -> None:
        nonlocal made
        for piece in Unpacker("gzip" if how == "gzip" else "deflate").feed(packed):
            made += len(piece)

    with pytest.raises(PackedError):
        unpack()
    assert made <= MAX_RATIO * len(packed)


def test_members_are_counted() -> None:
    """Two members in a row are honest, thousands are not."""
    two = gzip.compress(b"a") + gzip.compress(b"b")
    assert b"".join(Unpacker("gzip").feed(two)) == b"ab"
    with pytest.raises(PackedError):
        list(Unpacker("gzip").feed(gzip.compress(b"") * 1000))
