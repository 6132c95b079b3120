"""GatewayUpstream before a gateway that reads nothing; test_gateway has real ones."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from tornado.websocket import WebSocketProtocol13

from jupyter_bridge.kernels.gateway_upstream import GatewayUpstream
from jupyter_bridge.kernels.upstreams import MAX_WAITING
from jupyter_bridge.problems import Busy
from jupyter_bridge.wire import kernel
from tests.support.waiting import settle, until


class DeafGateway:
    """The host's client of a gateway, and the gateway: it shakes hands, and reads nothing then."""

    kernels_endpoint = "/api/kernels"
    gateway_retry_max = 0

    def __init__(self) -> None:
        self.ws_url = ""
        self.writers: list[asyncio.StreamWriter] = []

    def load_connection_args(self) -> dict[str, Any]:
        return {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = head.partition("Sec-Websocket-Key: ")[2].split("\r\n")[0]
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        answer = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept(key)}",
            f"Sec-WebSocket-Protocol: {kernel.V1}",
        ]
        writer.write("\r\n".join((*answer, "", "")).encode())


def accept(key: str) -> str:
    return WebSocketProtocol13.compute_accept_value(key)


async def say(upstream: GatewayUpstream, times: int) -> None:
    parts = kernel.build_message("x_request", {"a": "b" * 2_000}, "s")
    for _ in range(times):
        upstream.send("shell", parts)
        await asyncio.sleep(0)


async def test_nothing_is_read() -> None:
    """So many messages wait; then their senders are told, and the end is no matter of the log."""
    gateway = DeafGateway()
    server = await asyncio.start_server(gateway.answer, "127.0.0.1", 0)
    gateway.ws_url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    upstream = GatewayUpstream("k", gateway, logging.getLogger("test"))
    loop, troubles, lost = asyncio.get_running_loop(), list[dict[str, Any]](), list[str]()
    loop.set_exception_handler(lambda _, trouble: troubles.append(trouble))
    try:
        await upstream.open(lambda channel, messages: None, lost.append)
        tasks = len(asyncio.all_tasks())
        with pytest.raises(Busy):
            await say(upstream, 20_000)
        assert len(asyncio.all_tasks()) <= tasks + MAX_WAITING
        gateway.writers[0].transport.abort()
        await until(lambda: lost, "the end")
        await settle()
        await upstream.close()
        gc.collect()
    finally:
        loop.set_exception_handler(None)
        server.close()
        await server.wait_closed()
    assert troubles == []
