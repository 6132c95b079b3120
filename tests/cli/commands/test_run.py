"""run, on real shells."""

from __future__ import annotations

import json
import signal
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from jupyter_bridge.client import Bridge, connect
from tests.conftest import Server
from tests.support.terminal import COMMAND, call, environment


@pytest.fixture
def bash(bridge_server: Server) -> Iterator[tuple[Bridge, str]]:
    """A terminal with a bash, and a client."""
    name = f"cli_{uuid.uuid4().hex[:8]}"
    with connect(bridge_server.url, bridge_server.token) as bridge:
        bridge.consoles.open(name, shell_command=["bash", "--norc", "-i"])
        bridge.run("true", console=name, queue=True)
        yield bridge, name
        bridge.consoles.end(name, purge=True)


def test_output_and_code(bridge_server: Server) -> None:
    """The command's output and its exit code are this command's own."""
    done = call(bridge_server, "run", "--", "echo hi; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "hi\n", "")


def test_words(bridge_server: Server) -> None:
    """Several words are a command and its arguments, whatever is in them."""
    done = call(bridge_server, "run", "--", "printf", "%s|", "a b", "$HOME", "it's", "*")
    assert (done.returncode, done.stdout) == (0, "a b|$HOME|it's|*|")


def test_state_is_kept(bridge_server: Server, bash: tuple[Bridge, str]) -> None:
    """In a named terminal one call finds what the call before did."""
    _, name = bash
    done = call(bridge_server, "run", "-c", name, "--cwd", "/usr", "-e", "A=b c", "X=1")
    assert done.returncode == 0
    done = call(bridge_server, "run", "-c", name, "--", 'echo "$X $A"; pwd')
    assert done.stdout == "1 b c\n/usr\n"


def test_split(bridge_server: Server, bash: tuple[Bridge, str]) -> None:
    """stdout and stderr go where they belong, byte by byte, with a stdin."""
    _, name = bash
    text = "cat; printf '\\377'; echo err >&2"
    done = subprocess.run(
        [*COMMAND, "run", "-c", name, "--split", "--stdin", "-", "--", text],
        input=b"in\n",
        capture_output=True,
        env=environment(bridge_server),
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"in\n\xff", b"err\n")


def test_timeout(bridge_server: Server, bash: tuple[Bridge, str]) -> None:
    """A command that takes too long is stopped, and 124 is the exit code."""
    _, name = bash
    done = call(bridge_server, "run", "-c", name, "--timeout", "1", "--", "echo a; sleep 100")
    assert done.returncode == 124
    assert done.stdout.startswith("a\n")


def test_ctrl_c(bridge_server: Server, bash: tuple[Bridge, str]) -> None:
    """Ctrl-C stops the command itself, and not only the waiting."""
    bridge, name = bash
    process = subprocess.Popen(
        [*COMMAND, "run", "-c", name, "--", "echo on; sleep 100"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(bridge_server),
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert bridge.run("echo free", console=name).output == "free\n"


def test_json(bridge_server: Server, bash: tuple[Bridge, str]) -> None:
    """With --json every piece of output is a line, and the answer the last one."""
    _, name = bash
    done = call(bridge_server, "run", "-c", name, "--json", "--", "echo hi; (exit 3)")
    *pieces, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert "".join(piece["text"] for piece in pieces) == "hi\n"
    assert (last["status"], last["exit_code"], done.returncode) == ("done", 3, 3)


def test_problems(bridge_server: Server) -> None:
    """What the server refuses, or cannot be asked, is a sentence on stderr, and exit code 125."""
    done = call(bridge_server, "run", "-c", "nope", "--", "true")
    assert (done.returncode, done.stdout) == (125, "")
    assert "No console named 'nope'" in done.stderr
    for words in (["-e", "novalue", "true"], ["--nope", "true"], [], ["--stdin", "/no", "cat"]):
        assert call(bridge_server, "run", *words).returncode == 125
    nowhere = {"JUPYTER_BRIDGE_URL": "http://127.0.0.1:1/"}
    assert call(bridge_server, "run", "true", env=nowhere).returncode == 125
    assert call(bridge_server, "run", "exit 2").returncode == 2
