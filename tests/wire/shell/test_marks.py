"""The marks of a run: found however they are cut, never faked, and nothing of the output lost."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire.shell.integration import Dialect, integration
from jupyter_bridge.wire.shell.marks import (
    CommandBegan,
    CommandEnded,
    CommandOutput,
    Newlines,
    PromptReady,
    Scanner,
)
from jupyter_bridge.wire.shell.wrapper import Wrapping, dialect_of, quote

NONCE = "n0nce"
C = b"\x1b]133;C;jb=n0nce\x07"
D = b"\x1b]133;D;130;jb=n0nce;/tmp/caf\xc3\xa9\x07"
A = b"\x1b]133;A;jb=n0nce\x07"

# Bytes that look like marks, or like the beginning of one, beside any others.
pieces = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            C,
            b"\x1b",
            b"\x1b]133;",
            b"\x1b]133;D;",
            b"\x1b]133;D;0",
            b"\x1b]133;D;0;jb=n0nc",
            b"\x1b]133;D;0\x07",
            b"\x1b]133;D;0;jb=other;/\x07",
            b"\x1b]133;D;0;jb=n0nce-longer;/\x07",
            b"\x1b]133;D;1234;jb=n0nce;/\x07",
            b"\x1b]133;A;jb=n0nce",
            b"\r",
            b"\r\n",
            "é€𝄞".encode(),
        ]
    ),
)
streams = st.lists(pieces, max_size=20).map(b"".join)


def scan(data: bytes, cuts: list[int], offset: int = 0) -> tuple[bytes, list[object]]:
    """What a scanner makes of `data`, cut at these places: the output and the marks."""
    scanner = Scanner(NONCE, offset)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    output = b""
    marks: list[object] = []
    for start, end in itertools.pairwise(edges):
        for event in scanner.feed(data[start:end]):
            if isinstance(event, CommandOutput):
                output += event.data
            else:
                marks.append(event)
    return output + scanner.rest(), marks


@given(streams, streams, streams, st.lists(st.integers(0, 1000), max_size=8))
def test_cutting_changes_nothing(
    before: bytes, output: bytes, after: bytes, cuts: list[int]
) -> None:
    """The same bytes give the same output and marks, wherever they are cut."""
    data = before.replace(C, b"") + C + output + D + after + A
    assert scan(data, cuts) == scan(data, [])


@given(streams, st.lists(st.integers(0, 1000), max_size=8))
def test_output_is_exact(output: bytes, cuts: list[int]) -> None:
    """Whatever stands between C and D is output, marks with another nonce included."""
    data = b"$ . /tmp/x\r\n" + C + output + D + b"$ " + A + b"more"
    found, marks = scan(data, cuts, offset=1000)
    begin = 1000 + data.index(C) + len(C)
    assert found == output
    assert marks == [
        CommandBegan(begin),
        CommandEnded(begin + len(output), 130, "/tmp/café"),
        PromptReady(begin + len(output) + len(D) + 2),
    ]


@given(streams, st.lists(st.integers(0, 1000), max_size=8))
def test_output_without_an_end_is_whole(output: bytes, cuts: list[int]) -> None:
    """When the console ends first, what looked like the beginning of a mark is output too."""
    found, marks = scan(C + output, cuts)
    assert found == output
    assert marks == [CommandBegan(len(C))]


def test_little_is_held_back() -> None:
    """Output is passed on at once; only what may still become a mark waits."""
    scanner = Scanner(NONCE)
    scanner.feed(C)
    assert scanner.feed(b"hello \x1b]133;D;0;jb=other") == [
        CommandOutput(b"hello \x1b]133;D;0;jb=other", len(C) + 24)
    ]
    assert scanner.feed(b"\x1b]133;D;0;jb=n0nce;/" + b"x" * 8000) != []


def test_a_leaving_shell_is_told() -> None:
    """A hook that also runs when the shell exits marks its D, and only then the status is open."""
    scanner = Scanner(NONCE)
    events = scanner.feed(C + b"\x1b]133;D;9;jb=n0nce!;/\x07")
    assert events[-1] == CommandEnded(len(C), 9, "/", leaving=True)


@given(st.binary(), st.lists(st.integers(0, 100), max_size=5))
def test_newlines_invert_the_terminal(data: bytes, cuts: list[int]) -> None:
    """CR LF to LF gives back exactly what was written before the terminal's ONLCR."""
    shown = data.replace(b"\n", b"\r\n")
    newlines = Newlines()
    edges = [0, *sorted(cut % (len(shown) + 1) for cut in cuts), len(shown)]
    parts = [newlines.feed(shown[a:b]) for a, b in itertools.pairwise(edges)]
    assert b"".join(parts) + newlines.rest() == data


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_quoting_means_the_text(text: str) -> None:
    """A quoted word is read back as exactly that text."""
    assert shlex.split(quote("bash", text)) == [text]
    inner = re.sub(r"\\(['\\])", r"\1", quote("fish", text)[1:-1])
    assert inner == text


def test_programs_have_dialects() -> None:
    """A shell is known by its path, its name or a login shell's argv[0]."""
    assert dialect_of("/usr/bin/bash") == "bash"
    assert dialect_of("-zsh") == "zsh"
    assert dialect_of("dash") == "sh"
    assert dialect_of("/usr/bin/python3") is None


@pytest.mark.parametrize("dialect", ["bash", "zsh", "fish", "sh"])
def test_the_typed_line_is_short(dialect: str) -> None:
    """What is typed stays far below a terminal line's 4,095 bytes and holds no escape."""
    wrapping = Wrapping(dialect, NONCE, "/d/init", "/d/it's", "/d/t", stdout="/d/o", stderr="/d/e")  # type: ignore[arg-type]
    assert len(wrapping.line()) < 200
    assert b"\x1b" not in wrapping.line()


@pytest.mark.parametrize(("dialect", "shell"), [("bash", "bash"), ("sh", "sh")])
def test_scripts_parse(dialect: Dialect, shell: str) -> None:
    """The integration and the wrapper are valid in their dialect."""
    wrapping = Wrapping(dialect, NONCE, "/d/i", "/d/w", "/d/t", "/tmp", {"A": "it's"}, "/d/in")
    for script in (integration(dialect), wrapping.script(), wrapping.ask()):
        subprocess.run([shell, "-n"], input=script, text=True, check=True, timeout=30)


def test_what_is_missing_is_skipped() -> None:
    """Over a gap offsets go on, what was held back is output, and the end is found behind it."""
    scanner = Scanner("n")
    scanner.feed(b"\x1b]133;C;jb=n\x07")
    assert scanner.feed(b"ab\x1b]133;D;1") == [CommandOutput(b"ab", 15)]
    assert scanner.skip(100) == [CommandOutput(b"\x1b]133;D;1", 24)]
    assert scanner.feed(b"c\x1b]133;D;7;jb=n;/\x07") == [
        CommandOutput(b"c", 125),
        CommandEnded(125, 7, "/"),
    ]
