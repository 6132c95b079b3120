"""A client that sends on and on, reads nothing of the answers, and hangs up."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.wire import console as wire
from tests.hostile.target import BINARY, Target, frame, shaking
from tests.support.waiting import settle, until
from tests.web.test_socket import sockets

# So many frames are sent, unless the server stops reading. Their answers, of ten bytes where they
# are compressed, are far more than the systems' buffers take, which this test makes small. Bytes.
FRAMES = 20_000
BUFFER = 4096
# What the server may hold of the answers: a few of them. Bytes.
HELD = 4 << 10
ZIP = {"Sec-WebSocket-Extensions": "permessage-deflate"}
# The mode of the socket, whether another viewer takes the console over, and headers.
WHO: dict[str, tuple[str, bool, dict[str, str]]] = {
    "a watcher": ("watch", False, {}),
    "a watcher, compressed": ("watch", False, ZIP),
    "a writer who was stolen from": ("join", True, {}),
    "a writer who was stolen from, compressed": ("join", True, ZIP),
}


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """The host compresses websockets for clients that ask for it."""
    return {
        "ServerApp": {
            "jpserver_extensions": {"jupyter_bridge": True},
            "websocket_compression_options": {},
        }
    }


@pytest.fixture
def target(jp_serverapp: Any, http_server: Any, http_server_port: Any, jp_root_dir: Path) -> Target:
    url = f"http://127.0.0.1:{http_server_port[-1]}{jp_serverapp.base_url}"
    return Target(url, jp_serverapp.identity_provider.token, str(jp_root_dir))


@asynccontextmanager
async def deaf(target: Target, path: str, headers: dict[str, str]) -> AsyncIterator[socket.socket]:
    """Yield an open websocket of which nothing is read, by nobody."""
    loop = asyncio.get_running_loop()
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        line.setblocking(False)
        await loop.sock_connect(line, (target.host, target.port))
        shake = {**shaking(wire.SUBPROTOCOL), **headers}
        await loop.sock_sendall(line, target.head("GET", path, shake, login=True))
        head = b""
        while b"\r\n\r\n" not in head:
            head += await loop.sock_recv(line, 1)
        assert b" 101 " in head.split(b"\r\n")[0], head
        assert (b"permessage-deflate" in head) == bool(headers)
        yield line


async def flood(line: socket.socket, data: bytes, times: int) -> None:
    """Send the data again and again, until the server has read none of it for a while."""
    left = data * times
    silent = 0
    while left and silent < 50:
        try:
            left = left[line.send(left[: 1 << 16]) :]
            silent = 0
        except BlockingIOError:
            silent += 1
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("who", WHO)
async def test_refused_input(
    target: Target, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """Each frame is answered before the next is read: nothing piles up, and nothing is logged."""
    mode, stolen, headers = WHO[who]
    monkeypatch.setattr("jupyter_bridge.consoles.handlers.socket.SEND_BUFFER", BUFFER)
    (jp_root_dir / "a.log").write_text("line\n")
    loop, troubles = asyncio.get_running_loop(), list[dict[str, Any]]()
    before = {id(each) for each in sockets()}
    path = "bridge/interact/file:a.log?mode="
    loop.set_exception_handler(lambda _, trouble: troubles.append(trouble))
    try:
        async with deaf(target, path + mode, headers) as line:
            [server] = [each for each in sockets() if id(each) not in before]
            if stolen:
                async with target.socket(path + "steal", protocol=wire.SUBPROTOCOL):
                    pass
            tasks = len(asyncio.all_tasks())
            await flood(line, frame(b"i", BINARY), FRAMES)
            assert len(server._stream._write_buffer) < HELD
            assert len(asyncio.all_tasks()) < tasks + 10
        await until(server._stream.closed, "the end")
        await settle()
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert troubles == []
