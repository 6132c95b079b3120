"""Secrets of connections that are gone: the server's own memory is searched for them."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, start_server
from tests.connections.secrets.test_canaries import METADATA, PLUGIN
from tests.support.waiting import wait_until

# Put together at run time, or the search would find its own constant.
CANARY = "-".join(["memory", "canary", "77d1"])
SEARCH = """
import gc, json, pathlib, signal

def search(*_):
    from jupyter_bridge.observe import redaction
    if isinstance(redaction._hidden, dict):
        redaction._hidden.clear()  # what the log hides is held to its owner elsewhere
    gc.collect()
    word = "-".join(["memory", "canary", "77d1"])
    found = []
    for holder in gc.get_objects():
        for held in gc.get_referents(holder):
            if isinstance(held, (bytes, bytearray)):
                held = bytes(held).decode("utf-8", "replace")
            if isinstance(held, str) and word in held:
                found.append([str(type(holder)), held[:100]])
    path = pathlib.Path("found.json")
    path.with_suffix(".new").write_text(json.dumps(found))
    path.with_suffix(".new").rename(path)

signal.signal(signal.SIGUSR2, search)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that searches its memory when it is told to."""
    folder = tmp_path_factory.mktemp("forgotten")
    plugins = folder / "plugins"
    info = plugins / "parrot-1.dist-info"
    info.mkdir(parents=True)
    (plugins / "parrot.py").write_text(PLUGIN)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[jupyter_bridge.connectors]\nparrot = parrot:Parrot\n")
    (folder / "config").mkdir()
    (folder / "config" / "jupyter_server_config.py").write_text(SEARCH)
    server = start_server(folder, "--BridgeApp.vault=memory", env={"PYTHONPATH": str(plugins)})
    yield server
    server.stop()


def call(server: Server, method: str, path: str, body: Any = None, key: str = "") -> int:
    headers = {**server.headers, **({"Idempotency-Key": key} if key else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{server.url}bridge/{path}", data, headers=headers, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            error.read()
        return error.code


def found(server: Server) -> list[list[str]]:
    """Who holds a canary, and the text."""
    path: Path = server.root / "found.json"
    path.unlink(missing_ok=True)
    os.kill(server.process.pid, signal.SIGUSR2)
    wait_until(path.exists, "the search")
    return list(json.loads(path.read_text()))


def conn(number: int, username: str = "me") -> dict[str, str]:
    return {
        "name": f"p{number}",
        "kind": "parrot",
        "url": "x",
        "username": username,
        "password": f"{CANARY}-{number}",
    }


WAYS = {
    "added and removed": [("POST", "conns", conn(1), ""), ("DELETE", "conn/p1", None, "")],
    "with an Idempotency-Key": [
        ("POST", "conns", conn(2), "a-key"),
        ("DELETE", "conn/p2", None, ""),
    ],
    "a login that failed": [
        ("POST", "conns", {**conn(3, "wrong")}, ""),
        ("PUT", "conn/p3", {"action": "login", "password": f"{CANARY}-again"}, ""),
        ("DELETE", "conn/p3", None, ""),
    ],
    "a login that broke": [
        ("POST", "conns", {**conn(4, "broken")}, "broken-key"),
        ("DELETE", "conn/p4", None, ""),
    ],
    "a refused body": [("POST", "conns", {**conn(5), "name": 7}, "refused-key")],
    "a route that takes none": [("POST", "interrupt/none", conn(6), "other-key")],
    "a route that is none": [("POST", "nothing", conn(7), "lost-key")],
}


@pytest.mark.parametrize("requests", WAYS.values(), ids=WAYS.keys())
def test_nothing_is_left(server: Server, requests: list[tuple[str, str, Any, str]]) -> None:
    """When a connection is removed, or was never made, its secrets are nowhere in memory."""
    for method, path, body, key in requests:
        call(server, method, path, body, key)
    left: list[list[str]] = []

    def is_gone() -> bool:
        nonlocal left
        # What an idle keep-alive connection or the last task holds goes with the next request.
        call(server, "GET", "conns")
        left = found(server)
        return not left

    wait_until(is_gone, lambda: f"the end of {left}")


def test_the_search_finds(server: Server) -> None:
    """While a connection is there its secret is found, so that the search is one."""
    call(server, "POST", "conns", conn(9))
    assert found(server)
    call(server, "DELETE", "conn/p9")
