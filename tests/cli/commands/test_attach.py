"""attach, as a person has it: in a window of a real terminal emulator, over a line that breaks."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_bridge.client import Bridge, connect
from tests.conftest import Server
from tests.support.cable import Cable
from tests.support.tmux import Tmux

# vim-tiny installs `vim.tiny`; with a full vim there is `vim`.
VIM = shutil.which("vim") or shutil.which("vim.tiny")
HTOP = shutil.which("htop")

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    with Tmux(tmp_path) as server:
        yield server


@pytest.fixture
def bash(bridge_server: Server) -> Iterator[tuple[Bridge, str]]:
    """A terminal with a real interactive bash of 24 rows, and a client."""
    name = f"attach_{uuid.uuid4().hex[:8]}"
    with connect(bridge_server.url, bridge_server.token) as bridge:
        bridge.consoles.open(
            name,
            shell_command=["bash", "--norc", "--noprofile", "-i"],
            env={"PS1": "[$?] $ ", "TERM": "tmux-256color", "PROMPT_COMMAND": None},
            rows=24,
            cols=80,
        )
        yield bridge, name
        bridge.consoles.end(name, purge=True)


@pytest.mark.skipif(VIM is None, reason="vim is not installed")
def test_vim_is_as_it_was_after_a_break(
    bridge_server: Server, bash: tuple[Bridge, str], tmux: Tmux, tmp_path: Path
) -> None:
    """The line breaks and comes back: vim's screen is the same, what vim drew meanwhile is there
    too, and vim hears what is typed."""
    bridge, name = bash
    file = tmp_path / "poem.txt"
    file.write_text("".join(f"line {number} of a long poem\n" for number in range(1, 201)))
    with Cable(bridge_server.url) as cable:
        window = tmux.open(bridge_server, "attach", name, url=cable.url)
        window.shows("[0] $")
        witness = tmux.open(bridge_server, "attach", "--watch", name)
        witness.shows("[0] $")
        window.type(f"{VIM} -u NONE -N -n --not-a-term {file}\n")
        window.shows("line 20 of", "poem.txt")
        window.type("100Gzt")
        window.shows("line 100 of", "line 120 of")
        before = window.until(lambda: window.screen() == witness.screen(), "the same screen")
        assert window.other_screen
        connections = cable.connections
        cable.cut()
        # Somebody else types while nobody sits here.
        bridge.consoles.send(name, "Oa line that was written in between\x1b")
        witness.shows("a line that was written in between")
        window.type("k")  # waits for the line
        assert "in between" not in window.text()
        cable.mend()
        window.shows("a line that was written in between", "line 99 of")
        window.until(lambda: window.screen() == witness.screen(), "the same screen")
        assert cable.connections > connections
        bridge.consoles.send(name, "u")
        window.type("100Gzt")
        window.until(lambda: "in between" not in window.text(), "the line's end")
        window.type(":\n")
        window.type("100Gzt:\n")
        assert before.splitlines()[:20] == window.screen().splitlines()[:20]
        window.type(":q!\n")
        window.shows("[0] $")
        window.until(lambda: not window.other_screen, "bash's own screen")
        window.until(lambda: window.screen() == witness.screen(), "the same screen")


@pytest.mark.skipif(HTOP is None, reason="htop is not installed")
def test_htop_is_drawn_anew_after_a_break(
    bridge_server: Server, bash: tuple[Bridge, str], tmux: Tmux
) -> None:
    """A program that draws all the time, cut off again and again: the window that came back shows
    what a window that was never cut off shows, byte for byte and colour for colour."""
    _, name = bash
    with Cable(bridge_server.url) as cable:
        window = tmux.open(bridge_server, "attach", name, url=cable.url)
        window.shows("[0] $")
        witness = tmux.open(bridge_server, "attach", "--watch", name)
        witness.shows("[0] $")
        window.type("htop -d 20\n")
        window.shows("Load average", "F10Quit")
        for _ in range(3):
            connections = cable.connections
            cable.cut()
            seen = witness.screen()
            witness.until(lambda: witness.screen() != seen, "another drawing")  # noqa: B023
            cable.mend()
            window.until(lambda: cable.connections > connections, "a new line")  # noqa: B023
            window.until(lambda: window.screen() == witness.screen(), "the same screen")
        window.type("q")
        window.shows("[0] $")
        assert not window.other_screen


def test_the_size_of_the_window_reaches_the_program(
    bridge_server: Server, bash: tuple[Bridge, str], tmux: Tmux
) -> None:
    """The terminal has this window's size at once and after its corner was dragged."""
    _, name = bash
    window = tmux.open(bridge_server, "attach", name, rows=30)
    window.shows("[0] $")
    window.type("stty size\n")
    window.shows("30 80")
    window.type("trap 'echo now $(stty size)' WINCH\n")
    window.resize(20, 100)
    window.shows("now 20 100")


