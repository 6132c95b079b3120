"""consoles, tail, attach, send, record, on real terminals."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from jupyter_bridge.client import Bridge, connect
from tests.conftest import Server
from tests.support.terminal import Terminal, call


@pytest.fixture
def shell(bridge_server: Server) -> Iterator[tuple[Bridge, str]]:
    """A terminal with a shell, and a client."""
    name = f"cli_{uuid.uuid4().hex[:8]}"
    with connect(bridge_server.url, bridge_server.token) as bridge:
        env: dict[str, str | None] = {"PS1": "$ ", "ENV": None}
        bridge.consoles.open(name, shell_command=["/bin/sh", "-i"], env=env)
        yield bridge, name
        bridge.consoles.end(name, purge=True)


def test_type_wait_and_read(bridge_server: Server, shell: tuple[Bridge, str]) -> None:
    """A script types a line, waits for what it says, and reads the last lines."""
    _, name = shell
    assert call(bridge_server, "send", name, "echo", "o''ne;", "echo tw''o").returncode == 0
    done = call(bridge_server, "tail", "--until", "^two", "--timeout", "30", name)
    assert (done.returncode, done.stdout.endswith("one\ntwo")) == (0, True), done
    done = call(bridge_server, "tail", "--until", "never", "--timeout", "0.2", "-n", "0", name)
    assert done.returncode == 124
    done = call(bridge_server, "--json", "tail", "-n", "1", name)
    assert json.loads(done.stdout.splitlines()[0])["console"] == name
    done = call(bridge_server, "--json", "consoles")
    assert name in [console["name"] for console in json.loads(done.stdout)]
    assert name in call(bridge_server, "consoles").stdout
    cast = call(bridge_server, "record", name)
    assert json.loads(cast.stdout.splitlines()[0])["version"] == 2
    done = call(bridge_server, "tail", "nope")
    assert (done.returncode, "No console" in done.stderr) == (2, True)


def test_send_and_wait(bridge_server: Server, shell: tuple[Bridge, str]) -> None:
    """It listens before it types: an answer that comes at once is seen, an old one is not."""
    _, name = shell
    for _ in range(3):
        words = ("send", name, "echo d''one", "--until", "(?m)^done", "--timeout", "30")
        done = call(bridge_server, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith("done"), done
        assert "echo" not in done.stdout
    done = call(bridge_server, "--json", *words)
    assert [json.loads(line) for line in done.stdout.splitlines()][-1].keys() == {
        "console",
        "match",
    }
    done = call(bridge_server, "send", name, ":", "--until", "never", "--timeout", "0.2")
    assert done.returncode == 124
    assert "matched" in done.stderr
    done = call(bridge_server, "send", name, ":", "--timeout", "1")
    assert (done.returncode, "--until" in done.stderr) == (2, True)


def test_json_is_all_that_is_written(bridge_server: Server, shell: tuple[Bridge, str]) -> None:
    """With --json each verb writes lines of JSON and nothing else, problems too."""
    _, name = shell
    done = call(bridge_server, "--json", "send", name, "echo o''ne")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for words in (
        ("tail", "--until", "^one", "--timeout", "30", name),
        ("tail", "-n", "1", name, f"{name}"),
        ("consoles",),
        ("record", name),
        ("run", "-c", name, "--queue", "echo two"),
    ):
        done = call(bridge_server, "--json", *words)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert done.stdout
        for line in done.stdout.splitlines():
            json.loads(line)
    for refused in (
        ("tail", "nope"),
        ("record", "nope"),
        ("send", "nope", "x"),
        ("attach", name),  # there is no terminal here
        ("run", "-c", "nope", "true"),
    ):
        done = call(bridge_server, "--json", *refused)
        failed = 125 if refused[0] == "run" else 2
        assert (done.returncode, done.stdout) == (failed, ""), done
        assert json.loads(done.stderr)["error"] in ("not-found", "bad-request")


def test_several_are_told_apart(bridge_server: Server) -> None:
    """Each line stands behind its console's name; the ends are told."""
    with connect(bridge_server.url, bridge_server.token) as bridge:
        names = [
            bridge.consoles.open(
                f"cli_{uuid.uuid4().hex[:8]}",
                shell_command=["/bin/sh", "-c", f"echo I am {i}; exit {i}"],
            ).name
            for i in (1, 2)
        ]
        done = call(bridge_server, "tail", "-f", *names)
        for i, name in enumerate(names, 1):
            said = [line for line in done.stdout.splitlines() if line.startswith(f"{name}: ")]
            assert said == [f"{name}: I am {i}", f"{name}: [ended: {i}]"], done
            bridge.consoles.end(name, purge=True)


