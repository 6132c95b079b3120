"""search, on real terminals: exit codes as grep has them, and lines that are safe to show."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from jupyter_bridge.client import connect
from tests.conftest import Server
from tests.support.terminal import Terminal, call

SAID = r"one red fox\r\n\033[31mred\033[0m\r\nb\010\177\342\200\256red\r\n"


@pytest.fixture(scope="module")
def fox(bridge_server: Server) -> Iterator[str]:
    """A console that said three lines, one of them hostile."""
    name = f"fox_{uuid.uuid4().hex[:8]}"
    script = f"stty -opost; printf '{SAID}'; exec sleep 1000"
    with connect(bridge_server.url, bridge_server.token) as bridge:
        bridge.consoles.open(name, shell_command=["/bin/sh", "-c", script])
        for _ in bridge.consoles.tail(name, until="b.*red", timeout=60):
            pass
        yield name
        bridge.consoles.end(name, purge=True)


def test_lines_and_exit_codes(bridge_server: Server, fox: str) -> None:
    """0 found, 1 nothing, 2 an error; a line has the console, the offset, and safe text."""
    done = call(bridge_server, "search", "--console", fox, "red")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{fox}:0:one red fox",
        f"{fox}:13:red",
        f"{fox}:27:b\\x08\\x7f\\u202ered",
    ]
    for words, code in (
        (("red",), 0),
        (("-c", fox, "blue"), 1),
        (("-c", fox, "r.d"), 1),
        (("-c", fox, "-E", "^r.d$"), 0),
        (("-c", fox, "--since", "3600", "red"), 0),
        (("-c", fox, "--since", "2100-01-01", "red"), 1),
        (("-c", "nobody", "red"), 2),
        (("-E", "("), 2),
        (("",), 2),
        (("--limit", "0", "red"), 2),
        (("--since", "noon", "red"), 2),
        ((), 2),
    ):
        done = call(bridge_server, "search", *words)
        assert done.returncode == code, (words, done)
        assert (done.stderr != "") == (code == 2)
    done = call(bridge_server, "search", "-c", fox, "--limit", "2", "red")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert "first 2 lines" in done.stderr


def test_json_has_a_hit_a_line(bridge_server: Server, fox: str) -> None:
    """Programs get every field, and the hostile characters as escapes."""
    done = call(bridge_server, "--json", "search", "-c", fox, "red")
    hits = [json.loads(line) for line in done.stdout.splitlines()]
    assert [hit["offset"] for hit in hits] == [0, 13, 27]
    assert hits[2]["line"] == "b\b\x7f\u202ered"
    assert done.stdout.isascii()
    assert {"console", "epoch", "offset", "time", "line", "start", "end"} == hits[0].keys()


def test_a_terminal_gets_colours(bridge_server: Server, fox: str) -> None:
    """The match is red on a terminal alone, and none of the console's own colours is shown."""
    with Terminal(bridge_server, "search", "-c", fox, "red") as terminal:
        assert terminal.wait() == 0
        assert "one \x1b[1;31mred\x1b[0m fox" in terminal.shown
        assert "\x1b[31m" not in terminal.shown
        assert "\x08" not in terminal.shown
