"""run in a terminal: the command has the keyboard, the screen and its size."""

from __future__ import annotations

import fcntl
import os
import queue
import signal
import struct
import termios
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_bridge.cli import output
from jupyter_bridge.cli.run_input import Keyboard
from jupyter_bridge.client import Bridge, connect
from tests.conftest import Server
from tests.support.terminal import Terminal
from tests.support.waiting import PATIENCE


@pytest.fixture
def bridge(bridge_server: Server) -> Iterator[Bridge]:
    """A client of the server."""
    with connect(bridge_server.url, bridge_server.token) as client:
        yield client


def modes(terminal: Terminal) -> list[int]:
    """The terminal's modes, without its speeds and characters."""
    return [int(flags) for flags in termios.tcgetattr(terminal._main)[:4]]


def test_keys(bridge_server: Server) -> None:
    """Lines, Ctrl-D and Ctrl-C reach the command; the terminal is left as it was."""
    script = (
        "cat; echo end of file; sh -c 'trap \"echo caught\" INT; sleep 100; echo woken'; exit 5"
    )
    with Terminal(bridge_server, "run", "--shell", "bash", script) as terminal:
        before = modes(terminal)
        terminal.type("one\n")
        terminal.expect("one\r\none\r\n")
        assert modes(terminal) != before
        terminal.type("\x04")
        terminal.expect("end of file\r\n")
        terminal.interrupt()
        terminal.expect(r"\^C.*caught\r\nwoken\r\n")
        assert terminal.wait() == 5
        assert modes(terminal) == before


def test_ctrl_c_ends_the_command(bridge_server: Server) -> None:
    """Ctrl-C is the command's, and its code 130 is this command's."""
    with Terminal(bridge_server, "run", "echo on; sleep 100") as terminal:
        terminal.expect("on\r\n")
        terminal.interrupt()
        assert terminal.wait() == 130


def test_ctrl_z(bridge_server: Server) -> None:
    """Ctrl-Z suspends the program over there, and its shell goes on."""
    with Terminal(bridge_server, "run", "--shell", "bash", "echo on; cat; echo $?") as terminal:
        terminal.expect("on\r\n")
        terminal.type("x\n")
        terminal.expect("x\r\nx\r\n")
        terminal.type("\x1a")
        terminal.expect("148\r\n")
        assert terminal.wait() == 0


def test_size(bridge_server: Server) -> None:
    """The command's terminal has this one's size, and follows it."""
    script = """sh -c 'trap "stty size" WINCH; stty size; while :; do sleep 0.1; done'"""
    with Terminal(bridge_server, "run", "--shell", "bash", script) as terminal:
        terminal.expect("40 100\r\n")
        fcntl.ioctl(terminal._main, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
        terminal.expect("30 90\r\n")
        terminal.interrupt()
        terminal.wait()


def test_a_size_that_changes_while_the_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as soon as the run has a name."""
    main, terminal = os.openpty()
    sizes, told = [(40, 100)], queue.SimpleQueue[tuple[int, int]]()
    monkeypatch.setattr(output, "terminal_size", lambda: sizes[-1])
    keyboard = Keyboard(terminal)
    sizes.append((30, 90))
    stream: Any = SimpleNamespace(run="run", resize=lambda *size: told.put(size))
    keyboard.start(stream)
    assert told.get(timeout=PATIENCE) == (30, 90)
    keyboard.stop()
    os.close(main)
    os.close(terminal)


def test_pager(bridge_server: Server) -> None:
    """On a terminal a pager pages, on the whole screen, and ends with its own key."""
    with Terminal(bridge_server, "run", "seq 500 | LESS= less; echo status $?") as terminal:
        terminal.expect(r"\b39\b.*:")
        terminal.type("q")
        terminal.expect("status 0")
        assert terminal.wait() == 0


def test_stop_signals(bridge_server: Server) -> None:
    """A signal that ends this command stops the other one, and restores the terminal."""
    with Terminal(bridge_server, "run", "echo on; sleep 100") as terminal:
        before = modes(terminal)
        terminal.expect("on\r\n")
        terminal._process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 128 + signal.SIGTERM
        assert modes(terminal) == before


def test_piped_into(bridge_server: Server) -> None:
    """With stdin from a pipe, output on a terminal is shown as a terminal shows it."""
    here, there = os.pipe()
    with Terminal(bridge_server, "run", "cat; stty size </dev/tty", stdin=here) as terminal:
        os.close(here)
        os.write(there, b"a\nb\n")
        terminal.expect("a\r\nb\r\n")
        os.close(there)
        terminal.expect("40 100\r\n")
        assert terminal.wait() == 0


def test_typed_for_a_pipe(bridge_server: Server) -> None:
    """With stdout in a pipe, typed lines are the command's input, up to Ctrl-D."""
    here, there = os.pipe()
    with Terminal(bridge_server, "run", "cat", stdout=there) as terminal:
        os.close(there)
        terminal.type("typed\n\x04")
        assert terminal.wait() == 0
        assert os.read(here, 100) == b"typed\n"
    os.close(here)


def test_no_size(bridge_server: Server) -> None:
    """A terminal of 0x0 is no reason to fail."""
    with Terminal(bridge_server, "run", "read x; echo got $x") as terminal:
        fcntl.ioctl(terminal._main, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        terminal.type("it\n")
        terminal.expect("got it\r\n")
        assert terminal.wait() == 0
