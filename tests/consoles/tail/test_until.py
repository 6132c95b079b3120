"""Until: the match that ends first, however the bytes arrive."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.consoles.tail.pattern import compiled
from jupyter_bridge.consoles.tail.until import BLOCK, Until
from jupyter_bridge.wire.console import Matched


def until(pattern: str, parts: list[bytes], *, pause: bool = False) -> Matched | None:
    """What is found in these parts, and, with `pause`, if nothing follows them."""
    looking = Until(compiled(pattern, "until"))
    offset = 0
    for part in parts:
        for start in range(0, len(part), BLOCK):
            found = looking.take(offset + start, part[start : start + BLOCK])
            if found is not None:
                return found
        offset += len(part)
    return looking.take_end() if pause else None


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(places)]


@pytest.mark.parametrize(
    ("pattern", "said", "match"),
    [
        ("abc", b"xxabcxx", (2, 5)),
        ("a+", b"xaaa", (1, 2)),  # the match that ends first
        ("aaab|a", b"xaaab", (1, 2)),
        ("(?i)READY", b"i am Ready.", (5, 10)),
        ("^ready", b"not ready\r\nready\r\n", (11, 16)),
        ("ready$", b"ready?\r\nready\r\n", (8, 14)),
        ("ready$", b"ready\nand", (0, 5)),
        ("ready$", b"ready\r\r\n", (0, 7)),
        ("^$", b"a\r\n\r\nb", (3, 4)),
        ("^done$", b"done?\r\ndone\r\n", (7, 12)),
        ("^done$", b"$ do it\r\n\x1b[?2004l\rdone\r\n", (18, 23)),  # bash and zsh
        ("^done$", b"10 %\r20 %\rdone\r\n", (10, 15)),
        ("^50 %", b"\r\r50 %", (2, 6)),
        ("^|x", b"abc", (0, 0)),
        ("^a|b$", b"ca\r\ncb\r\n", (5, 7)),
        ("^*b", b"ab", (1, 2)),
        ("^(?i)B", b"ab\r\nb", (4, 5)),
        ("^$", b"a\rb\r\n\r\r\n", (5, 7)),
        (r"^\d+ %\r\d+", b"1 %\r2 %\r\n", (0, 5)),
        (r"^[^\r\n]+\r", b"1 %\r2 %\r\n", (0, 4)),
        (r"^1\s2", b"1\r2", (0, 3)),
        (r"^\S+\r2", b"1\r2", (0, 3)),
        (r"ready\r\n", b"ready\r\n", (0, 7)),
        (r"ready.*\n", b"ready!\r\n", (0, 8)),
        ("[$]5$", b"cost $5\r\n", (5, 8)),
        (r"\$5", b"cost $5\r\n", (5, 7)),
        (r"\Q$5\E.", b"cost $5!", (5, 8)),
        ("[^]$]x", b"$x]xyx", (4, 6)),
        ("[[:alpha:]$]5", b"5$5", (1, 3)),
        (r"\bcat\b", b"concat cat.", (7, 10)),
        ("r.a.y", b"\x1b[1mrea\x1b[0mdy now", (4, 13)),
        ("ready", b"re\x1b]0;title\x07ady", (0, 15)),
        ("é.", "aéb".encode(), (1, 4)),
        ("é", "aé".encode(), (1, 3)),
        ("a.b", "a€b".encode(), (0, 5)),
        ("a.b", b"a\xffb", (0, 3)),  # bytes that are not UTF-8 are characters, too
        ("a..b", b"a\xe2\x82b", (0, 4)),
        ("done", b"\xff\xfe\x80 done \xc3", (4, 8)),
        ("[^x]b", b"x\xc3b", (1, 3)),
        (r"\x{1F600}", "hm 😀".encode(), (3, 7)),
        (r"\pL\d", "ünx7".encode(), (3, 5)),
        ("", b"a", (0, 0)),
        ("x*", b"abc", (0, 0)),
    ],
)
def test_a_match_is_where_it_stands(pattern: str, said: bytes, match: tuple[int, int]) -> None:
    """In offsets of the console's own bytes, in one piece and byte by byte."""
    assert until(pattern, [said]) == Matched(*match)
    assert until(pattern, split(said, list(range(len(said))))) == Matched(*match)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("^$", b"foo\r\r\n"),
        (r"^\s*$", b"foo\r\nbar\r\n"),
        ("^bar", b"foo bar\r\n"),
        ("10 %$", b"10 %\r20 %\r\n"),
    ],
)
def test_a_line_ends_only_at_its_end(pattern: str, said: bytes) -> None:
    """The CRs before LF start no line, and a CR that starts a line over ends none."""
    assert until(pattern, [said]) is None
    assert until(pattern, split(said, list(range(len(said))))) is None


