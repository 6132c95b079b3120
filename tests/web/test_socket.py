"""A websocket of the bridge, in this process."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from jupyter_bridge.web import TURNS, BridgeSocket
from jupyter_bridge.web.socket import MAX_LATE
from tests.hostile.target import TEXT, Target, frame
from tests.support.waiting import PATIENCE, until


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """The host pings once an hour, so that nothing here waits for a ping."""
    return {
        "ServerApp": {
            "jpserver_extensions": {"jupyter_bridge": True},
            "tornado_settings": {"ws_ping_interval": 3_600_000},
        }
    }


def sockets() -> list[BridgeSocket]:
    return [each for each in gc.get_objects() if isinstance(each, BridgeSocket)]


async def test_a_socket_that_is_gone_is_not_pinged(jp_ws_fetch: Any, jp_root_dir: Path) -> None:
    """The host's timer, which holds the socket and all it held, ends with it."""
    (jp_root_dir / "a.log").write_text("line\n")
    before = {id(each) for each in sockets()}  # other tests', not collected yet
    client = await jp_ws_fetch("bridge", "tail", "file:a.log", params={"follow": "true"})
    assert await asyncio.wait_for(client.read_message(), PATIENCE) == "line\n"
    pinging: list[Any] = [each.ping_callback for each in sockets() if id(each) not in before]
    assert [callback.is_running() for callback in pinging] == [True]
    client.close()
    await until(lambda: not any(callback.is_running() for callback in pinging), "the end")


async def test_some_frames_after_the_end(jp_ws_fetch: Any, jp_root_dir: Path) -> None:
    """They may have been on their way: whoever sent them hears the reason."""
    (jp_root_dir / "a.log").write_text("")
    client = await jp_ws_fetch("bridge", "tail", "file:a.log", params={"follow": "true"})
    client.protocol.stream.write(frame(b"a tail takes nothing", TEXT) * 50)
    said = await asyncio.wait_for(client.read_message(), PATIENCE)
    assert await asyncio.wait_for(client.read_message(), PATIENCE) is None
    assert ("read-only" in str(said), client.close_code) == (True, 4403)
    client.close()


async def test_frames_without_end_after_the_end(
    jp_serverapp: Any, http_server: Any, http_server_port: Any, jp_root_dir: Path
) -> None:
    """Whoever goes on is cut off, and most of what was sent is not looked at."""
    (jp_root_dir / "a.log").write_text("")
    before = {id(each) for each in sockets()}
    url = f"http://127.0.0.1:{http_server_port[-1]}{jp_serverapp.base_url}"
    target = Target(url, jp_serverapp.identity_provider.token, str(jp_root_dir))
    async with target.socket("bridge/tail/file:a.log?follow=true") as socket:
        [server] = [each for each in sockets() if id(each) not in before]
        socket.writer.write(frame(b"a tail takes nothing", TEXT) * 5_000)
        deadline = time.monotonic() + PATIENCE
        while not server._stream.closed():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
    assert MAX_LATE < server._late < 1_000


async def test_frames_begin_a_few_in_a_turn(
    jp_ws_fetch: Any, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many sockets send, others get their turns between their frames."""
    (jp_root_dir / "a.log").write_text("")
    loop, began = asyncio.get_running_loop(), []
    turn, ticking = 0, True

    def tick() -> None:
        nonlocal turn
        turn += 1
        if ticking:
            loop.call_soon(tick)

    monkeypatch.setattr(BridgeSocket, "on_frame", lambda self, frame: began.append(turn))
    monkeypatch.setattr(
        "jupyter_bridge.consoles.handlers.socket.TailSocket.on_frame", BridgeSocket.on_frame
    )
    clients = [
        await jp_ws_fetch("bridge", "tail", "file:a.log", params={"follow": "true"})
        for _ in range(3 * TURNS)
    ]
    tick()
    await asyncio.gather(*(client.write_message("x") for client in clients for _ in range(5)))
    deadline = time.monotonic() + PATIENCE
    while len(began) < 15 * TURNS:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    ticking = False
    # Those who waited for their turn, and those who came in it.
    assert max(began.count(one) for one in set(began)) <= 2 * TURNS
    for client in clients:
        client.close()


async def test_so_many_may_type(
    jp_ws_fetch: Any, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is refused with its handshake; whoever only looks is not."""
    (jp_root_dir / "a.log").write_text("line\n")
    monkeypatch.setattr("jupyter_bridge.consoles.handlers.socket.MAX_WRITERS", 1)
    path = ("bridge", "interact", "file:a.log")
    first = await jp_ws_fetch(*path)
    assert await asyncio.wait_for(first.read_message(), PATIENCE) == "line\n"
    with pytest.raises(HTTPClientError) as refused:
        await jp_ws_fetch(*path)
    assert refused.value.code == 409
    second = await jp_ws_fetch(*path, params={"mode": "watch"})
    assert await asyncio.wait_for(second.read_message(), PATIENCE) == "line\n"
    first.close()
    second.close()