def test_several_have_colours_in_a_terminal(bridge_server: Server) -> None:
    """In a terminal each name has a colour of its own before its lines."""
    with connect(bridge_server.url, bridge_server.token) as bridge:
        names = [
            bridge.consoles.open(
                f"cli_{uuid.uuid4().hex[:8]}", shell_command=["/bin/sh", "-c", f"echo I am {i}"]
            ).name
            for i in (1, 2)
        ]
        with Terminal(bridge_server, "tail", "-f", *names) as terminal:
            assert terminal.wait() == 0
        for i, (name, colour) in enumerate(zip(names, (36, 33), strict=True), 1):
            assert f"\x1b[{colour}m{name}\x1b[0m I am {i}\r\n" in terminal.shown
            bridge.consoles.end(name, purge=True)


def test_attach_is_a_real_terminal(bridge_server: Server, shell: tuple[Bridge, str]) -> None:
    """What is typed goes there raw, the size is this window's, Ctrl-] leaves it running."""
    bridge, name = shell
    with Terminal(bridge_server, "attach", name) as terminal:
        terminal.expect(r"\$ ")
        terminal.type("stty size; echo do''ne\r")
        terminal.expect(r"\d+ 100\s")
        terminal.expect("done")
        terminal.type("\x1d")
        terminal.expect(f"left {name}")
        assert terminal.wait() == 0
    assert bridge.consoles.get(name).state == "live"


def test_a_terminal_is_opened_renamed_and_ended(bridge_server: Server) -> None:
    """`consoles` lists as ever; new, rename and end change what it lists."""
    name, new = (f"cli_{uuid.uuid4().hex[:8]}" for _ in range(2))

    def listed() -> dict[str, str]:
        done = call(bridge_server, "consoles", "--json")
        assert done.returncode == 0, done
        return {one["name"]: one["state"] for one in json.loads(done.stdout)}

    words = ("sh", "-c", "echo $WHAT in $(basename $PWD); exec cat")
    (bridge_server.root / "work").mkdir(exist_ok=True)
    done = call(
        bridge_server, "consoles", "new", name, "-e", "WHAT=this", "--cwd", "work", "--", *words
    )
    assert (done.returncode, done.stdout) == (0, f"{name}\n"), done
    assert listed()[name] == "live"
    done = call(bridge_server, "tail", "--until", "this in work", "--timeout", "60", name)
    assert done.returncode == 0
    assert call(bridge_server, "consoles", "new", name).returncode == 2
    done = call(bridge_server, "consoles", "rename", name, new)
    assert (done.returncode, done.stdout) == (0, "")
    assert (name in listed(), listed()[new]) == (False, "live")
    assert call(bridge_server, "consoles", "end", new).returncode == 0
    assert listed()[new] == "ended"
    done = call(bridge_server, "--json", "consoles", "rename", new, name)
    assert json.loads(done.stdout)["name"] == name
    assert call(bridge_server, "consoles", "end", "--purge", name).returncode == 0
    assert name not in listed()
    done = call(bridge_server, "consoles", "end", "nope")
    assert (done.returncode, "No console" in done.stderr) == (2, True)


def test_a_new_terminal_has_the_size_of_this_one(bridge_server: Server) -> None:
    """Opened from a terminal, it begins with that terminal's rows and columns."""
    name = f"cli_{uuid.uuid4().hex[:8]}"
    # The size is set once the terminal has started, and its command may be faster.
    script = "until stty size | grep -v '^24 80'; do sleep 0.1; done"
    with Terminal(bridge_server, "consoles", "new", name, "--", "sh", "-c", script) as terminal:
        terminal.expect(name)
        assert terminal.wait() == 0
    with connect(bridge_server.url, bridge_server.token) as bridge:
        said = b"".join(
            frame.data
            for frame in bridge.consoles.tail(name, offset=0, follow=True)
            if hasattr(frame, "data")
        )
        bridge.consoles.end(name, purge=True)
    assert said == b"40 100\r\n"
