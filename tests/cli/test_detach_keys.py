"""The keys that leave: in every way a terminal sends them, twice to send them, and others."""

from __future__ import annotations

import pytest

from jupyter_bridge.cli.detach_keys import AGAIN_SECONDS, DEFAULT, DetachKeys, parsed
from jupyter_bridge.problems import BadRequest


class Keyboard:
    """Detach keys with a clock that is moved."""

    def __init__(self, keys: str = DEFAULT) -> None:
        self.now = 100.0
        self.keys = DetachKeys(keys, clock=lambda: self.now)

    def press(self, *parts: bytes) -> bytes:
        return b"".join(self.keys.feed(part) for part in parts)

    def pause(self, seconds: float = AGAIN_SECONDS) -> bytes:
        self.now += seconds
        return self.keys.feed(b"")


WAYS = {
    "as ever": b"\x1d",
    "modifyOtherKeys": b"\x1b[27;5;93~",
    "kitty": b"\x1b[93;5u",
    "kitty, with the event": b"\x1b[93;5:1u",
    "kitty, held down": b"\x1b[93;5:2u",
    "kitty, with the shifted key": b"\x1b[93:125;5u",
    "kitty, another layout": b"\x1b[43::93;5u",
    "kitty, with locks": b"\x1b[93;197u",
    "kitty, with text": b"\x1b[93;5;93u",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("cut", [False, True])
def test_the_key_leaves_in_every_encoding(way: bytes, cut: bool) -> None:
    """Also if it arrives byte by byte; what was typed before it is sent."""
    keyboard = Keyboard()
    parts = [way[i : i + 1] for i in range(len(way))] if cut else [way]
    assert keyboard.press(b"ls", *parts) == b"ls"
    assert not keyboard.keys.leaves
    keyboard.pause(keyboard.keys.wait or 0)
    assert keyboard.keys.leaves


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_pressed_again_it_is_sent_once(way: bytes) -> None:
    """In the encoding in which it came; the console stays attached."""
    keyboard = Keyboard()
    assert keyboard.press(way, way, b"x") == way + b"x"
    keyboard.pause()
    assert not keyboard.keys.leaves
    assert keyboard.press(way) == b""
    keyboard.pause()
    assert keyboard.keys.leaves


def test_a_key_that_comes_up_is_no_key() -> None:
    """With kitty's events, the releases of Ctrl and of ] do not change what the keys mean."""
    up, ctrl_up, ctrl_down = b"\x1b[93;5:3u", b"\x1b[57442;1:3u", b"\x1b[57442;5:1u"
    keyboard = Keyboard()
    assert keyboard.press(ctrl_down) == ctrl_down
    assert keyboard.press(b"\x1b[93;5u", up, ctrl_up) == b""
    keyboard.pause()
    assert keyboard.keys.leaves
    keyboard = Keyboard()
    down = b"\x1b[93;5u"
    assert keyboard.press(down, up, ctrl_up, ctrl_down, down, b"x") == b"".join(
        (down, up, ctrl_up, ctrl_down, b"x")
    )


def test_another_key_at_once_still_leaves() -> None:
    """What is typed after the key belongs to this terminal."""
    keyboard = Keyboard()
    assert keyboard.press(b"\x1dls") == b""
    assert keyboard.keys.leaves


@pytest.mark.parametrize(
    "typed",
    [
        b"\x1b[A", b"\x1b[93;1u", b"\x1b[93;6u", b"\x1b[27;6;93~", b"\x1bOA", b"]", b"\x1b]",
        b"\x1b[<0;93;5M", b"\x1b[200~a\x1db\x1b[201~", b"\x1b[?1;2c", b"\xe2\x82\xac",
    ],
)  # fmt: skip
def test_everything_else_is_sent(typed: bytes) -> None:
    """Other keys, mouse reports, answers of the terminal and pasted text go through unchanged."""
    keyboard = Keyboard()
    assert keyboard.press(typed, b"x") == typed + b"x"
    keyboard = Keyboard()
    assert (
        keyboard.press(*(typed[i : i + 1] for i in range(len(typed)))) + keyboard.pause() == typed
    )
    assert not keyboard.keys.leaves


def test_escape_alone_is_sent_after_a_moment() -> None:
    """It may begin a sequence; `wait` says for how long."""
    keyboard = Keyboard()
    assert keyboard.press(b"\x1b") == b""
    assert keyboard.keys.wait is not None
    assert keyboard.pause(keyboard.keys.wait) == b"\x1b"
    assert keyboard.keys.wait is None


def test_several_keys_leave_together() -> None:
    """As docker has it: the first keys alone are sent, once another key tells."""
    keyboard = Keyboard("ctrl-p,ctrl-q")
    assert keyboard.press(b"\x10a") == b"\x10a"
    assert keyboard.press(b"\x10\x10a") == b"\x10\x10a"
    assert keyboard.press(b"\x10", b"\x11") == b""
    assert keyboard.pause() == b""
    assert keyboard.keys.leaves
    keyboard = Keyboard("ctrl-p,ctrl-q")
    assert keyboard.press(b"\x10\x11\x10\x11a") == b"\x10\x11a"
    assert keyboard.press(b"\x1b[112;5u\x1b[27;5;113~") == b""
    keyboard.pause()
    assert keyboard.keys.leaves


def test_what_is_no_key_is_said() -> None:
    """The words are docker's: a letter, or ctrl- and a letter or one of @ [ \\ ] ^ _."""
    assert parsed("ctrl-], ctrl-A,x") == (29, 1, 120)
    for text in ("", "ctrl-", "ctrl-5", "alt-x", "ctrl-p,,a", "é", "ab"):
        with pytest.raises(BadRequest, match="ctrl- and one of"):
            parsed(text)
