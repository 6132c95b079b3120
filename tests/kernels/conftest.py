"""Clients of the session's server, and kernels on it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server, start_server
from tests.support.asking import ask
from tests.support.kernel_client import Bridge

# What the server's log never holds, unless a test wants it there. Kernels write into the same
# file, and one that is stopped as it starts has uncaught exceptions: the server's begin with "[E".
_ALARMS = re.compile(
    r"Internal error|never retrieved|never awaited|^\[E .*Uncaught|Exception in callback"
)


def _opened(
    server: Server, loop: asyncio.AbstractEventLoop, headers: dict[str, str]
) -> Iterator[Bridge]:
    start = server.log.stat().st_size
    client = Bridge(server, headers)
    yield client
    loop.run_until_complete(client.close())
    said = server.log.read_bytes()[start:].decode("utf-8", "replace")
    assert not [line for line in said.splitlines() if _ALARMS.search(line)], said


@pytest.fixture
def bridge(bridge_server: Server, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Bridge]:
    """A client with the token; the server's log stays free of internal errors meanwhile."""
    yield from _opened(bridge_server, jp_asyncio_loop, bridge_server.headers)


@pytest.fixture
def connect(
    jp_asyncio_loop: asyncio.AbstractEventLoop,
) -> Iterator[Callable[..., Bridge]]:
    """`connect(server, **headers)`: a client of any server (by default with its token)."""
    with ExitStack() as stack:

        def connected(server: Server, headers: dict[str, str] | None = None) -> Bridge:
            opened = _opened(
                server, jp_asyncio_loop, server.headers if headers is None else headers
            )
            stack.callback(lambda: next(opened, None))
            return next(opened)

        yield connected


@pytest.fixture(scope="module")
def kernel(bridge_server: Server) -> Iterator[str]:
    """A python3 kernel for the whole module; tests leave it idle."""
    kernel_id = ask(bridge_server, "POST", "bridge/spawn/python3", {})["id"]
    yield kernel_id
    ask(bridge_server, "DELETE", f"bridge/shutdown/{kernel_id}")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """`servers(*options)`: a server with these options, for the whole module."""
    started: dict[Any, Server] = {}

    def start(*options: str, files: dict[str, str] | None = None, **env: str) -> Server:
        key = (options, tuple(sorted(env.items())))
        if key not in started:
            folder: Path = tmp_path_factory.mktemp("server")
            for name, text in (files or {}).items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            started[key] = start_server(folder, *options, env=env)
        return started[key]

    yield start
    for server in started.values():
        server.stop()
