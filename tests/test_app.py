"""The extension in its host: found, configured, built once, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from jupyter_bridge import __version__, _jupyter_server_extension_points
from jupyter_bridge.app import BridgeApp
from tests.conftest import start_server
from tests.kernels.conftest import bridge
from tests.support.asking import ask, read
from tests.support.kernel_client import Bridge
from tests.support.waiting import PATIENCE, until

__all__ = ["bridge"]  # a fixture


def test_extension_point() -> None:
    """Jupyter finds the application by the package's hook."""
    assert _jupyter_server_extension_points() == [{"module": "jupyter_bridge", "app": BridgeApp}]


def test_package_is_light() -> None:
    """Importing the package, or its client, does not import jupyter_server."""
    code = "import sys; from jupyter_bridge.client import *; print('jupyter_server' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# What few users of a server need; YAML and jsonschema are the host's.
ON_FIRST_USE = {
    *("aiohttp", "yarl", "engineio", "socketio", "requests", "urllib3", "asyncssh", "fsspec"),
    *("cryptography", "keyring", "re2", "watchfiles", "openapi_spec_validator", "mcp"),
    *("typer", "click", "rich"),
}


def test_start_imports_what_every_user_needs(tmp_path: Path) -> None:
    """A server that runs, and was asked for its lists, has imported nothing that few users need."""
    server = start_server(
        tmp_path,
        "--ServerApp.jpserver_extensions=tests.support.counting=True",
        *(
            f"--ServerApp.jpserver_extensions={name}=False"
            for name in ("jupyterlab", "jupyter_lsp")
        ),
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    try:
        for path in ("bridge/", "bridge/kernels", "bridge/consoles"):
            ask(server, "GET", path)
        counted = ask(server, "GET", "counted")
        assert ON_FIRST_USE & set(counted["modules"]) == set()
        assert counted["frozen"] > 50_000  # no collection looks at the host's own objects again
        read(server, "GET", "bridge/socket.io/?EIO=4&transport=polling")
        assert ON_FIRST_USE & set(ask(server, "GET", "counted")["modules"]) >= {"socketio"}
    finally:
        server.stop()


def test_traits_are_documented() -> None:
    """Every trait of the application can be configured and says what it does."""
    own = BridgeApp.class_own_traits(config=True)
    assert {"ring_bytes", "execution_keep"} <= set(own)
    assert all(trait.help for trait in own.values())


def test_enabled_by_installing(tmp_path: Path) -> None:
    """`jupyter server extension list` names the extension and says OK."""
    env = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path)}
    jupyter = [sys.executable, "-m", "jupyter_server.extension.serverextension"]
    subprocess.run(
        [*jupyter, "enable", "jupyter_bridge", "--user"], env=env, check=True, capture_output=True
    )
    done = subprocess.run([*jupyter, "list"], env=env, capture_output=True, text=True, check=True)
    said = re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)
    assert "jupyter_bridge enabled" in said
    assert re.search(rf"jupyter_bridge {re.escape(__version__)} +OK", said)


async def test_index(bridge: Bridge) -> None:
    """`GET B/` names the version, the parts and links that work, with and without a slash."""
    for path in ("/", ""):
        answer = await bridge.get(path)
        assert answer.status == 200, path
        assert answer.json["version"] == __version__
    for link in (*answer.json["parts"].values(), answer.json["links"]["openapi"]):
        assert (await bridge.get(link, host=True)).status == 200
    assert (await bridge.get(answer.json["links"]["metrics"], host=True)).status == 200


async def test_base_url(jp_fetch: Any, jp_base_url: str, jp_serverapp: Any) -> None:
    """Below a base URL all links have it, and all routes are there."""
    answer = json.loads((await jp_fetch("bridge/")).body)
    assert answer["parts"]["kernels"] == f"{jp_base_url}bridge/kernels"
    assert json.loads((await jp_fetch("bridge", "kernels")).body) == []


# -- nothing is left behind --------------------------------------------------------------------