def test_ctrl_bracket_leaves_whatever_runs(
    bridge_server: Server, bash: tuple[Bridge, str], tmux: Tmux
) -> None:
    """Ctrl-] gives this terminal back as it was, even while the line is broken; the program over
    there goes on."""
    bridge, name = bash
    with Cable(bridge_server.url) as cable:
        for broken in (False, True):
            window = tmux.open(bridge_server, "attach", name, url=cable.url)
            window.shows("[0] $")
            window.type("printf '\\033[?1049h\\033[?25lfull'; read x; printf '\\033[?1049l'\n")
            window.until(lambda: window.other_screen, "the other screen")  # noqa: B023
            if broken:
                cable.cut()
            window.press("C-]")
            window.shows(f"[left {name}]", "exited 0")
            assert not window.other_screen
            assert bridge.consoles.get(name).state == "live"
            # This side reads lines again and shows what is typed.
            window.type("typed here\n")
            assert window.shows("typed here\ntyped here")
            cable.mend()
            bridge.consoles.send(name, "\n")


def test_a_watcher_types_nothing(
    bridge_server: Server, bash: tuple[Bridge, str], tmux: Tmux
) -> None:
    """With --watch keys go nowhere and the window's size does not count; Ctrl-] leaves."""
    bridge, name = bash
    writer = tmux.open(bridge_server, "attach", name)
    writer.shows("[0] $")
    watcher = tmux.open(bridge_server, "attach", "--watch", name, rows=15)
    watcher.shows("[0] $")
    watcher.type("echo never\n")
    watcher.resize(10, 60)
    # What is typed behind it comes, so what was typed before it would have come.
    writer.type("stty size; echo seen\n")
    watcher.shows("24 80", "seen")
    assert "never" not in writer.text()
    watcher.press("C-]")
    watcher.shows(f"[left {name}]", "exited 0")
    said = b"".join(
        frame.data for frame in bridge.consoles.tail(name, offset=0) if hasattr(frame, "data")
    )
    assert b"never" not in said


def test_stealing_takes_over_and_tells(
    bridge_server: Server, bash: tuple[Bridge, str], tmux: Tmux
) -> None:
    """With --steal who sat there is told and watches on, also after a broken line."""
    bridge, name = bash
    with Cable(bridge_server.url) as cable:
        first = tmux.open(bridge_server, "attach", name, url=cable.url)
        first.shows("[0] $")
        first.type("echo mi''ne\n")
        first.shows("mine")
        thief = tmux.open(bridge_server, "attach", "--steal", name)
        thief.shows("[0] $")
        first.shows("has taken over; you are watching")
        thief.type("echo hi''s\n")
        first.shows("his")
        first.type("echo no''body\n")
        first.shows("has taken over this console")
        connections = cable.connections
        cable.cut()
        cable.mend()
        first.until(lambda: cable.connections > connections, "a new line")
        first.type("echo no''body\n")
        first.shows("open it with mode=join to type")
        thief.type("echo st''ill\n")
        first.shows("still")
        assert "nobody" not in thief.text()
        modes = sorted(viewer.mode for viewer in bridge.consoles.get(name).viewers)
        assert modes == ["steal", "watch"]
