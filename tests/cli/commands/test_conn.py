"""conn and dataset, on a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.client import Bridge
from tests.conftest import Server
from tests.support.terminal import Terminal, call


@pytest.fixture
def store(bridge: Bridge, bridge_server: Server, tmp_path: Path) -> Iterator[Path]:
    """A folder with a file in it; no connection is left behind."""
    store = bridge_server.root / tmp_path.name / "store"
    (store / "a").mkdir(parents=True)
    (store / "a/one.bin").write_bytes(b"1" * 100_000)
    yield store
    for connection in bridge.connections.list().connections:
        bridge.connections.remove(connection.name)


def test_life(bridge_server: Server, store: Path) -> None:
    """A connection is added, listed, browsed, logged out and in, and removed."""
    done = call(bridge_server, "conn", "add", "lab", str(store))
    assert (done.returncode, done.stdout, done.stderr) == (0, "lab: connected\n", "")
    assert "folder" in call(bridge_server, "conn", "ls").stdout
    assert "one.bin" in call(bridge_server, "conn", "browse", "lab", "a").stdout
    assert call(bridge_server, "conn", "logout", "lab").stdout == "lab: disconnected\n"
    done = call(bridge_server, "conn", "browse", "lab")
    assert (done.returncode, done.stderr) == (2, "Log in to lab first.\n")
    assert call(bridge_server, "conn", "login", "lab").stdout == "lab: connected\n"
    shown = json.loads(call(bridge_server, "conn", "show", "lab", "--json").stdout)
    assert (shown["name"], shown["state"]) == ("lab", "connected")
    assert call(bridge_server, "conn", "rm", "lab").returncode == 0
    assert call(bridge_server, "conn", "show", "lab").returncode == 2


def test_data_sets_come_and_go(bridge_server: Server, store: Path) -> None:
    """A data set is listed, brought here, and a file is brought there; the result is a line."""
    call(bridge_server, "conn", "add", "lab", str(store))
    assert "one.bin" in call(bridge_server, "dataset", "ls", "lab", "a").stdout
    done = call(bridge_server, "dataset", "get", "lab", "a", "brought")
    assert (done.returncode, done.stderr) == (0, "")
    brought = bridge_server.root / "brought/a/one.bin"
    assert brought.read_bytes() == b"1" * 100_000
    done = call(bridge_server, "dataset", "put", "lab", "brought/a", "--to", "")
    assert done.returncode == 2, "there is an a already"
    (bridge_server.root / "new.txt").write_text("new")
    done = call(bridge_server, "dataset", "put", "lab", "new.txt", "--to", "a")
    assert (done.returncode, done.stdout) == (0, "a/new.txt\n")
    assert (store / "a/new.txt").read_text() == "new"
    assert "upload" in call(bridge_server, "dataset", "transfers").stdout


def test_a_transfer_is_paused_and_resumed(bridge_server: Server, store: Path) -> None:
    """`dataset pause` says what it is now; `resume` goes on; a program sees the transfer."""
    with (store / "a/hole").open("wb") as file:
        file.truncate(4 << 30)  # long to bring, short to make
    call(bridge_server, "conn", "add", "lab", str(store))
    name = call(bridge_server, "dataset", "get", "lab", "a", "held", "--detach").stdout.strip()
    done = call(bridge_server, "dataset", "pause", name)
    assert (done.returncode, done.stdout) == (0, "paused\n")
    done = call(bridge_server, "dataset", "pause", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is paused" in done.stderr
    assert call(bridge_server, "dataset", "resume", name, "--detach").returncode == 0
    done = call(bridge_server, "dataset", "pause", name, "--json")
    assert json.loads(done.stdout)["state"] == "paused"
    assert call(bridge_server, "dataset", "cancel", name).returncode == 0


def test_the_wizard_shows_no_password(bridge_server: Server, store: Path, bridge: Bridge) -> None:
    """`conn add` alone asks for name, kind and the kind's fields; the password is not echoed."""
    with Terminal(bridge_server, "conn", "add") as terminal:
        for pattern, answer in (
            (r"Name: ", "bis"),
            (r"Kind \(.*\): ", "openbis"),
            (r": ", "https://127.0.0.1:1/"),
        ):
            terminal.expect(pattern)
            terminal.type(f"{answer}\n")
        terminal.expect(r"[Uu]ser.*: ")
        terminal.type("jane\n")
        terminal.expect(r"[Pp]assword.*: ")
        terminal.type("Sesame-canary\n")
        assert terminal.wait() == 2
    # Loopback is not allowed on this server; until then everything was asked.
    assert "allow_loopback" in terminal.shown
    assert "Sesame-canary" not in terminal.shown


def test_nobody_to_ask(bridge_server: Server) -> None:
    """In a pipe `conn add` without a name says what is missing instead of waiting."""
    done = call(bridge_server, "conn", "add")
    assert (done.returncode, done.stderr) == (
        2,
        "Name is required, because stdin is no terminal to ask for it.\n",
    )


def test_every_command_speaks_json(bridge_server: Server, store: Path) -> None:
    """One object, or a list, for programs; nothing else on stdout."""

    def told(*words: str) -> Any:
        done = call(bridge_server, *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert told("conn", "add", "lab", str(store))["state"] == "connected"
    assert [one["name"] for one in told("conn", "ls")["connections"]] == ["lab"]
    assert told("conn", "browse", "lab", "a")[0]["name"] == "one.bin"
    assert told("dataset", "ls", "lab", "a")["files"][0]["path"] == "one.bin"
    assert told("dataset", "get", "lab", "a", "json")["state"] == "done"
    (bridge_server.root / "json.txt").write_text("new")
    assert told("dataset", "put", "lab", "json.txt", "--to", "a")["permId"] == "a/json.txt"
    assert told("dataset", "transfers")[0]["direction"] == "upload"
    assert told("conn", "logout", "lab")["state"] == "disconnected"
    assert told("conn", "login", "lab")["state"] == "connected"
    assert told("conn", "rm", "lab") == {"name": "lab"}


def test_what_cannot_be_mounted_says_so(bridge_server: Server, store: Path) -> None:
    """A kind without sshfs is a Problem on stderr, also for programs."""
    call(bridge_server, "conn", "add", "lab", str(store))
    for words in (("mount", "lab"), ("umount", "lab")):
        done = call(bridge_server, "conn", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "mount" in done.stderr
