"""history, with pipes: a table that is safe to show, JSON, and pages."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from jupyter_bridge.client import connect
from tests.conftest import Server
from tests.support.terminal import call

SAID = (
    r"\033]133;C;cmdline=$'"
    r"rm\\e[2J\\n\\u202ex'\007gone\r\n\033]133;D;3\007"
    r"\033]133;C;cmdline=make\ all\007"
)


@pytest.fixture(scope="module")
def said(bridge_server: Server) -> Iterator[str]:
    """A console with two commands: one whose text is hostile, and one that runs."""
    name = f"past_{uuid.uuid4().hex[:8]}"
    # As a file: its quotes are those of the shell's marks.
    script = bridge_server.root / f"{name}.txt"
    script.write_text(SAID)
    with connect(bridge_server.url, bridge_server.token) as bridge:
        read = f'printf "$(cat {script})READY"; exec sleep 1000'
        bridge.consoles.open(name, shell_command=["/bin/sh", "-c", read])
        for _ in bridge.consoles.tail(name, until="READY", timeout=60):
            pass
        yield name
        bridge.consoles.end(name, purge=True)


def test_a_table_that_is_safe(bridge_server: Server, said: str) -> None:
    """Control characters are escaped; a command that runs has no status."""
    done = call(bridge_server, "history", said)
    assert (done.returncode, done.stderr) == (0, "")
    title, hostile, running = done.stdout.splitlines()
    assert title.split() == ["OFFSET", "TIME", "SECONDS", "EXIT", "FOLDER", "COMMAND"]
    assert " 3 " in hostile
    assert hostile.rstrip().endswith(r"rm\x1b[2J\n\u202ex")
    assert running.split()[-3:] == ["-", "make", "all"]


def test_json_and_pages(bridge_server: Server, said: str) -> None:
    """One object a line; `--limit` and `--before`, and a hint if there are older ones."""
    done = call(bridge_server, "history", said, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["command"] for line in lines] == ["rm\x1b[2J\n\u202ex", "make all"]
    assert "\\u202e" in done.stdout
    newest = call(bridge_server, "history", said, "--json", "--limit", "1")
    assert json.loads(newest.stdout)["offset"] == lines[1]["offset"]
    assert f"--before {lines[1]['offset']}" in newest.stderr
    older = call(bridge_server, "history", said, "--json", "--before", str(lines[1]["offset"]))
    assert json.loads(older.stdout) == lines[0]
    assert older.stderr == ""


@pytest.mark.parametrize("words", [("nobody",), ("1", "--limit", "0"), ()])
def test_errors(bridge_server: Server, words: tuple[str, ...]) -> None:
    """An unknown console and a bad number are 2."""
    assert call(bridge_server, "history", *words).returncode == 2


def test_the_client_has_them(bridge_server: Server, said: str) -> None:
    """As models, with times."""
    with connect(bridge_server.url, bridge_server.token) as bridge:
        found = bridge.consoles.commands(said)
        assert [one.exit_code for one in found.commands] == [3, None]
        assert all(one.time is not None for one in found.commands)
        assert bridge.consoles.commands(said, limit=1).truncated
