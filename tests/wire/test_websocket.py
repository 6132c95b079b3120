"""wire/websocket.py: frames as RFC 6455 spells them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire.websocket import build_frame


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x82\x00"),
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65535, b"\x82\x7e\xff\xff"),
        (65536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_length_is_written_in_its_shortest_form(size: int, head: bytes) -> None:
    """The length takes 7 bits, 16 bits or 64 bits, whichever is the first that holds it."""
    assert build_frame(b"x" * size) == head + b"x" * size


def test_text_is_utf8_with_opcode_one() -> None:
    """A str becomes a text frame of its UTF-8 bytes."""
    assert build_frame("é") == b"\x81\x02\xc3\xa9"


def read(frame: bytes) -> tuple[int, bytes]:
    """The opcode and the payload of one unmasked frame; RFC 6455, section 5.2."""
    opcode, size, at = frame[0] & 15, frame[1], 2
    assert frame[0] & 0x80  # FIN
    assert not size & 0x80  # a server does not mask
    if size == 126:
        size, at = int.from_bytes(frame[2:4], "big"), 4
        assert size > 125
    elif size == 127:
        size, at = int.from_bytes(frame[2:10], "big"), 10
        assert size > 65535
    assert len(frame) == at + size
    return opcode, frame[at:]


@given(st.binary() | st.integers(0, 70_000).map(bytes))
def test_bytes_are_read_back(data: bytes) -> None:
    """Any payload of any length is one frame, which holds exactly that."""
    assert read(build_frame(data)) == (2, data)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_is_read_back(text: str) -> None:
    """Any text is one text frame."""
    opcode, payload = read(build_frame(text))
    assert (opcode, payload.decode()) == (1, text)
