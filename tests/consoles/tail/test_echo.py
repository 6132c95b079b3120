"""The echo of what `send` typed is left out, as real shells show it, and nothing else is."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.sent_texts import SentTexts
from jupyter_bridge.consoles.tail.echo import GIVE_UP_BYTES, EchoFilter
from jupyter_bridge.consoles.tail.pattern import compiled
from jupyter_bridge.consoles.tail.view import View
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.wire.ansi import Piece
from jupyter_bridge.wire.console import Matched, OutputFrame
from tests.consoles.conftest import house, says
from tests.support.waiting import PATIENCE

SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "bash in vi mode": ["bash", "--norc", "--noprofile", "-o", "vi", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "dash": ["dash", "-i"],
    "fish": ["fish", "--no-config", "-i"],
    "ksh": ["ksh", "-i"],
    "mksh": ["mksh", "-i"],
    "busybox": ["busybox", "sh", "-i"],
}
INSTALLED = [
    pytest.param(
        words, id=name, marks=pytest.mark.skipif(not shutil.which(words[0]), reason="missing")
    )
    for name, words in SHELLS.items()
]


async def answer(console: Console, typed: bytes, pattern: str) -> bytes:
    """Send, and return what is shown up to the match."""
    view = View(
        console,
        console.end_offset,
        follow=True,
        skip_echo=True,
        strip=True,
        until=compiled(pattern, "until"),
        timeout=PATIENCE,
    )
    said, is_found = b"", False
    await console.send(typed)
    async for step in view.steps():
        said += step.data if isinstance(step, OutputFrame) else b""
        is_found = is_found or isinstance(step, Matched)
    assert is_found
    return said


@pytest.mark.parametrize("words", INSTALLED)
async def test_a_pattern_does_not_match_what_was_typed(tmp_path: Path, words: list[str]) -> None:
    """The pattern stands in the typed line; the match is in what the command says."""
    env = {"PS1": "here> ", "ENV": None, "TERM": "xterm-256color", "fish_greeting": ""}
    async with house(tmp_path) as consoles:
        console = await consoles.create(TerminalOptions(shell_command=words, env=env))
        await console.send(b"echo rea''dy\n")
        await says(console, b"ready")
        await asyncio.sleep(0.3)  # fish asks the terminal, and draws its prompt later
        for number in range(2):
            typed = b"sleep 0.2; printf 'is %%s\\n' done %d\n" % number
            said = await answer(console, typed, "done")
            assert said.endswith(b"is done"), said
            assert b"sleep" not in said
            if words[0] in ("fish", "mksh"):
                continue  # they draw a line that is longer than the screen again and again
            said = await answer(console, b"echo " + b"a long word " * 20 + b"end\n", "end$")
            assert b"echo" not in said
            assert said.rstrip(b"\r").endswith(b"word end")


async def test_a_password_and_its_answer(tmp_path: Path) -> None:
    """Where nothing is echoed, nothing is left out."""
    script = "stty -echo; printf 'Password: '; read p; echo; echo \"got $p\"; printf 'Again: '"
    async with house(tmp_path) as consoles:
        options = TerminalOptions(shell_command=["sh", "-c", f"{script}; read p; cat"])
        console = await consoles.create(options)
        await says(console, b"Password: ")
        assert await answer(console, b"got\n", "Again: $") == b"\r\ngot got\r\nAgain: "


def left(typed: list[tuple[int, bytes]], output: list[bytes], *, pause: bool = False) -> bytes:
    sent = SentTexts()
    for offset, data in typed:
        sent.note(offset, data)
    echo, offset, shown = EchoFilter(sent, 0), 0, b""
    for data in output:
        shown += b"".join(piece.data for piece in echo.feed([Piece(offset, data)]))
        offset += len(data)
        if pause:
            shown += b"".join(piece.data for piece in echo.pause())
    return shown + b"".join(piece.data for piece in echo.flush())


@pytest.mark.parametrize("pause", [False, True])
@pytest.mark.parametrize("by_byte", [False, True])
@pytest.mark.parametrize(
    ("typed", "output", "shown"),
    [
        ([(0, b"ls\n")], b"ls\r\na b\r\n$ ", b"a b\r\n$ "),
        ([(2, b"ls\n")], b"$ ls\r\nls\r\n$ ", b"$ ls\r\n$ "),
        ([(0, b"make it\n")], b"50 %\r\nmake it\r\nit\r\n", b"50 %\r\nit\r\n"),
        ([(0, b"make it\n")], b"50 %\r\n$ make it\r\nit\r\n", b"50 %\r\nit\r\n"),
        ([(0, b"one\ntwo\n")], b"one\r\ntwo\r\n1\r\n2\r\n", b"1\r\n2\r\n"),
        ([(0, b"one 1\ntwo 2\n")], b"one 1\r\nx\r\n$ two 2\r\ny\r\n", b"x\r\ny\r\n"),
        ([(0, b"ls\n"), (8, b"ls\n")], b"ls\r\nabc\nls\r\nls\r\n", b"abc\nls\r\n"),
        ([(0, b"no\n")], b"Sure?\r\nlong ago, not now\r\n", b"Sure?\r\nlong ago, not now\r\n"),
        ([(0, b"y\n")], b"Really?\r\nready\r\n", b"ready\r\n"),  # cannot be told from an echo
        ([(0, b"echo a long line\n")], b"$ echo a lon\r\r\ng line\r\nok", b"ok"),
        ([(0, b"echo a long line\n")], b"$ echo a lon\r\nother\r\n", b"$ echo a lon\r\nother\r\n"),
        ([(0, b"ls -l\n")], b"ls -l\r\nx\r\n$ ls -l\r\ny\r\n", b"x\r\ny\r\n"),
        ([(0, b"ls -l\n")], b"0 %\r\nls -l\r\n$ ls -l\r\ny\r\n", b"0 %\r\ny\r\n"),
        ([(0, b"hello\n")], b"hello\r\nhello\r\n", b"hello\r\n"),  # cat
        ([(0, b"\n")], b"\r\n$ ", b"\r\n$ "),
        ([(0, b"a\x1b[31mb\n")], b"a^[[31mb\r\nx", b"x"),
        ([(0, b"late one\n")], b"x" * GIVE_UP_BYTES + b"\nlate one\n", None),
    ],
)
def test_what_is_left(
    typed: list[tuple[int, bytes]], output: bytes, shown: bytes | None, by_byte: bool, pause: bool
) -> None:
    """However the output was cut; other output is shown as it is."""
    parts = [output[i : i + 1] for i in range(len(output))] if by_byte else [output]
    assert left(typed, parts) == (output if shown is None else shown)
    assert left([], parts, pause=pause) == output


def test_a_pause_shows_what_is_no_echo() -> None:
    """A prompt that follows no echo is shown at once; the beginning of an echo is not."""
    assert left([(0, b"typed\n")], [b"Password: "], pause=True) == b"Password: "
    sent = SentTexts()
    sent.note(0, b"typed\n")
    echo = EchoFilter(sent, 0)
    assert echo.feed([Piece(0, b"ty")]) + echo.pause() == []
    assert echo.feed([Piece(2, b"ped")]) + echo.pause() == []
    assert echo.feed([Piece(5, b"\r\nok")]) + echo.pause() == [Piece(7, b"ok")]


def test_a_shell_that_was_busy_draws_its_line_in_pieces() -> None:
    """What the tty has shown is held when the shell draws it again, with more at the wrap."""
    sent = SentTexts()
    sent.note(0, b"echo one word end\n")
    echo = EchoFilter(sent, 0)
    drawn = b"here> e\x08echo one wo \rord end"
    for at, data in ((0, b"echo one word end\r\n"), (19, drawn[:12]), (31, drawn[12:])):
        assert echo.feed([Piece(at, data)]) + echo.pause() == []
    end = 19 + len(drawn)
    assert echo.feed([Piece(end, b"\r\none")]) + echo.pause() == [Piece(end + 2, b"one")]
