"""The modes of a terminal: set up elsewhere as they were, and put back."""

from __future__ import annotations

import time

import pytest

from jupyter_bridge.wire.terminal.modes import TerminalModes

# What programs say, the modes that a late viewer needs, and what resets them.
CASES = {
    "plain text": (b"hello \x1b[1;31mred\x1b[0m\r\n", b"", b""),
    "a shell's prompt": (b"\x1b[?2004h$ ", b"\x1b[?2004h", b"\x1b[?2004l"),
    "a command that runs": (b"\x1b[?2004h$ ls\r\n\x1b[?2004l\r", b"", b"\x1b[?2004l"),
    "vim": (
        b"\x1b[?1049h\x1b[22;0;0t\x1b[>4;2m\x1b[?1h\x1b=\x1b[?2004h\x1b[?25l\x1b[2;1Htext",
        b"\x1b[?1049h\x1b[?1h\x1b[?66h\x1b[?2004h\x1b[?25l\x1b[>4;2m",
        b"\x1b[?1049l\x1b[?1l\x1b[?25h\x1b[?66l\x1b[?2004l\x1b[>4m",
    ),
    "less": (
        b"\x1b[?1049h\x1b[?1h\x1b=\r",
        b"\x1b[?1049h\x1b[?1h\x1b[?66h",
        b"\x1b[?1049l\x1b[?1l\x1b[?66l",
    ),
    "htop": (
        b"\x1b[?1049h\x1b[?25l\x1b[?1006;1000h",
        b"\x1b[?1049h\x1b[?25l\x1b[?1006h\x1b[?1000h",
        b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1006l",
    ),
    "an older screen": (b"\x1b[?47h", b"\x1b[?47h", b"\x1b[?47l"),
    "kitty keyboard": (
        b"\x1b[>1u\x1b[?1049h\x1b[>5u\x1b[=8;2u",
        b"\x1b[>1u\x1b[?1049h\x1b[>13u",
        b"\x1b[<1u\x1b[?1049l\x1b[<1u",
    ),
    "kitty keyboard, left": (b"\x1b[>1u\x1b[>3u\x1b[<u", b"\x1b[>1u", b"\x1b[<1u"),
    "kitty keyboard, set": (b"\x1b[=5u", b"\x1b[=5;1u", b"\x1b[=0;1u"),
    "a new other screen": (
        b"\x1b[?1049h\x1b[>1u\x1b[?1049l\x1b[?1049h",
        b"\x1b[?1049h",
        b"\x1b[?1049l",
    ),
    "modifyOtherKeys, left": (b"\x1b[>4;1m\x1b[>4m", b"", b""),
    "modifyOtherKeys, 0": (b"\x1b[>4;1m\x1b[>4;0m", b"", b""),
    "a title": (b"\x1b]0;root@host\x07", b"\x1b]2;root@host\x07", b""),
    "a title, with ST": (b"\x1b]2;\xc3\xa9\x1b\\", b"\x1b]2;\xc3\xa9\x07", b""),
    "an icon's name": (b"\x1b]1;name\x07", b"", b""),
    "a cursor": (b"\x1b[5 q", b"\x1b[5 q", b"\x1b[0 q"),
    "insert": (b"\x1b[4h", b"\x1b[4h", b"\x1b[4l"),
    "no wrap": (b"\x1b[?7l", b"\x1b[?7l", b"\x1b[?7h"),
    "saved and restored": (b"\x1b[?1h\x1b[?1s\x1b[?1l\x1b[?1r", b"\x1b[?1h", b"\x1b[?1l"),
    "synchronized output": (b"\x1b[?2026h", b"", b"\x1b[?2026l"),
    "reports of the size": (b"\x1b[?2048h", b"", b"\x1b[?2048l"),
    "a hard reset": (b"\x1b[?1049h\x1b[?1h\x1b[>1u\x1bc", b"", b"\x1b[?1l"),
    "a soft reset": (
        b"\x1b[?1049h\x1b[?1h\x1b[?25l\x1b[!p",
        b"\x1b[?1049h",
        b"\x1b[?1049l\x1b[?1l\x1b[?6l\x1b[?7h\x1b[?25h\x1b[?66l",
    ),
    "a mode that nobody knows": (b"\x1b[?9999h", b"", b""),
    "a colour query": (b"\x1b]10;?\x07\x1b[?6n\x1b[c", b"", b""),
}


def modes_of(*parts: bytes) -> TerminalModes:
    modes = TerminalModes()
    for part in parts:
        modes.feed(part)
    return modes


@pytest.mark.parametrize(("said", "set_up", "put_back"), CASES.values(), ids=CASES)
def test_modes_are_set_up_and_put_back(said: bytes, set_up: bytes, put_back: bytes) -> None:
    """However the output was cut, and also from a checkpoint in its middle."""
    assert (modes_of(said).set_up(), modes_of(said).put_back()) == (set_up, put_back)
    by_byte = modes_of(*(said[i : i + 1] for i in range(len(said))))
    assert (by_byte.set_up(), by_byte.put_back()) == (set_up, put_back)
    for cut in range(len(said)):
        modes = modes_of(modes_of(said[:cut]).checkpoint(), said[cut:])
        if b"1s" not in said:  # what is saved is not part of a checkpoint
            assert modes.set_up() == set_up, cut


def test_hostile_output_takes_linear_time() -> None:
    """Unfinished sequences, long titles, deep stacks: 4 MiB of each are read in seconds."""
    for said in (b"\x1b[?", b"\x1b]2;a", b"\x1b[>1u", b"\x1b[?1;", b"\x1b", b"\x1b[?1h\x1b]2;"):
        begin = time.process_time()
        modes = TerminalModes()
        for _ in range(64):
            modes.feed(said * (65536 // len(said)))
        assert len(modes.checkpoint()) < 3000
        assert time.process_time() - begin < 10
