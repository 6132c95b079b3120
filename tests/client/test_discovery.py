"""Finding the server, from what the caller and the surroundings say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.client.discovery import find, parse_url, running
from jupyter_bridge.problems import BadRequest, NotFound

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the file of a running server into the runtime directory."""

    def _write(url: str, token: str = "", pid: int | None = None, age: float = 0) -> Path:
        info = {"url": url, "token": token, "pid": os.getpid() if pid is None else pid, "port": 1}
        file = tmp_path / f"jpserver-{len(list(tmp_path.iterdir()))}.json"
        file.write_text(json.dumps(info))
        os.utime(file, (1e9 - age, 1e9 - age))
        return file

    return _write


def one(tmp_path: Path, env: dict[str, str] | None = None, **arguments: Any) -> tuple[str, str]:
    (server,) = find(environ=env or {}, runtime_dir=tmp_path, **arguments)
    return server.url, server.token


@pytest.mark.parametrize(
    ("typed", "url", "token"),
    [
        ("http://h:8888/user/x/", "http://h:8888/user/x/", ""),
        ("http://h:8888", "http://h:8888/", ""),
        ("http://h:8888/user/x/bridge", "http://h:8888/user/x/", ""),
        ("http://h:8888/bridge/", "http://h:8888/", ""),
        ("http://h:8888/lab?token=abc", "http://h:8888/", "abc"),
        ("http://h:8888/tree?token=a%20b", "http://h:8888/", "a b"),
        (" https://h/user/x/lab ", "https://h/user/x/", ""),
        ("http://[::1]:8888/?token=t", "http://[::1]:8888/", "t"),
        ("http://0.0.0.0:8888/", "http://127.0.0.1:8888/", ""),
        ("http+unix://%2Ftmp%2Fj.sock/x/", "http+unix://%2Ftmp%2Fj.sock/x/", ""),
    ],
)
def test_typed(typed: str, url: str, token: str) -> None:
    """An address means the server it leads to, however much of it was copied."""
    server = parse_url(typed)
    assert (server.url, server.token) == (url, token)


@pytest.mark.parametrize("typed", ["h:8888", "ftp://h/", "http://", "http://h:no/", "http://[h/"])
def test_not_an_address(typed: str) -> None:
    """What is no address is a bad request."""
    with pytest.raises(BadRequest):
        parse_url(typed)


def test_login_in_address() -> None:
    """A login in the address is refused, and not repeated in the refusal."""
    with pytest.raises(BadRequest) as caught:
        parse_url("http://me:hunter2@h/")
    assert "hunter2" not in str(caught.value)


def test_unix_socket() -> None:
    """A server on a Unix socket is asked through its path."""
    server = parse_url("http+unix://%2Ftmp%2Fj.sock/x/")
    assert (server.socket, server.root) == ("/tmp/j.sock", "http://localhost/x/")


def test_arguments_first(tmp_path: Path, write: Write) -> None:
    """Arguments win over everything around."""
    write("http://127.0.0.1:1/", "file")
    env = {"JUPYTER_BRIDGE_URL": "http://b/", "JUPYTER_BRIDGE_TOKEN": "b"}
    assert one(tmp_path, env, url="http://a/", token="a") == ("http://a/", "a")
    assert one(tmp_path, env, token="a") == ("http://b/", "a")
    assert one(tmp_path, token="a") == ("http://127.0.0.1:1/", "a")


def test_bridge_variables(tmp_path: Path) -> None:
    """The bridge's own variables come next; the token may stand in the url."""
    assert one(tmp_path, {"JUPYTER_BRIDGE_URL": "http://b/x", "JUPYTER_BRIDGE_TOKEN": "t"}) == (
        "http://b/x/",
        "t",
    )
    assert one(tmp_path, {"JUPYTER_BRIDGE_URL": "http://b/?token=u"}) == ("http://b/", "u")


def test_token_stays_home(tmp_path: Path, write: Write) -> None:
    """The token of one server never goes to another that was named."""
    write("http://127.0.0.1:1/", "file")
    env = {"JUPYTER_BRIDGE_URL": "http://b/", "JUPYTER_BRIDGE_TOKEN": "t"}
    assert one(tmp_path, env, url="http://elsewhere/") == ("http://elsewhere/", "")
    assert one(tmp_path, env, url="http://b/bridge") == ("http://b/", "t")


def test_token_alone(tmp_path: Path) -> None:
    """A token variable without an address goes with the address given."""
    env = {"JUPYTER_BRIDGE_TOKEN": "t"}
    assert one(tmp_path, env, url="http://a/") == ("http://a/", "t")


