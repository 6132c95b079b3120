"""What every command shares."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from jupyter_bridge import __version__
from jupyter_bridge.cli.app import app
from jupyter_bridge.cli.call import Call
from tests.conftest import Server
from tests.support.terminal import COMMAND, call, environment

NAMES = ["kernels", "spawn", "shutdown", "interrupt", "restart", "execute", "console"]


def test_version() -> None:
    """--version tells the version."""
    done = call(None, "--version")
    assert (done.returncode, done.stdout) == (0, f"jupyter-bridge {__version__}\n")


def test_help() -> None:
    """Help names every command; each has its own, with the options that all have."""
    shown = call(None, "--help").stdout
    assert all(name in shown for name in NAMES)
    assert len(app.registered_groups) > 0
    for name in NAMES:
        shown = call(None, name, "-h", env={"COLUMNS": "120"}).stdout
        assert "Usage: jupyter bridge " + name in shown
        assert all(option in shown for option in ("--url", "--token", "--ca-file", "--json"))


def test_as_jupyter_subcommand() -> None:
    """`jupyter bridge` is this command."""
    words = [sys.executable, "-m", "jupyter", "bridge", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"jupyter-bridge {__version__}\n"


@pytest.mark.parametrize("words", [["kernels", "--nope"], ["nope"], ["spawn"]])
def test_wrong_use(words: list[str]) -> None:
    """A wrong use exits 2 and says so on stderr."""
    done = call(None, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "jupyter bridge" in done.stderr


def test_options_on_both_sides(bridge_server: Server) -> None:
    """The options that all commands have may stand before the command, or behind it."""
    token = {"JUPYTER_BRIDGE_TOKEN": bridge_server.token}
    for words in (
        ["--url", bridge_server.url, "--json", "kernels"],
        ["kernels", "--url", bridge_server.url, "--json"],
        ["--url", "http://127.0.0.1:1/", "--json", "kernels", "--url", bridge_server.url],
    ):
        done = call(None, *words, env=token)
        assert (done.returncode, done.stderr) == (0, "")
        assert isinstance(json.loads(done.stdout), list)
    done = call(None, "kernels", "--url", bridge_server.url, "--token", bridge_server.token)
    assert done.returncode == 0


def test_problem() -> None:
    """A Problem is one sentence on stderr, or its JSON, and exit code 2."""
    words = ["kernels", "--url", "http://127.0.0.1:1/", "--token", "hunter2"]
    done = call(None, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "http://127.0.0.1:1/" in done.stderr
    assert "hunter2" not in done.stderr
    done = call(None, *words, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert json.loads(done.stderr)["error"] == "unavailable"


def test_no_server() -> None:
    """Without a server, what to do is said."""
    assert "JUPYTER_BRIDGE_URL" in call(None, "kernels").stderr


def test_wrong_token(bridge_server: Server) -> None:
    """A wrong token is told, and not repeated."""
    done = call(bridge_server, "kernels", "--token", "hunter2")
    assert done.returncode == 2
    assert "hunter2" not in done.stderr


def test_broken_pipe(bridge_server: Server) -> None:
    """A reader that leaves ends the command quietly."""
    words = [*COMMAND, "kernels", "--json"]
    process = subprocess.Popen(
        words, env=environment(bridge_server), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(40), error) == (141, b"")


def test_signal(bridge_server: Server) -> None:
    """A command that is stopped from outside exits like one, without a traceback."""
    words = [*COMMAND, "execute", "-c", "import time; print(1, flush=True); time.sleep(60)"]
    with subprocess.Popen(
        words,
        env=environment(bridge_server),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=40)
    assert process.returncode == 128 + signal.SIGTERM
    assert "KeyboardInterrupt" in error  # the code's own, in the kernel
    assert "jupyter_bridge" not in error


def test_signal_while_following(bridge_server: Server) -> None:
    """Following several consoles is stopped just as quietly."""
    (bridge_server.root / "one.log").write_text("1\n")
    (bridge_server.root / "two.log").write_text("2\n")
    words = [*COMMAND, "tail", "-f", "file:one.log", "file:two.log"]
    with subprocess.Popen(
        words,
        env=environment(bridge_server),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = {process.stdout.readline() for _ in range(2)}
        assert said == {"file:one.log: 1\n", "file:two.log: 2\n"}
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=40)
    assert (process.returncode, error) == (128 + signal.SIGTERM, "")


def test_secret() -> None:
    """The repr of a call has no token."""
    assert "hunter2" not in repr(Call(token="hunter2"))


def loaded(program: str) -> set[str]:
    """The modules that a program has imported at its end."""
    look = f"import atexit, sys; atexit.register(lambda: print(*sys.modules))\n{program}"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_start() -> None:
    """The commands are defined without rich, which only output needs."""
    modules = loaded("import jupyter_bridge.cli.app")
    assert not modules & {"rich", "asyncio"}


def test_help_is_light() -> None:
    """`--help` loads what it shows: no client, no models, no server."""
    modules = loaded("sys.argv = ['', '--help']; import jupyter_bridge.cli as cli; cli.main()")
    assert "jupyter_bridge.cli.commands.run" in modules
    assert not modules & {"aiohttp", "msgspec", "jupyter_server", "tornado", "zmq"}
    parts = {name.split(".")[1] for name in modules if name.startswith("jupyter_bridge.")}
    assert parts == {"cli", "problems", "version", "wire"}