class Count:
    """File descriptors, threads, tasks and children of this process."""

    def __init__(self) -> None:
        gc.collect()
        process = psutil.Process()
        self.fds = process.num_fds()
        # The loop's own pool makes a thread when all it has are busy, and keeps it: no leak.
        self.threads = sum(not t.name.startswith("asyncio_") for t in threading.enumerate())
        self.tasks = len(asyncio.all_tasks())
        self.children = len(process.children(recursive=True))

    def more_than(self, other: Count) -> dict[str, int]:
        return {
            name: value - vars(other)[name]
            for name, value in vars(self).items()
            if value > vars(other)[name]
        }


async def a_session(jp_fetch: Any, url: str, headers: dict[str, str]) -> None:
    """Spawn, sit down on every seat, execute in every way, misbehave, shut down."""
    answer = await jp_fetch("bridge", "spawn", "python3", method="POST", body="{}")
    kernel_id = json.loads(answer.body)["id"]
    seats = [
        await websocket_connect(HTTPRequest(f"{url}/{seat}/{kernel_id}", headers=headers))
        for seat in ("channels", "shell", "iopub", "stdin", "stdio", "control")
    ]
    for body, more in (
        ({"code": "print(1)"}, {}),
        ({"code": "1/0"}, {"Accept": "text/event-stream"}),
        ({"code": "input()", "inputs": ["x"]}, {}),
        ({"code": "import time; time.sleep(9)", "timeout": 0.2}, {}),
        ({"code": "import time; time.sleep(60)"}, {"Prefer": "respond-async"}),
    ):
        await jp_fetch(
            *("bridge", "execute", kernel_id),
            method="POST",
            body=json.dumps(body),
            headers=more,
        )
    await seats[0].write_message("no message")
    await seats[1].write_message(b"\xff\xff")
    for seat in seats[2:4]:
        seat.close()
    await jp_fetch("bridge", "restart", kernel_id, method="POST", body="")
    await jp_fetch("bridge", "shutdown", kernel_id, method="DELETE")
    for seat in seats:
        while await asyncio.wait_for(seat.read_message(), PATIENCE) is not None:
            pass
        seat.close()


async def test_leaves_nothing_behind(
    jp_fetch: Any,
    jp_serverapp: Any,
    jp_http_port: int,
    jp_base_url: str,
    jp_auth_header: dict[str, str],
) -> None:
    """After clients and kernels are gone, fds, tasks, threads and children are as before."""
    url = f"ws://127.0.0.1:{jp_http_port}{jp_base_url}bridge"
    await a_session(jp_fetch, url, jp_auth_header)  # what is made once and kept is made here
    before = Count()
    await a_session(jp_fetch, url, jp_auth_header)
    await until(
        lambda: not Count().more_than(before),
        lambda: f"going away, with {Count().more_than(before)} left,",
    )
    (app,) = jp_serverapp.extension_manager.extension_apps["jupyter_bridge"]
    await app.stop_extension()
    names = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
    assert not [name for name in names if name.startswith(("Relay", "Execution", "SocketIO"))]


async def test_a_start_that_breaks_off(jp_serverapp: Any) -> None:
    """A server that ended before the bridge was loaded, or in the middle of it, stops in order."""
    linked = BridgeApp()
    await linked.stop_extension()  # not loaded at all
    (app,) = jp_serverapp.extension_manager.extension_apps["jupyter_bridge"]
    del app.runs
    await app.stop_extension()


def test_the_address_at_the_start_can_be_pasted(tmp_path: Path) -> None:
    """A server that made its token itself says its address with it, as without the bridge."""
    server = start_server(tmp_path, env={"JUPYTER_TOKEN": ""})
    try:
        (info,) = server.runtime.glob("jpserver-*.json")
        address = f"{server.url}?token={json.loads(info.read_text())['token']}"
        with urllib.request.urlopen(address.replace("?", "api/status?"), timeout=PATIENCE) as reply:
            assert reply.status == 200
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(address.replace("?", "api/nothing?"), timeout=PATIENCE)
    finally:
        server.stop()
    said = server.log.read_text().replace("localhost", "127.0.0.1")
    assert f"paste one of these URLs:\n        {address}" in said
    assert "/api/nothing?token=[secret]" in said