def test_token_of_a_local_address(tmp_path: Path, write: Write) -> None:
    """Naming a local server by its address is enough: its own file has the token."""
    write("http://localhost:8888/x/", "file")
    assert one(tmp_path, url="http://127.0.0.1:8888/x/lab") == ("http://127.0.0.1:8888/x/", "file")
    assert one(tmp_path, url="http://127.0.0.1:8888/") == ("http://127.0.0.1:8888/", "")


HUB = {
    "JUPYTERHUB_API_TOKEN": "hub",
    "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
    "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8001/user/ada/",
}


def test_hub(tmp_path: Path) -> None:
    """In a hub's user server, the server around us is meant."""
    assert one(tmp_path, HUB) == ("http://127.0.0.1:8001/user/ada/", "hub")
    terminal = {**HUB, "JUPYTER_SERVER_URL": "http://pod:8001/user/ada/"}
    assert one(tmp_path, terminal) == ("http://127.0.0.1:8001/user/ada/", "hub")


@pytest.mark.parametrize("service", ["http://:0/user/ada/", "http://127.0.0.1:0/user/ada/", ""])
def test_hub_without_port(tmp_path: Path, write: Write, service: str) -> None:
    """Where the spawner left the port to the server, the server's file knows it."""
    write("http://127.0.0.1:9/user/eve/")
    write("http://127.0.0.1:7/user/ada/", age=9)
    env = {**HUB, "JUPYTERHUB_SERVICE_URL": service}
    assert one(tmp_path, env) == ("http://127.0.0.1:7/user/ada/", "hub")


def test_hub_service(tmp_path: Path) -> None:
    """A hub's own service is no user server."""
    env = {**HUB, "JUPYTERHUB_SERVICE_PREFIX": "/services/x/"}
    with pytest.raises(NotFound):
        find(environ=env, runtime_dir=tmp_path)


def test_terminal(tmp_path: Path, write: Write) -> None:
    """A Jupyter terminal names its server; the token is in the server's file."""
    write("http://127.0.0.1:8888/", "other")
    write("http://127.0.0.1:8889/", "mine", age=9)
    env = {"JUPYTER_SERVER_URL": "http://127.0.0.1:8889/", "JUPYTER_SERVER_ROOT": "/"}
    assert one(tmp_path, env) == ("http://127.0.0.1:8889/", "mine")
    assert one(tmp_path, {**env, "JUPYTER_TOKEN": "said"})[1] == "said"


def test_running(tmp_path: Path, write: Write) -> None:
    """Running servers come newest first; dead, broken and foreign files are passed over."""
    write("http://127.0.0.1:1/", "old", age=20)
    write("http://127.0.0.1:2/", "new", age=10)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write("http://127.0.0.1:3/", "dead", pid=dead.pid)
    write("http://127.0.0.1:4/", pid=0)
    write("nonsense")
    (tmp_path / "jpserver-half.json").write_text('{"url": "http')
    (tmp_path / "kernel-1.json").write_text("{}")
    before = sorted(tmp_path.iterdir())
    assert [server.token for server in running(tmp_path)] == ["new", "old"]
    assert [server.token for server in find(environ={}, runtime_dir=tmp_path)] == ["new", "old"]
    assert sorted(tmp_path.iterdir()) == before


def test_another_user_has_the_number_of_a_dead_server(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that a killed server left sends no token to whoever has its process id and port."""
    write("http://127.0.0.1:1/", "left", pid=os.getpid() + 1)
    write("http://127.0.0.1:2/", "mine", age=9)

    def kill(pid: int, sign: int) -> None:
        if pid != os.getpid():
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "kill", kill)
    assert [server.token for server in running(tmp_path)] == ["mine"]


def test_inside_a_kernel(tmp_path: Path, write: Write) -> None:
    """Inside a kernel, the server that started it is meant."""
    write("http://127.0.0.1:1/", "other", pid=1)
    write("http://127.0.0.1:2/", "mine", age=9)
    env = {"JPY_PARENT_PID": str(os.getpid())}
    assert one(tmp_path, env) == ("http://127.0.0.1:2/", "mine")


def test_nothing(tmp_path: Path) -> None:
    """Nothing to be found is told with what to do."""
    with pytest.raises(NotFound, match="JUPYTER_BRIDGE_URL"):
        find(environ={}, runtime_dir=tmp_path / "missing")


def test_secret(tmp_path: Path) -> None:
    """A server's repr has no token."""
    (server,) = find("http://a/?token=hunter2", environ={}, runtime_dir=tmp_path)
    assert server.token == "hunter2"
    assert "hunter2" not in f"{server!r}{server}"
