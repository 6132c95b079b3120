"""What is typed to a kernel: lines, rubouts, and how much of it is held."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.consoles.sources import typed_lines
from jupyter_bridge.consoles.sources.typed_lines import MAX_LINE, TypedLines
from jupyter_bridge.problems import TooLarge
from tests.support.turns import counted_turns

BODY = 16 << 20
RUBOUTS = b"\x08\x7f"
typing = st.lists(
    st.sampled_from([b"a", b"b", b"\n", b"\r", b"\r\n", b"\x7f", b"\x7f\x7f\x7f", b"\x08"]),
    max_size=40,
).map(b"".join)


def byte_by_byte(data: bytes) -> tuple[str | None, bytes]:
    line = bytearray()
    for byte in data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"):
        if byte not in RUBOUTS:
            line.append(byte)
        elif line[-1:] != b"\n":
            del line[-1:]
    lines, newline, rest = bytes(line).rpartition(b"\n")
    return lines.decode() if newline else None, rest


@given(typing, st.integers(1, 9))
def test_as_byte_by_byte(data: bytes, piece: int) -> None:
    """Rubouts and ends of lines have the same effect, however the data is cut for the pauses."""
    typed, old = TypedLines(), typed_lines._PIECE
    typed_lines._PIECE = piece
    try:
        assert asyncio.run(typed.feed(data)) == byte_by_byte(data)[0]
    finally:
        typed_lines._PIECE = old
    assert typed._rest == byte_by_byte(data)[1]


async def test_a_line_in_several_writes() -> None:
    """A line goes on where the last write stopped; also its rubouts do."""
    typed = TypedLines()
    assert await typed.feed(b"a = 12") is None
    assert await typed.feed(b"\x7f") is None
    assert await typed.feed(b"3\nb") == "a = 13"
    assert await typed.feed(b"\n") == "b"


@pytest.mark.parametrize("count", [1, 3])
async def test_an_incomplete_line_is_bounded(count: int) -> None:
    """A line of more than MAX_LINE bytes is refused, in one write or several, and not typed."""
    typed = TypedLines()
    for _ in range(count - 1):
        await typed.feed(b"x" * (MAX_LINE // 2))
    before = len(typed._rest)
    with pytest.raises(TooLarge) as refused:
        await typed.feed(b"1\n" + b"x" * (MAX_LINE + 1))
    assert refused.value.details == {"limit": MAX_LINE}
    assert len(typed._rest) == before
    assert await typed.feed(b"\n") == "x" * before


async def test_a_complete_line_is_not_bounded() -> None:
    """What comes with its end is code of any length."""
    assert await TypedLines().feed(b"x" * BODY + b"\n") == "x" * BODY


async def test_no_utf8() -> None:
    """Bytes that are not UTF-8 become U+FFFD."""
    assert await TypedLines().feed(b"\xff\xc3\n\xc3\xa9\n") == "\ufffd\ufffd\né"


HOSTILE = {
    "one line": b"x" * BODY,
    "pairs": b"x\x7f" * (BODY // 2),
    "nested": b"xxxxx\x7f\x7f\x7f\x7f\x7f" * (BODY // 10),
    "rubouts": b"\x7f" * BODY,
    "rubouts and lines": b"\x7f\n" * (BODY // 2),
    "lines": b"1\n" * (BODY // 2),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_typing_gives_the_loop_its_turns(name: str) -> None:
    """A body of 16 MiB is looked at a piece at a time."""
    async with counted_turns() as turns:
        try:
            await TypedLines().feed(HOSTILE[name])
        except TooLarge:
            assert name == "one line"
    assert turns.count >= 3
