"""How many files of the bridge a request enters: who follows it through the code opens these.

The numbers may fall and never rise again. A first request does not count, because it opens the
kernel, starts threads and imports modules.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, start_server
from tests.support.asking import ask, read

CONFIG = Path(__file__).parent / "support" / "crossing_config.py"
REQUESTS = 5


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that notes what marked requests enter, in the file `crossings` beside its root."""
    folder = tmp_path_factory.mktemp("crossings")
    env = {"CROSSINGS_FILE": str(folder / "crossings")}
    server = start_server(folder, f"--config={CONFIG}", env=env)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def console(server: Server) -> str:
    """The name of a terminal whose shell is at its prompt."""
    name: str = ask(server, "POST", "bridge/consoles", {})["name"]
    ask(server, "POST", "bridge/run", {"command": "echo", "console": name, "queue": True})
    return name


def entered(server: Server, method: str, path: str, body: Any = None) -> set[str]:
    """Return the files that each of REQUESTS equal requests enters, after a first one.

    What only some of them enter is work that happened to be done meanwhile: a message of the kernel
    that is read while another one is sent, a task that was sooner than the answer.
    """
    read(server, method, path, body)
    marks = {f"{number} {path}" for number in range(REQUESTS)}
    for mark in marks:
        read(server, method, path, body, headers={"X-Crossing": mark})
    crossings = server.root.parent / "crossings"
    noted: dict[str, list[str]] = {}
    until = time.monotonic() + 30
    while not marks <= noted.keys() and time.monotonic() < until:  # noted after the answer
        time.sleep(0.02)
        noted = dict(map(json.loads, crossings.read_text().splitlines()))
    return set.intersection(*(set(noted[mark]) for mark in marks))


def test_code_that_runs(server: Server) -> None:
    """Code is run, waited for and answered."""
    kernel = ask(server, "POST", "api/kernels", {"name": "python3"})["id"]
    files = entered(server, "POST", f"bridge/execute/{kernel}", {"code": "print(1)"})
    # Three of them only where a message of the kernel waits whenever one is sent, as under load.
    assert len(files) <= 35, "\n".join(sorted(files))


def test_a_tail(server: Server, console: str) -> None:
    """The last lines of a terminal are read."""
    files = entered(server, "GET", f"bridge/tail/{console}?lines=5")
    # One of them bounds the consoles that are open without a viewer.
    assert len(files) <= 23, "\n".join(sorted(files))


def test_a_command_that_runs(server: Server, console: str) -> None:
    """A shell command is typed, followed to its end and answered."""
    files = entered(server, "POST", "bridge/run", {"command": "echo hi", "console": console})
    # Ten of them came with prompts that are known, output of any length and input that is bounded;
    # one asks whether the folder in /tmp is still the user's own, one says why a shell reads no
    # command, for shells here and on a remote.
    assert len(files) <= 44, "\n".join(sorted(files))


def test_a_download(server: Server) -> None:
    """A download from a connected folder is started."""
    (server.root / "set").mkdir()
    (server.root / "set" / "data").write_bytes(b"x" * 1000)
    ask(server, "POST", "bridge/conns", {"kind": "folder", "name": "here", "url": "."})
    ask(server, "PUT", "bridge/conn/here", {"action": "login"})
    body = {"connection": "here", "direction": "download", "permId": "set", "path": "got"}
    files = entered(server, "POST", "bridge/transfers", body)
    # Two of them are for names that are not UTF-8.
    assert len(files) <= 26, "\n".join(sorted(files))
