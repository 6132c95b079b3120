"""The jupyter connector on a real JupyterHub with a real proxy and real users' servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Progress, WrongCredentials
from jupyter_bridge.connections.roles import HasKernels
from jupyter_bridge.problems import Denied, Unavailable
from tests.connections.connectors.test_jupyter import Heard, Seen, ask, make, run

_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
_NEEDED = ("jupyterhub", "jupyterhub-singleuser", "configurable-http-proxy")


def _missing() -> list[str]:
    """What is not installed; PyPI's proxy is no use, it loses the subprotocols of websockets."""
    found = {name: shutil.which(name, path=_PATH) for name in _NEEDED}
    proxy = found["configurable-http-proxy"]
    if proxy is not None and b"python" in Path(proxy).read_bytes().splitlines()[0]:
        found["configurable-http-proxy"] = None
    return [name for name, path in found.items() if path is None]


_MISSING = _missing()
pytestmark = [
    pytest.mark.skipif(
        bool(_MISSING),
        reason=f"not installed: {_MISSING} (pip: jupyterhub; npm: configurable-http-proxy)",
    ),
    pytest.mark.timeout(300),
]
_SCOPES = ["read:users:name!user", "read:servers!user", "servers!user", "access:servers!user"]


@dataclass
class RunningHub:
    """A hub in a process of its own; `token` may do everything."""

    url: str
    token: str
    folder: Path
    process: subprocess.Popen[bytes]

    def api(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}hub/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
            return json.loads(content) if content else None

    def user_token(self, name: str, scopes: list[str]) -> str:
        with contextlib.suppress(urllib.error.HTTPError):  # there already
            self.api("POST", f"users/{name}")
        made = self.api("POST", f"users/{name}/tokens", {"scopes": scopes})
        return str(made["token"])


def _ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    folder = tmp_path_factory.mktemp("hub")
    port, hub_port, api_port = _ports(3)
    token = secrets.token_hex(16)
    config = folder / "jupyterhub_config.py"
    config.write_text(f"""
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/pre/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/home/{{username}}"
c.Spawner.args = ["--allow-root", "--ServerApp.jpserver_extensions={{'jupyter_bridge': True}}"]
c.Spawner.environment = {{"PATH": {_PATH!r}, "JUPYTER_DATA_DIR": "{folder}/data"}}
c.JupyterHub.services = [{{"name": "test", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{"name": "test", "services": ["test"], "scopes": [
    "admin:users", "admin:servers", "tokens", "read:hub", "access:servers"]}}]
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.ConfigurableHTTPProxy.debug = False
""")
    with (folder / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", str(config)],
            cwd=folder,
            env={
                **os.environ,
                "PATH": _PATH,
                "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16),
                "PYTHONWARNINGS": "ignore",
            },
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = RunningHub(f"http://127.0.0.1:{port}/pre/", token, folder, process)
    try:
        deadline = time.monotonic() + 90
        while True:
            with contextlib.suppress(OSError):
                running.api("GET", "info") if process.poll() is None else None
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((folder / "hub.log").read_text()[-4000:])
            time.sleep(0.1)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_users_server_is_started_and_used(hub: RunningHub, tmp_path: Path) -> None:
    """From the hub's address alone: started with progress, its terminals and kernels used."""
    token = hub.user_token("jo", [*_SCOPES, "self"])
    remote = make(tmp_path, hub.url, token, user_options={"profile": "small"})
    connection = Connection("lab", remote)
    told: list[Progress | None] = []

    async def story() -> None:
        def look() -> None:
            model = connection.model()
            assert model.state == "connecting"
            told.append(model.progress)

        # Whoever looks now and then may miss what a quick hub tells.
        remote.context.on_progress = look
        await connection.login()
        assert told[-1] is None
        model = connection.model()
        assert (model.username, model.state, model.progress) == ("jo", "connected", None)
        assert [step for step in told if step is not None and step.message]
        started = (await asyncio.to_thread(hub.api, "GET", "users/jo"))["servers"][""]
        assert started["user_options"] == {"profile": "small"}
        assert remote._base == f"{hub.url}user/jo/"
        source, seen = await remote.console(await remote.create_console()), Seen()
        await seen.open(source)
        await source.write(b"echo on-the-hub-$((6*7))\n")
        await seen.until(b"on-the-hub-42")
        await source.end()
        await source.close()

    run(remote, story, 200)


def test_a_kernel_there_is_relayed(hub: RunningHub, tmp_path: Path) -> None:
    """Through the hub's proxy, in the binary protocol."""
    remote = make(tmp_path, hub.url, hub.user_token("jo", [*_SCOPES, "self"]))

    async def story() -> None:
        await remote.login()
        model = await remote.spawn("python3")
        line, heard = await remote.kernel(model["id"]), Heard()
        await line.open(heard.on_messages, heard.lost.append)
        line.send("shell", ask("import getpass, os; print(os.environ['JUPYTERHUB_USER'])"))
        await heard.when(lambda m: m[1] == "stream" and m[2]["text"] == "jo\n")
        await line.close()
        await remote.control(model["id"], "shutdown")

    run(remote, story, 200)


def test_a_server_that_the_hub_stopped_starts_when_it_is_used(
    hub: RunningHub, tmp_path: Path
) -> None:
    """A probe does not start it (the hub stops the idle ones on purpose); a call does."""
    token = hub.user_token("ann", [*_SCOPES, "self"])
    remote = make(tmp_path, f"{hub.url}user/ann/", token)
    connection = Connection("lab", remote)

    async def main() -> None:
        await connection.use(HasKernels, lambda c: c.kernels())
        await asyncio.to_thread(hub.api, "DELETE", "users/ann/server")
        for _ in range(100):
            if "" not in (await asyncio.to_thread(hub.api, "GET", "users/ann"))["servers"]:
                break
            await asyncio.sleep(0.1)
        with pytest.raises(Unavailable, match="using it starts it"):
            await remote.probe()
        assert (await asyncio.to_thread(hub.api, "GET", "users/ann"))["servers"] == {}
        assert await connection.use(HasKernels, lambda c: c.kernels()) == []
        assert (await asyncio.to_thread(hub.api, "GET", "users/ann"))["servers"][""]["ready"]
        await connection.close()
        await remote.context.outbound.close()

    asyncio.run(asyncio.wait_for(main(), 200))


def test_what_the_token_may_not_is_told(hub: RunningHub, tmp_path: Path) -> None:
    """A wrong token is wrong; one that lacks scopes is told which ones."""
    remote = make(tmp_path, hub.url, "canary")

    async def story() -> None:
        with pytest.raises(WrongCredentials) as caught:
            await remote.login()
        assert "canary" not in repr(caught.value)
        remote.fields.token = await asyncio.to_thread(
            hub.user_token, "joe", ["read:users:name!user"]
        )
        with pytest.raises(Denied, match="read:servers"):
            await remote.login()

    run(remote, story)
