"""Real parts for every test: a server with the bridge, in this process or in one of its own."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support.waiting import settle

# A run in the background may ignore Ctrl-C, and one under nohup a hangup. Whatever the tests start
# would ignore them, too: commands that Ctrl-C is to end, and shells whose terminal is closed.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

pytest_plugins = ["pytest_jupyter.jupyter_server", "tests.support.joined", "tests.support.hub"]

# How many times the usual number of examples a property is tried with: `make soak` says more.
SOAK = int(os.environ.get("SOAK", "1"))
settings.register_profile("bridge", max_examples=100 * SOAK, deadline=None)
settings.load_profile("bridge")

# Starting a server with its extensions takes 2 to 5 s; a loaded machine gets ten times that.
START_TIME = 60.0


# How a skipped test says that a program or a package is missing.
MISSING = re.compile(r"not installed|is not there|is not built|is not in \.cache")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With NO_SKIPS=1, as in CI, a test fails for whose sake something should be installed."""
    report = yield
    if report.skipped and os.environ.get("NO_SKIPS") == "1" and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if MISSING.search(reason):
            report.outcome, report.longrepr = "failed", reason
    return report


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """The in-process server of pytest-jupyter, with the bridge enabled."""
    return {"ServerApp": {"jpserver_extensions": {"jupyter_bridge": True}}}


@pytest.fixture(autouse=True)
def _no_outer_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds a server that happens to run on this machine."""
    for name in list(os.environ):
        if name.startswith(("JUPYTERHUB_", "JUPYTER_SERVER_", "JUPYTER_BRIDGE_", "JUPYTER_TOKEN")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _left_clean(
    request: pytest.FixtureRequest, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[None]:
    """What an async test has closed is really closed before its loop is, as `asyncio.run` does."""
    yield
    if inspect.iscoroutinefunction(request.function):
        jp_asyncio_loop.run_until_complete(jp_asyncio_loop.shutdown_asyncgens())
        jp_asyncio_loop.run_until_complete(settle())


@dataclass
class Server:
    """A Jupyter server in a process of its own; `url` ends with a slash."""

    url: str
    token: str
    process: subprocess.Popen[bytes]
    root: Path
    runtime: Path
    log: Path

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_server(
    folder: Path, *options: str, env: dict[str, str] | None = None, port: int = 0
) -> Server:
    """Start `jupyter server` on a (free) loopback port, all its files below `folder`."""
    root, runtime, config = folder / "root", folder / "runtime", folder / "config"
    for path in (root, runtime, config):
        path.mkdir(parents=True, exist_ok=True)
    token = (env or {}).get("JUPYTER_TOKEN") or secrets.token_hex(16)
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
                *("--ServerApp.ip=127.0.0.1", f"--port={port}", f"--ServerApp.root_dir={root}"),
                "--ServerApp.jpserver_extensions=jupyter_bridge=True",  # options may name more
                *options,
            ],
            env={
                **os.environ,
                "JUPYTER_RUNTIME_DIR": str(runtime),
                "JUPYTER_CONFIG_DIR": str(config),
                "JUPYTER_DATA_DIR": str(folder / "data"),
                "JUPYTER_TOKEN": token,
                "IPYTHONDIR": str(folder / "ipython"),
                "PYTHONUNBUFFERED": "1",
                **(env or {}),
            },
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + START_TIME
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        info = runtime / f"jpserver-{process.pid}.json"
        try:
            url = json.loads(info.read_text())["url"]
        except (OSError, ValueError):
            time.sleep(0.05)
            continue
        if _listens(url):
            return Server(url, token, process, root, runtime, log)
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


def _listens(url: str) -> bool:
    host, _, port = url.split("/")[2].partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def bridge_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server process with the bridge for the whole session; kernels are the tests' to stop."""
    server = start_server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()
