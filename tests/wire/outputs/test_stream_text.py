"""Tests for `jupyter_bridge.wire.outputs.stream_text`."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jupyter_bridge.wire.outputs.stream_text import StreamText, pieces
from tests.wire.outputs.test_outputs import terminal

NO_LIMIT = 1 << 30
controlled = st.text(alphabet="ab€\r\r\b\b\n", max_size=40)


@settings(deadline=None, max_examples=1000)
@given(st.lists(controlled, max_size=4))
@example(["abcdef\rx\b\by"])  # each deletes at the cursor, too
@example(["abcdef\rxy\b\r\bz\rab\b\b\rq"])
@example(["abc\b\b", "\b\b\bx", "\r\r\n\r\n"])
def test_it_shows_what_a_terminal_shows(texts: list[str]) -> None:
    """A line that is reduced first is what it is if each character is written."""
    stream = StreamText("stdout")
    for text in texts:
        assert stream.write(text, NO_LIMIT)
    shown = stream.output()["text"]
    assert shown == terminal("".join(texts))
    assert stream.size == len(shown.encode())


@settings(deadline=None)
@given(st.lists(controlled, max_size=4), st.integers(0, 20))
def test_the_limit_holds(texts: list[str], limit: int) -> None:
    """Whatever is written, no more bytes than the limit are held."""
    stream = StreamText("stdout")
    for text in texts:
        stream.write(text, limit)
        assert stream.size == len(stream.output()["text"].encode()) <= limit


# The worst for the time of a character, by name.
SLOW = {
    "erased": "a\b" * 500_000,
    "returned": "a\r" * 500_000,
    "erased of a long part": "x" * 500_000 + "b\b\b" * 200_000,
    "erased in depth": "a" * 500_000 + "\b" * 500_000,
    "returned and erased": "\ra\b" * 300_000,
    "returned without text": "\r" * 1_000_000,
    "short lines": "a\rb\n" * 100_000,
    "returned from longer and longer": "".join("\r" + "x" * length for length in range(1400)),
    "returned from shorter and shorter": "".join("\r" + "x" * n for n in range(1400, 0, -1)),
}


@pytest.mark.parametrize("name", SLOW)
def test_it_takes_linear_time(name: str) -> None:
    """A million controls are written in a second, at once or in pieces; it was 8 to 20 s."""
    for texts in ([SLOW[name]], [*pieces(SLOW[name])]):
        stream = StreamText("stdout")
        begun = time.process_time()
        for text in texts:
            stream.write(text, NO_LIMIT)
        assert time.process_time() - begun < 3.0


def test_pieces() -> None:
    """Together they are the text; they are short only if there are controls in it."""
    plain, controls = "x" * 1_000_000, "x\r" * 10_000
    assert "".join(pieces(plain)) == plain
    assert "".join(pieces(controls)) == controls
    assert len([*pieces(plain)]) < 5 < len([*pieces(controls)])