@pytest.mark.parametrize(
    ("pattern", "said", "match"),
    [
        (r"\$ $", b"\x1b[?2004h$ ", (8, 10)),
        ("ready$", b"ready", (0, 5)),
        (r"\bready\b", b"ready", (0, 5)),
        (r"ready\z", b"ready\nready", (6, 11)),
        ("ready$", b"ready\r", (0, 6)),
        (r"^\$ $", b"%     \r \r\r\x1b[0m$ ", (14, 16)),  # zsh, after an unfinished line
    ],
)
def test_the_present_end_is_an_end(pattern: str, said: bytes, match: tuple[int, int]) -> None:
    """A prompt has no newline: `$` matches where nothing follows for now."""
    assert until(pattern, [said]) is None
    assert until(pattern, [said], pause=True) == Matched(*match)


@pytest.mark.parametrize("pattern", [r"\Aready", "^ready", r"\bready"])
@pytest.mark.parametrize("before", [BLOCK, 2 * BLOCK, 2 * BLOCK + 1, 3 * BLOCK, 5 * BLOCK - 2])
def test_where_a_block_begins_is_no_end(pattern: str, before: int) -> None:
    """What Until no longer holds still stands before the text that it looks at."""
    assert until(pattern, [b"x" * before, b"ready "]) is None


@pytest.mark.parametrize("before", range(3 * BLOCK - 12, 3 * BLOCK + 3))
def test_a_match_across_blocks_is_found(before: int) -> None:
    """Wherever the text is cut, also inside of a character."""
    assert until("ré[a]dy", [b"-" * before, "réady".encode()]) == Matched(before, before + 6)
    assert until(r"\br[é]ady\b", [b"-" * before, "réady.".encode()]) == Matched(before, before + 6)
    long = b"-" * before + b"(" + b"x" * (BLOCK - 2) + b")"
    assert until(r"\(x*\)", [long]) == Matched(before, before + BLOCK)


PATTERNS = [
    "a", "ab", "a+b", "^a", "b$", "^$", r"\ba", r"a\b", r"\B", "(?i)AB", "a.b", "[^a]b", "é", ".é.",
    r"\r\n", r"\n\n", "(a|ab)(c|bcd)?$", "x*", "$", r"a\z", r"\Aab", "(?s)a.*b$", "[aé]{3}$", r"\C",
    "a{2,}", "b[$a]", r"\x{1a}a",
]  # fmt: skip
PIECES = [
    b"a", b"b", b"ab", b" ", b"\r\n", b"\n", b"\r", "é".encode(), "€".encode(), b"\xc3", b"\xff",
    b"\x1b[1m", b"\x1b]0;t\x07", b"\x1b", b"\xe2\x82", b"c", b"a" * 100, b"-" * (BLOCK - 3),
]  # fmt: skip
BYTES = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(0, 3 * BLOCK) | st.integers(0, 60), max_size=12)


@given(st.sampled_from(PATTERNS), BYTES, CUTS, st.booleans())
def test_how_the_output_is_cut_makes_no_difference(
    pattern: str, said: bytes, cuts: list[int], pause: bool
) -> None:
    """Any split of the bytes gives the match that the whole gives."""
    whole = until(pattern, [said], pause=pause)
    assert until(pattern, split(said, cuts), pause=pause) == whole
    assert whole is None or 0 <= whole.offset <= whole.to <= len(said)


ALIKE = ["a", "ab", "a+b", "(?i)AB", "a[ab]c", "(a|ab)(c|bcd)?", "x*", "a{2,}", "[^a]b", "a(?s:.)b"]


@given(st.sampled_from(ALIKE), st.text("abc \n", max_size=60))
def test_it_is_the_match_that_ends_first(pattern: str, said: str) -> None:
    """As `re` finds it when it is shown one character more at a time."""
    parts = (re.search(pattern, said[:end]) for end in range(len(said) + 1))
    first = next((match for match in parts if match), None)
    found = until(pattern, [said.encode()])
    if first is None or not said:
        assert found is None
    else:
        assert found == Matched(*first.span())


@pytest.mark.parametrize(
    "pattern",
    [
        "needle",
        "^needle",
        "needle$",
        r"\bneedle\b",
        "n.*dl",
        "^(needle|pin)$",
        "é+ needle",
    ],
)
@pytest.mark.parametrize("before", [0, 1, BLOCK - 3, 2 * BLOCK - 1, 50_000, 300_001])
async def test_much_output_at_once_is_searched_as_little_is(pattern: str, before: int) -> None:
    """What is skimmed for its lack of a match has none: the match is the same, piece by piece."""
    line = "\x1b[32mtime\x1b[0m a line of a log, é and 10 %\r20 %\r\n".encode()
    text = (line * (before // len(line) + 1))[:before] + b"\x1b[m\r\n" * (before > 0)
    said = text + "needle\r\né needle\r\n".encode() + line * 3000
    found = await Until(compiled(pattern, "until")).feed(0, said)
    assert found == until(pattern, [said])
    assert found is not None
    in_pieces = Until(compiled(pattern, "until"))
    size = 70_001
    answers = [await in_pieces.feed(at, said[at : at + size]) for at in range(0, len(said), size)]
    assert next(answer for answer in answers if answer is not None) == found
