"""Output that a remote repeats after a reconnect, so much that a thread searches it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from jupyter_bridge.connections.connectors.cray import ConsoleService
from jupyter_bridge.connections.connectors.jupyter.connector import JupyterServer
from tests.connections.connectors.test_hostile import _jupyter, make
from tests.simulators.hostile_remote import worst_tick
from tests.support.waiting import until

# A piece of the search, and a frame's copies; on the loop it took 0.4 s.
MOST_TICK = 0.2


async def terminal(url: str, folder: Path) -> Any:
    one: Any = make(JupyterServer, url, folder)
    return one, await _jupyter(one, url).console("1")


async def node(url: str, folder: Path) -> Any:
    one: Any = make(ConsoleService, url, folder)
    return one, await one.console("n1")


def stdout(text: str) -> str:
    return json.dumps(["stdout", text])


@pytest.mark.parametrize(
    ("opener", "frame"), [(terminal, stdout), (node, str)], ids=["terminal", "node"]
)
@pytest.mark.parametrize("hostile", [False, True])
async def test_what_follows_a_large_replay_comes_after_it(
    opener: Any, frame: Callable[[str], str], hostile: bool, tmp_path: Path
) -> None:
    """Output that comes while the replay is searched waits for it; nobody else does."""
    size = 3 << 20  # a frame has 4 MiB at most
    text = "a" * size if hostile else random.Random(1).randbytes(size // 2).hex()
    cut = size // 2
    sockets = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sockets
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.json_response({})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sockets += 1
        if sockets == 1:
            await socket.send_str(frame(text[: cut - 1] + "b"))
            await until(lambda: came)
            await socket.close()
        else:
            await socket.send_str(frame(text[:cut] if hostile else text[: cut - 1] + "b"))
            for number in range(100):
                await socket.send_str(frame(f"<{number}>"))
            async for _ in socket:
                pass
        return socket

    came = bytearray()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        url = f"http://127.0.0.1:{server.port}"
        one, source = await opener(url, tmp_path)
        await source.open(came.extend, lambda lost: None, lambda exit_: None)
        try:
            assert await worst_tick(lambda: until(lambda: b"<99>" in came)) < MOST_TICK
        finally:
            await source.close()
            await one.context.outbound.close()
    later = "".join(f"<{number}>" for number in range(100)).encode()
    known = text[: cut - 1].encode() + b"b"
    assert came.startswith(known)
    assert came.endswith(later)
    between = bytes(came[len(known) : -len(later)])
    assert set(between) == ({ord("a")} if hostile else set())
