"""lines: which lines of a piece of output match, and what a hit shows of them."""

from __future__ import annotations

import random
import re

import pytest

from jupyter_bridge.consoles.search.lines import CUT, SHOWN_BYTES, Hit, hits, without_escapes
from jupyter_bridge.consoles.tail.pattern import Pattern, compiled, literal
from jupyter_bridge.problems import BadRequest


def pattern(text: str, regex: bool = False) -> Pattern:
    return (compiled if regex else literal)(text, "q", lines=True)


def search(text: str, data: bytes, regex: bool = False) -> list[Hit]:
    return list(hits(pattern(text, regex), data, 1000))


# What was said, the text, whether it is a pattern; then each hit: its line and the match.
SEEN: dict[str, tuple[bytes, str, bool, list[tuple[str, str]]]] = {
    "plain": (b"one\ntwo\nthree\n", "t", False, [("two", "t"), ("three", "t")]),
    "unfinished line": (b"one\ntwo", "two", False, [("two", "two")]),
    "CR LF": (b"one\r\ntwo\r\n", "one", False, [("one", "one")]),
    "colour inside a word": (b"\x1b[31mfo\x1b[0mo\x1b[m\r\n", "foo", False, [("foo", "foo")]),
    "title and charset": (b"\x1b]0;foo\x07$ \x1b(Bbar\n", "bar", False, [("$ bar", "bar")]),
    "only in the title": (b"\x1b]0;foo\x07$ bar\n", "foo", False, []),
    "C1 control sequence": (b"fo\xc2\x9b31mo\n", "foo", False, [("foo", "foo")]),
    "a degree sign is text": ("21 °C é\n".encode(), "°", False, [("21 °C é", "°")]),
    "title over two lines": (
        b"\x1b]0;a\nfoo\x07 bar\nbar\n",
        "bar",
        False,
        [("foo\x07 bar", "bar"), ("bar", "bar")],
    ),
    "overwritten": (b"10 %\r20 %\r30 %\r\n", "20", False, [("10 %\r20 %\r30 %", "20")]),
    "erased": (b"foo\x1b[2K\rbar\n", "foo", False, [("foo\rbar", "foo")]),
    "metacharacters are text": (b"a.c\nabc\n", "a.c", False, [("a.c", "a.c")]),
    "not UTF-8": (b"\xff\xfefoo\xff\n", "foo", False, [("\ufffd\ufffdfoo\ufffd", "foo")]),
    "once a line": (b"aaa\nb\na\n", "a", False, [("aaa", "a"), ("a", "a")]),
    "pattern": (b"x1\ny22\n", r"\d+", True, [("x1", "1"), ("y22", "22")]),
    "^ and $": (b"foo\r\nfoo bar\r\n", "^foo$", True, [("foo", "foo")]),
    r"\A and \z": (b"a\nfoo\na\n", r"\Afoo\z", True, [("foo", "foo")]),
    "an empty match": (b"a\n\nb\n", "^$", True, [("", "")]),
    "every line": (b"a\n\nb\n", "", True, [("a", ""), ("", ""), ("b", "")]),
    "over no end of line": (b"a\nb\n", r"a\sb|a[^x]b|(?s)a.b|a\Cb|\n", True, []),
    "any byte is none of LF": (b"\na\n", r"^\C", True, [("a", "a")]),
    "a byte that is not UTF-8": (b"a\xffb\n", "a[^x]b", True, [("a\ufffdb", "a\ufffdb")]),
    "coloured": (b"\x1b[1mfoo\x1b[0m 7\n", r"^foo \d$", True, [("foo 7", "foo 7")]),
    "in the other case": (b"Foo\n", "(?i)foo", True, [("Foo", "Foo")]),
    "characters": ("ä€😀x\n".encode(), "x", False, [("ä€😀x", "x")]),
}


@pytest.mark.parametrize("case", SEEN)
def test_a_line_is_searched_as_a_reader_sees_it(case: str) -> None:
    """Escape sequences are left out; a match is within a line, and the line is told once."""
    data, text, regex, expected = SEEN[case]
    found = search(text, data, regex)
    assert [(hit.line, hit.line[hit.start : hit.end]) for hit in found] == expected


def test_the_offset_is_that_of_the_line() -> None:
    """Escape sequences before and in a line make no difference to its offset."""
    data = b"\x1b[1mone\x1b[0m\r\n\x1b]0;t\x07\x1b[32mtwo\x1b[0m two\r\nthree\r\ntwo"
    starts = [0, *(found.end() for found in re.finditer(b"\n", data))]
    assert [hit.offset - 1000 for hit in search("two", data)] == [starts[1], starts[3]]


def test_a_long_line_is_cut_around_the_match() -> None:
    """A hit shows about a thousand bytes, whole characters, and where it was cut."""
    for before, after in ((0, 5000), (5000, 0), (5000, 5000), (200, 900), (0, 0)):
        line = "ä" * before + "NEEDLE" + "é" * after
        (hit,) = search("NEEDLE", f"{line}\r\n".encode())
        assert hit.line[hit.start : hit.end] == "NEEDLE"
        assert hit.line.strip(CUT) in line
        assert len(hit.line.encode()) <= SHOWN_BYTES + 2 * len(CUT.encode()) + 3
        assert hit.line.endswith(CUT) == (not line.endswith(hit.line.strip(CUT)))
    (hit,) = search("a+", b"b" * 400 + b"a" * 100_000, regex=True)
    assert hit.line == CUT + "b" * 300 + "a" * 700 + CUT
    assert (hit.start, hit.end) == (301, 1001)


def test_a_line_for_each_line() -> None:
    """However the escape sequences stand, no line is lost and none is joined to another."""
    dice = random.Random(7)
    broken = [b"\x1b", b"\xc2", b"\xc2\x9b", b"\x1b]0;", b"\x1bP", b"\x05", b"\x07", b"\x1b["]
    whole = [b"\x1b[31m", b"\x1b(B", b"\x1b]0;t\x07", b"\x1b[?25l"]
    parts = [*broken, *whole, b"foo", b"fo", b"o", b"\n", b"\r\n"]
    for _ in range(2000):
        data = b"".join(dice.choices(parts, k=dice.randint(1, 30)))
        lines = [without_escapes(line) for line in data.split(b"\n")]
        text = without_escapes(data)
        assert text.count(b"\n") == data.count(b"\n")
        expected = [line for line in lines if b"foo" in line]
        assert [line for line in text.split(b"\n") if b"foo" in line] == expected
        assert len(search("foo", data)) == len(expected)


@pytest.mark.parametrize(("text", "regex"), [("a\nb", False), (r"a\nb", True), ("(?-m)^a", True)])
def test_a_text_of_several_lines_is_refused(text: str, regex: bool) -> None:
    """What can match in no line is a BadRequest that names the field."""
    with pytest.raises(BadRequest) as refused:
        pattern(text, regex)
    assert refused.value.details["field"] == "q"


@pytest.mark.parametrize("text", ["😀" * 1000, "ab" * 500, "a.*(", "\\Q\\E", "ä"])
def test_a_text_of_any_length_is_text(text: str) -> None:
    """The longest text, and one that is full of metacharacters, is found as it is written."""
    hit = search(text, f"x{text}\nx\n".encode())[0]
    assert hit.offset == 1000
    assert len(search(text, f"{text}\n{text[1:]}\n".encode())) == 1
