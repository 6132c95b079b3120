"""attach: it can be left whatever the program has set, and leaves the terminal as it was."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest

from jupyter_bridge.client import Bridge, connect
from tests.conftest import Server
from tests.support.terminal import Terminal

WAYS = ["\x1d", "\x1b[27;5;93~", "\x1b[93;5u", "\x1b[93;5:1u\x1b[93;5:3u"]


@pytest.fixture
def console(bridge_server: Server) -> Iterator[tuple[Bridge, str]]:
    """A terminal with a program that shows what is typed, byte by byte."""
    name = f"keys_{uuid.uuid4().hex[:8]}"
    modes = r"\033[?1049h\033[?1h\033=\033[>4;2m\033[>1u\033[?1000h\033]0;program\007"
    script = f"stty raw -echo; printf '{modes}at your service\\r\\n'; exec cat -v"
    with connect(bridge_server.url, bridge_server.token) as bridge:
        bridge.consoles.open(name, shell_command=["sh", "-c", script])
        for _ in bridge.consoles.tail(name, offset=0, until="service", timeout=60):
            pass
        yield bridge, name
        bridge.consoles.end(name, purge=True)


@pytest.mark.parametrize("options", [(), ("--watch",), ("--steal",)])
@pytest.mark.parametrize("way", WAYS)
def test_the_detach_key_leaves(
    bridge_server: Server, console: tuple[Bridge, str], way: str, options: tuple[str, ...]
) -> None:
    """In every encoding and mode; modes that the program has set are set first, then put back."""
    bridge, name = console
    with Terminal(bridge_server, "attach", *options, name) as terminal:
        terminal.expect(re.escape("\x1b[?1049h"))
        terminal.expect("service")
        terminal.type(way)
        left = terminal.expect(f"left {name}")
        assert terminal.wait() == 0
    for mode in ("[?1049l", "[?1l", "[?66l", "[>4m", "[<1u", "[?1000l", "[23;2t"):
        assert f"\x1b{mode}" in left, mode
    assert bridge.consoles.get(name).state == "live"


def test_a_viewer_in_the_middle_gets_the_modes(
    bridge_server: Server, console: tuple[Bridge, str]
) -> None:
    """Output has pushed what set them out of the lines that are shown; they come first."""
    bridge, name = console
    bridge.consoles.send(name, "\n".join(map(str, range(1, 100))) + "\nlast")
    for _ in bridge.consoles.tail(name, offset=0, until="last", timeout=60):
        pass
    with Terminal(bridge_server, "attach", "--watch", name) as terminal:
        shown = terminal.expect("last")
        assert "at your service" not in shown
        begin = shown.index("\x1b[?1049h")
        for mode in ("[?1h", "[?66h", "[>4;2m", "[>1u", "[?1000h", "]2;program"):
            assert f"\x1b{mode}" in shown[: shown.index("99")], mode
        assert "\x1b[22;2t" in shown[:begin]
        terminal.type("\x1d")
        assert terminal.wait() == 0


def test_twice_is_typed_once(bridge_server: Server, console: tuple[Bridge, str]) -> None:
    """The program gets the key in the encoding in which it came."""
    _, name = console
    with Terminal(bridge_server, "attach", name) as terminal:
        terminal.expect("service")
        terminal.type("\x1d\x1da")
        terminal.expect(re.escape("^]a"))
        terminal.type("\x1b[93;5u\x1b[93;5ub")
        terminal.expect(re.escape("^[[93;5ub"))
        terminal.type("\x1d")
        terminal.expect(f"left {name}")
        assert terminal.wait() == 0


def test_other_keys_detach(bridge_server: Server, console: tuple[Bridge, str]) -> None:
    """With --detach-keys Ctrl-] is typed, and the keys given leave."""
    _, name = console
    with Terminal(bridge_server, "attach", "--detach-keys", "ctrl-p,ctrl-q", name) as terminal:
        terminal.expect("service")
        terminal.type("\x1d\x10x")
        terminal.expect(re.escape("^]^Px"))
        terminal.type("\x10")
        terminal.type("\x11")
        terminal.expect(f"left {name}")
        assert terminal.wait() == 0
    with Terminal(bridge_server, "attach", "--detach-keys", "alt-x", name) as terminal:
        terminal.expect("--detach-keys alt-x: write letters")
        assert terminal.wait() == 2


@pytest.mark.parametrize(("rows", "cols"), [(0, 0), (0, 80), (24, 0), (1, 1)])
def test_a_terminal_without_a_size_attaches(
    bridge_server: Server, console: tuple[Bridge, str], rows: int, cols: int
) -> None:
    """A serial line has 0 rows and columns: the console keeps its own size."""
    bridge, name = console
    with Terminal(bridge_server, "attach", name, rows=rows, cols=cols) as terminal:
        terminal.expect("service")
        terminal.type("ok")
        terminal.expect("ok")
        terminal.type("\x1d")
        terminal.expect(f"left {name}")
        assert terminal.wait() == 0
    assert bridge.consoles.get(name).state == "live"


def test_tail_leaves_the_terminal_as_it_was(
    bridge_server: Server, console: tuple[Bridge, str]
) -> None:
    """On a terminal it puts the modes back, at its end and when it is stopped."""
    _, name = console
    back = re.escape("\x1b[?1049l")
    with Terminal(bridge_server, "tail", name) as terminal:
        terminal.expect("service")
        terminal.expect(back)
        assert terminal.wait() == 0
    with Terminal(bridge_server, "tail", "-f", name) as terminal:
        terminal.expect("service")
        terminal.interrupt()
        terminal.expect(back)
        assert terminal.wait() == 130
    with Terminal(bridge_server, "--json", "tail", name) as terminal:
        terminal.expect("service")
        assert terminal.wait() == 0
        assert "\x1b" not in terminal.shown
