"""wire/websocket.py: frames as RFC 6455 spells them."""

from __future__ import annotations

import pytest

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
