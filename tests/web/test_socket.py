"""A websocket of the bridge, in this process."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.web import BridgeSocket

PATIENCE = 60.0


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
    deadline = time.monotonic() + PATIENCE
    while any(callback.is_running() for callback in pinging):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
