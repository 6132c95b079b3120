"""The commands of a console: what its marks tell, wherever they are cut; and what is no command."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from typing import NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire.shell import typed_line
from jupyter_bridge.wire.shell.timeline import LONGEST_MARK, MAX_TEXT, ShellCommand, Timeline

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
RUN, OLD = "0123456789abcdef" * 2, "fedcba9876543210" * 2
RUN_LINE = b"$  . /tmp/jb-a_1/7 # make all\r\n"


def mark(letter: str, tag: str | None = KEY, more: str = "", status: str = "") -> bytes:
    tagged = f";jb={tag}" if tag is not None else ""
    return f"\x1b]133;{letter}{status}{tagged}{more}\x07".encode()


A, B, C, INPUT = mark("A"), mark("B"), mark("C"), mark("I")
PS2 = mark("P", status=";k=s") + b"> " + INPUT


def d(status: int = 0, cwd: str = "/tmp", tag: str | None = KEY) -> bytes:
    return mark("D", tag, f";{cwd}" if tag is not None else "", f";{status}")


SH = A + B + b"$ " + INPUT


class Found(NamedTuple):
    """A command as the tables say it; `output` is what its offsets enclose."""

    text: str | None
    status: int | None
    output: bytes | None
    cwd: str | None = None


def found(data: bytes, *, limit: int = 100, cut: int = 0, ended: bool = False) -> list[Found]:
    timeline = Timeline(0, limit)
    for start in range(0, len(data), cut or len(data) or 1):
        timeline.feed(data[start : start + cut] if cut else data)
    timeline.finish(len(data) if ended else None)
    return [Found(one.text, one.status, _output(data, one), one.cwd) for one in timeline.commands]


def _output(data: bytes, command: ShellCommand) -> bytes | None:
    assert command.offset == command.began + 1
    return None if command.end is None else data[command.offset : command.end]


TYPED = mark("C", more=";cmdline='echo a'")
CASES: dict[str, tuple[bytes, list[Found]]] = {
    "nothing": (b"", []),
    "a prompt": (A + B + b"$ ", []),
    "zsh": (
        A + b"% echo a\r\n" + TYPED + b"a\r\n" + d(3, "/x") + A,
        [Found("echo a", 3, b"a\r\n")],
    ),
    "fish": (
        A + mark("C", more=";cmdline_url=echo%20%C3%A9%0A") + b"\xc3\xa9\r\n" + d(),
        [Found("echo é", 0, b"\xc3\xa9\r\n")],
    ),
    "bash": (
        A + B + b"$ echo a\r\n" + C + b"a\r\n" + mark("E", more=r";cmdline=echo\ a") + d(),
        [Found("echo a", 0, b"a\r\n")],
    ),
    "bash without history": (
        A + B + b"me@here:/tmp# echo a > b\r\n" + C + b"a\r\n" + d(),
        [Found("echo a > b", 0, b"a\r\n")],
    ),
    "sh": (SH + b"echo a\r\na\r\n" + d(1), [Found("echo a", 1, b"a\r\n")]),
    "sh, its prompt without a sign": (
        A + B + b"say: " + INPUT + b"echo a > b\r\n" + d(),
        [Found("echo a > b", 0, b"")],
    ),
    "sh, of two lines": (
        SH + b"echo 'a\r\n" + PS2 + b"b'\r\na\r\nb\r\n" + d(),
        [Found("echo 'a\nb'", 0, b"a\r\nb\r\n")],
    ),
    "sh, after a run": (
        mark("C", RUN) + d(0, tag=RUN) + SH + b"ls\r\nx" + d(0, tag=RUN) + mark("A", RUN) + d(),
        [Found(None, 0, b""), Found("ls", 0, b"x", "/tmp")],
    ),
    "sh, an empty line": (SH + b"\r\n" + d(1) + SH, []),
    "sh, a line given up": (SH + b"rm -r x^C\r\n" + d(130) + SH, []),
    "ksh, a line given up": (SH + b"rm -r x\r\n" + d(258) + SH, []),
    "sh, interrupted": (SH + b"sleep 9\r\n^C\r\n" + d(130), [Found("sleep 9", 130, b"^C\r\n")]),
    "a line given up": (A + B + b"$ rm -r x^C\r\n" + A + B, []),
    "a run": (
        A + B + RUN_LINE + C + mark("C", RUN) + b"out" + d(2, "/x", RUN) + mark("A", RUN) + A,
        [Found("make all", 2, b"out")],
    ),
    "a run that tells": (
        SH
        + RUN_LINE
        + mark("E", RUN, ";cmdline_url=make%0Aall")
        + mark("C", RUN)
        + b"out"
        + d(0, tag=RUN)
        + d(0, tag=RUN)
        + d(),
        [Found("make\nall", 0, b"out")],
    ),
    "a run, and jobs that ended": (
        A + B + RUN_LINE + C + b"[1]+ Done\r\n" + mark("C", RUN) + b"out" + d(0, tag=RUN),
        [Found("make all", 0, b"out")],
    ),
    "folders": (
        d(0, "/a") + TYPED + d(0, "/b;c") + TYPED + d(0, "") + TYPED,
        [
            Found("echo a", 0, b"", "/a"),
            Found("echo a", 0, b"", "/b;c"),
            Found("echo a", None, None, "/b;c"),
        ],
    ),
    "no end": (
        TYPED + b"a" + A + TYPED,
        [Found("echo a", None, b"a"), Found("echo a", None, None)],
    ),
    "marks of another terminal": (
        A + TYPED + mark("A", OTHER) + mark("C", OTHER) + b"\n" + mark("C", RUN) + d(1, tag=OTHER)
        + d(9, tag=RUN) + d(),
        [Found("echo a", 0, mark("A", OTHER) + mark("C", OTHER) + b"\n" + mark("C", RUN)
               + d(1, tag=OTHER) + d(9, tag=RUN))],
    ),
    "other integrations": (
        b"\x1b]133;A;click_events=1\x1b\\$ \x1b]133;B\x1b\\ls -l\r\n\x1b]133;C\x1b\\x\r\n"
        b"\x1b]133;D;1\x1b\\\x1b]133;A\x07\x1b]133;C;cmdline=echo\\ b\x07b\x1b]133;D\x07",
        [Found("ls -l", 1, b"x\r\n"), Found("echo b", None, b"b")],
    ),
    "other integrations beside a key": (
        mark("C", None) + b"x" + d(1, tag=None)
        + A + mark("C", None) + TYPED + d(0, tag=None) + d(),
        [Found("echo a", 0, d(0, tag=None))],
    ),
    "no marks": (
        b"\x1b]133\x07\x1b]133;\x07\x1b]133;Cx\x07\x1b]133;C\r\n\x1b]133;C\x1b[m\x1b]1337;C\x07"
        b"\x1b]133;C\x18\x1b]133;",
        [],
    ),
    "a mark that is too long": (b"\x1b]133;C;" + b"a" * LONGEST_MARK + b"\x07" + b"\x1b]133;C", []),
    "not text": (
        mark("C")[:-1] + b";cmdline=a\xff\x07" + b"\xff" + d()[:-1] + b"\xff\x07" + TYPED,
        [Found("a\ufffd", 0, b"\xff"), Found("echo a", None, None, "/tmp\ufffd")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_marks_tell_commands(what: str) -> None:
    """Text, status, output and folder of each, in order, wherever the bytes are cut."""
    data, expected = CASES[what]
    assert found(data) == expected
    for cut in (1, 2, 7, 100) if len(data) < LONGEST_MARK else (1000,):
        assert found(data, cut=cut) == expected


pieces = st.one_of(
    st.binary(max_size=9),
    st.sampled_from([A, B, C, INPUT, PS2, TYPED, SH, RUN_LINE, d(), d(130), b"\r\n", b"\x1b"]),
    st.sampled_from([mark("C", RUN), d(0, tag=RUN), mark("A", OTHER), mark("C", None), b"ls\r\n"]),
    st.sampled_from([b"\x1b]133;", b"\x1b]133;C\x1b", b"\x1b]133;C\x1b\\", d(1, tag=None)]),
)


@given(st.lists(pieces, max_size=30), st.integers(1, 60))
def test_any_cut_gives_the_same_list(parts: list[bytes], cut: int) -> None:
    """No bytes fail, and commands are in order and do not overlap."""
    data = b"".join(parts)
    commands = found(data)
    assert found(data, cut=cut) == commands
    timeline = Timeline(0, 100)
    timeline.feed(data)
    places = [at for one in timeline.commands for at in (one.offset, one.end) if at is not None]
    assert places == sorted(places)


def test_an_open_command_ends_with_its_console() -> None:
    """Its status is unknown; while the console lives, it has no end."""
    assert found(TYPED + b"a") == [Found("echo a", None, None)]
    assert found(TYPED + b"a", ended=True) == [Found("echo a", None, b"a")]


def test_the_newest_are_kept() -> None:
    """Up to the limit, also of those before an offset; `dropped` says that there are older ones."""
    data = (TYPED + d()) * 10
    size = len(TYPED + d())
    for limit, before, kept, dropped in (
        (10, None, 10, False),
        (3, None, 3, True),
        (10, 5 * size, 5, False),
        (2, 5 * size, 2, True),
        (2, 0, 0, False),
    ):
        timeline = Timeline(0, limit, before)
        timeline.feed(data)
        timeline.finish()
        assert (len(timeline.commands), timeline.dropped) == (kept, dropped)
        assert timeline.is_done == (before is not None)
        last = 10 if before is None else before // size
        assert [one.offset // size for one in timeline.commands] == list(range(last - kept, last))


@pytest.mark.parametrize(
    ("text", "cwd", "kept"),
    [("x" * 1000, "/", 1000), ("x" * 60_000, "/", 1000), ("x", "/" + "x" * 4000, 261)],
)
def test_what_is_kept_of_all_is_bounded(text: str, cwd: str, kept: int) -> None:
    """Hostile folders and texts cost megabytes at most; `dropped` tells of older ones."""
    timeline = Timeline(0, 1000)
    for number in range(1001):
        timeline.feed(d(0, f"{cwd}{number:04}") + mark("C", more=f";cmdline_url={text}") + d())
    assert len(timeline.commands) == kept
    assert timeline.dropped
    newest = timeline.commands[-1]
    assert (newest.text, newest.cwd) == (text[:1000], f"{cwd}1000")
    assert sum(len(one.text or "") + len(one.cwd or "") for one in timeline.commands) <= MAX_TEXT


def test_a_path_that_no_system_has_is_none() -> None:
    """PATH_MAX is 4096 bytes."""
    data = d(0, "/" + "x" * 4096) + TYPED + d()
    assert found(data) == [Found("echo a", 0, b"")]


def test_a_gap_ends_nothing() -> None:
    """Offsets go on after missing bytes; a mark or a line that a gap cuts is none."""
    timeline = Timeline(1000, 10)
    timeline.feed(A + TYPED + b"a" + d()[:9])
    timeline.skip(50)
    timeline.feed(b"b" + d(7) + SH + b"half")
    timeline.skip(1)
    timeline.feed(b"typed\r\n" + d())
    (command,) = timeline.commands
    start = 1000 + len(A + TYPED)
    assert (command.offset, command.end, command.status) == (start, start + 9 + 50 + 2, 7)


TEXTS = ["ls", "echo  it's", "a\nb\t\x1b[m", "é漢 $HOME `x` \\n", "'", "a;b;cmdline=c", "\x7f"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_quoted_texts_are_read(shell: str, text: str) -> None:
    """What the shells' own quoting makes of a text is read back."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = {"bash": 'printf %q "$1"', "zsh": 'print -rn -- "${(q+)1}"'}[shell]
    for locale in ("C.UTF-8", "C"):
        said = subprocess.run(
            [shell, "-c", script, shell, text], capture_output=True, env={"LC_ALL": locale}
        )
        assert typed_line.unquoted(said.stdout) == text


@pytest.mark.parametrize("text", TEXTS)
def test_encoded_texts_are_read(text: str) -> None:
    """Percent-encoding is read back; what was cut is read as far as it goes."""
    assert typed_line.decoded(quote(text).encode()) == text
    assert typed_line.unquoted(shlex.quote(text).encode()) == text
    for end in range(len(text)):
        assert isinstance(typed_line.unquoted(shlex.quote(text).encode()[:end]), str)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"abc\b\bX", "aXc"),
        (b"abc\b \b", "ab "),
        (b"abc\r\x1b[Kd", "d"),
        (b"\x1b]0;title\x07\x1b[1;31ma\x1b(B\x1b[mb", "ab"),
        (b"ab\x1b[4Cc\x1b[3Dd", "ab  d c"),
        (b"abcd\x1b[2D\x1b[1Px", "abxd"[:3]),
        (b"xyw\x1b[D\x1b[@z", "xyzw"),
        (b"ab\x1b[9999999999999999999C", "ab"),
        (b"\xff\xc3", "\ufffd\ufffd"),
    ],
)
def test_a_line_is_what_the_editor_shows(data: bytes, line: str) -> None:
    """Backspaces, erasures and moves of the cursor are followed."""
    assert typed_line.rendered(data)[0] == line
