import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jupyter_bridge.wire import ansi

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "ansi.json").read_text())
QUERIES = [bytes.fromhex(text) for text in VECTORS["queries"]]
KEPT = [bytes.fromhex(text) for text in VECTORS["kept"]]

# Bytes that matter to the grammar, and whole sequences, in any order.
STREAMS = st.lists(
    st.one_of(
        st.sampled_from(QUERIES + KEPT),
        st.sampled_from([b"\x1b", b"[", b"]", b"\\", b"\x07", b"6", b"n", b"c", b";", b"?", b"P"]),
        st.binary(max_size=6),
        st.text(max_size=4).map(str.encode),
    ),
    max_size=12,
).map(b"".join)


def cut(cutter: ansi.Cutter, data: bytes, sizes: list[int]) -> list[ansi.Piece]:
    pieces, at = [], 0
    for size in sizes:
        pieces += cutter.feed(at, data[at : at + size])
        at = min(at + size, len(data))
    return [*pieces, *cutter.feed(at, data[at:]), *cutter.flush()]


def joined(pieces: list[ansi.Piece]) -> bytes:
    return b"".join(piece.data for piece in pieces)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_left_out_of_history(query: bytes) -> None:
    """What makes an emulator answer is left out, and nothing beside it."""
    pieces = cut(ansi.without_queries(), b"a" + query + b"b", [])
    assert pieces == [ansi.Piece(0, b"a"), ansi.Piece(1 + len(query), b"b")]


@pytest.mark.parametrize("sequence", KEPT)
def test_what_draws_the_screen_stays_in_history(sequence: bytes) -> None:
    """Colours, cursor, modes, titles, links and pictures stay as they are."""
    data = b"a" + sequence + b"b"
    assert joined(cut(ansi.without_queries(), data, [])) == data


@pytest.mark.parametrize("sequence", QUERIES + KEPT)
def test_strip_leaves_no_escape(sequence: bytes) -> None:
    """Stripping leaves the text alone and every sequence out."""
    assert ansi.strip(b"a\r\n" + sequence + "ü".encode()) == b"a\r\n" + "ü".encode()


@pytest.mark.parametrize("case", VECTORS["strip"], ids=lambda case: case["name"])
def test_the_shared_texts_are_stripped(case: dict[str, str]) -> None:
    """What stays of a whole text is the same in every language."""
    assert ansi.strip(bytes.fromhex(case["data"])) == case["text"].encode()


@pytest.mark.parametrize("case", VECTORS["cut"], ids=lambda case: case["name"])
def test_the_shared_streams_are_cut(case: dict[str, Any]) -> None:
    """Each chunk gives these pieces at these offsets, and the end what was held back."""

    def told(pieces: list[ansi.Piece]) -> list[dict[str, Any]]:
        return [{"offset": piece.offset, "data": piece.data.hex()} for piece in pieces]

    makes = {"queries": ansi.without_queries, "escapes": ansi.without_escapes}
    cutter, at = makes[case["without"]](), 0
    for chunk, pieces in zip(map(bytes.fromhex, case["chunks"]), case["pieces"], strict=True):
        assert told(cutter.feed(at, chunk)) == pieces
        at += len(chunk)
    assert told(cutter.flush()) == case["rest"]


@given(STREAMS, st.lists(st.integers(1, 9), max_size=30))
@example(b"\x1b\x05\x1b[c", [2])
def test_where_the_stream_is_cut_changes_nothing(data: bytes, sizes: list[int]) -> None:
    """A sequence is recognised however its bytes arrive."""
    for make in (ansi.without_queries, ansi.without_escapes):
        assert joined(cut(make(), data, sizes)) == joined(cut(make(), data, []))


@given(STREAMS, st.lists(st.integers(1, 9), max_size=30))
def test_a_piece_stands_where_it_says(data: bytes, sizes: list[int]) -> None:
    """Each piece is the stream's bytes at its offset, pieces ascend and never overlap."""
    for make in (ansi.without_queries, ansi.without_escapes):
        end = 0
        for piece in cut(make(), data, sizes):
            assert piece.offset >= end
            end = piece.offset + len(piece.data)
            assert data[piece.offset : end] == piece.data != b""


@given(STREAMS.filter(lambda data: b"\xc2" not in data))
def test_leaving_out_never_makes_a_new_query(data: bytes) -> None:
    """What was apart because of a query does not join to another one without it."""
    once = joined(cut(ansi.without_queries(), data, []))
    assert joined(cut(ansi.without_queries(), once, [])) == once


@given(STREAMS, st.lists(st.integers(0, 9), max_size=8))
def test_joined_pieces_are_the_same_bytes(data: bytes, sizes: list[int]) -> None:
    """A joined cutter leaves out the same, in fewer pieces."""
    apart = cut(ansi.without_escapes(), data, sizes)
    together = cut(ansi.without_escapes(joined=True), data, sizes)
    assert joined(together) == joined(apart)
    assert len(together) <= len(apart)


def test_every_control_sequence_that_asks_is_left_out() -> None:
    """Whatever is kept without a closer look is no query."""
    finals = [bytes((number,)) for number in range(0x40, 0x7F)]
    marks = [b"", b"?", b">", b"=", b"<"]
    numbers = [b"", b"0", b"6", b"11", b"21;1", b"2048", b"1;2048", b"02048", b"38:5:1", b"1;;2"]
    between = [b"", b"$", b"+", b"*", b"&", b'"', b"'", b"#", b" "]
    for mark, number, sign, final in itertools.product(marks, numbers, between, finals):
        sequence = b"\x1b[" + mark + number + sign + final
        left = joined(cut(ansi.without_queries(), sequence, []))
        assert left == (b"" if ansi.is_query(sequence) else sequence), sequence


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_text_is_never_touched(text: str) -> None:
    """Text in any script passes whole."""
    assert joined(cut(ansi.without_queries(), text.encode(), [3, 1, 2])) == text.encode()
    assert ansi.strip(text.encode()) == text.encode()


def test_a_picture_of_megabytes_passes_without_being_held() -> None:
    """A long sixel stays whole; memory holds at most HOLD_BYTES of it."""
    data = b"\x1bPq" + b"#0~" * 100_000 + b"\x1b\\" + b"after"
    cutter = ansi.without_queries()
    pieces = cut(cutter, data, [4096] * 100)
    assert joined(pieces) == data


def test_an_endless_colour_query_is_left_out() -> None:
    """A query too long to be held back does not slip through by its length."""
    data = b"a\x1b]4;" + b"1;red;" * 20_000 + b"2;?\x07b"
    assert joined(cut(ansi.without_queries(), data, [1000] * 200)) == b"ab"
    assert joined(cut(ansi.without_queries(), data, [])) == b"ab"


def test_strip_leaves_out_a_picture_of_megabytes() -> None:
    """Stripping holds no picture and shows none of it."""
    data = b"a\x1bPq" + b"#0~" * 100_000 + b"\x1b\\b"
    assert joined(cut(ansi.without_escapes(), data, [4096] * 100)) == b"ab"


def test_stripping_is_linear() -> None:
    """Unfinished sequences, again and again, do not make the scan quadratic."""
    data = b"\x1b[" * 200_000 + b"\x1b]" * 200_000
    assert re.search(rb"[a-z]", ansi.strip(data)) is None
