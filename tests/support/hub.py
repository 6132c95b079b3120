"""A real JupyterHub: the hub, its proxy, and users' servers with the bridge, all on loopback."""

from __future__ import annotations

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

from tests.conftest import Server
from tests.support.waiting import wait_until

_PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
_NEEDED = ("jupyterhub", "jupyterhub-singleuser", "configurable-http-proxy")
# The hub and each user's server take seconds to start, and up to a minute on a loaded machine.
_START_TIME = 90.0
# The scopes of a token with which a program uses its user's own server.
ACCESS = ["access:servers!user"]


def _missing() -> list[str]:
    """Name the missing programs. The proxy on PyPI cannot be used: it drops subprotocols."""
    found = {name: shutil.which(name, path=_PATH) for name in _NEEDED}
    proxy = found["configurable-http-proxy"]
    if proxy is not None and b"python" in Path(proxy).read_bytes().splitlines()[0]:
        found["configurable-http-proxy"] = None
    return [name for name, path in found.items() if path is None]


_MISSING = _missing()
needs_hub = pytest.mark.skipif(
    bool(_MISSING),
    reason=f"not installed: {_MISSING} (pip: jupyterhub; npm: configurable-http-proxy)",
)


@dataclass
class RunningHub:
    """A hub in a separate process; `token` has all permissions."""

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
        with contextlib.suppress(urllib.error.HTTPError):  # the user exists already
            self.api("POST", f"users/{name}")
        made = self.api("POST", f"users/{name}/tokens", {"scopes": scopes})
        return str(made["token"])

    def server_of(self, name: str) -> Server:
        """Start the user's server if necessary; return it with a token that is valid only there."""
        token = self.user_token(name, ACCESS)
        with contextlib.suppress(urllib.error.HTTPError):  # the server runs already
            self.api("POST", f"users/{name}/server")
        wait_until(
            lambda: self.api("GET", f"users/{name}")["servers"].get("", {}).get("ready"),
            lambda: f"its start, with {self.log.read_text()[-4000:]},",
        )
        home = self.folder / "home" / name
        url = f"{self.url}user/{name}/"
        return Server(url, token, self.process, home, home / ".local/share/jupyter", self.log)

    @property
    def log(self) -> Path:
        """Return the output of the hub, the proxy and all users' servers."""
        return self.folder / "hub.log"


def _ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub for the whole session; tests use separate users, unless that does not matter."""
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
c.Spawner.args = [
    "--allow-root",
    "--ServerApp.jpserver_extensions={{'jupyter_bridge': True}}",
    "--BridgeApp.openbis_compat=True",
]
c.Spawner.environment = {{"PATH": {_PATH!r}}}
c.JupyterHub.services = [{{"name": "test", "api_token": "{token}"}}]
c.JupyterHub.load_roles = [{{"name": "test", "services": ["test"], "scopes": [
    "admin:users", "admin:servers", "tokens", "read:hub", "access:servers"]}}]
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.ConfigurableHTTPProxy.debug = False
# Whoever starts a server is answered at once, and so sees its progress, on a fast machine, too.
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}
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
        deadline = time.monotonic() + _START_TIME
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
