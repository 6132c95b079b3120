"""The upstream to a kernel behind a gateway: one websocket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket as system
import uuid
from collections.abc import Sequence
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.iostream import StreamBufferFullError
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from jupyter_bridge.aio.changes import Changes
from jupyter_bridge.aio.turns import Pauses
from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.kernels.upstreams import (
    MAX_WAITING,
    MAX_WAITING_BYTES,
    OnLost,
    OnMessages,
    busy,
)
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import NotFound, Unavailable
from jupyter_bridge.transport.answers import off_loop
from jupyter_bridge.wire import kernel

# A gateway may send images and buffers; Tornado's own limit is 10 MiB. Bytes.
_MAX_GATEWAY_FRAME = 256 << 20
# Linux only; elsewhere a gateway's answers may come 40 ms later.
_QUICK_ACK: int | None = getattr(system, "TCP_QUICKACK", None)


class GatewayUpstream(Upstream):
    """One websocket to a kernel behind a Kernel Gateway or Enterprise Gateway.

    Uses `v1.kernel.websocket.jupyter.org`, which passes binary buffers unchanged, or the default
    protocol with gateways that lack it. The session id stays the same after a reconnection: the
    gateway buffers the kernel's messages for it.
    """

    def __init__(self, kernel_id: str, client: Any, log: logging.Logger) -> None:
        self._kernel_id = kernel_id
        self._client = client  # jupyter_server.gateway.gateway_client.GatewayClient
        self._log = log
        self._session = uuid.uuid4().hex
        self._socket: WebSocketClientConnection | None = None
        self._v1 = True
        self._reading: asyncio.Task[None] | None = None
        self._waiting = 0  # messages that the system has not accepted yet

    async def open(self, on_messages: OnMessages, on_lost: OnLost) -> None:
        try:
            await self._connect()
        except Exception as error:
            if getattr(error, "code", None) == 404:
                raise NotFound(f"The gateway has no kernel {self._kernel_id}.") from error
            raise Unavailable(
                f"The gateway at {self._client.url} cannot be reached: {error}"
            ) from error
        self._reading = asyncio.create_task(self._read(on_messages, on_lost))

    async def _connect(self) -> None:
        url = "/".join(
            (
                (self._client.ws_url or "").rstrip("/"),
                self._client.kernels_endpoint.strip("/"),
                self._kernel_id,
                f"channels?session_id={self._session}",
            )
        )
        request = HTTPRequest(url, **self._client.load_connection_args())
        self._socket = await websocket_connect(
            request, subprotocols=[kernel.V1], max_message_size=_MAX_GATEWAY_FRAME
        )
        self._v1 = self._socket.selected_subprotocol == kernel.V1
        self._socket.protocol.stream.max_write_buffer_size = MAX_WAITING_BYTES  # type: ignore[union-attr]

    async def _read(self, on_messages: OnMessages, on_lost: OnLost) -> None:
        pauses = Pauses()
        unread = Changes(self._log)
        while True:
            assert self._socket is not None
            frame = await self._socket.read_message()
            _acknowledge(self._socket)
            await pauses()  # reading ready frames never yields to the loop
            if frame is None:
                self._socket.close()
                if not await self._reconnect():
                    on_lost("the gateway closed the connection and refuses a new one")
                    return
                continue
            try:
                if self._v1 and isinstance(frame, bytes):
                    channel, parts = kernel.parse_v1(frame)
                else:
                    named, parts = await off_loop(kernel.parse_default, frame)
                    channel = named or "iopub"
            except kernel.FrameError as error:
                unread.warning("The gateway sent a malformed message: %s", error)
                metrics.REFUSED.labels("malformed").inc()
                continue
            on_messages(channel, [parts])

    async def _reconnect(self) -> bool:
        """Reconnect, with the retries and pauses of the gateway client; tell whether it worked."""
        log = Changes(self._log)
        for attempt in range(self._client.gateway_retry_max):
            pause = self._client.gateway_retry_interval * 2**attempt
            await asyncio.sleep(min(pause, self._client.gateway_retry_interval_max))
            try:
                await self._connect()
            except Exception as error:
                log.info("The gateway refuses a connection: %s", error)
                if getattr(error, "code", None) == 404:
                    return False
            else:
                return True
        return False

    def send(self, channel: str, parts: Sequence[bytes]) -> None:
        if self._socket is None:
            return
        frame = (
            kernel.build_v1(channel, parts) if self._v1 else kernel.build_default(channel, parts)
        )
        if self._waiting >= MAX_WAITING:  # each is a task, however small it is
            raise busy()
        try:
            written = self._socket.write_message(frame, binary=isinstance(frame, bytes))
        except StreamBufferFullError:
            raise busy() from None
        except WebSocketClosedError:
            self._log.warning("Lost a message to kernel %s: no gateway.", self._kernel_id)
            return
        self._waiting += 1
        written.add_done_callback(self._on_written)

    def _on_written(self, written: asyncio.Future[None]) -> None:
        self._waiting -= 1
        if not written.cancelled():
            written.exception()  # the reading task notices the close, too

    async def close(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.cancel()
            await asyncio.wait({reading})
        socket, self._socket = self._socket, None
        if socket is not None:
            socket.close()


def _acknowledge(connection: WebSocketClientConnection) -> None:
    """Acknowledge received data at once.

    Gateways leave Nagle's algorithm on: the second of two small messages waits until the first is
    acknowledged, which the system delays by 40 ms. The system resets this option soon, so it is set
    after every message.
    """
    stream = getattr(connection.protocol, "stream", None)
    line = getattr(stream, "socket", None)
    if line is not None and _QUICK_ACK is not None:
        with contextlib.suppress(OSError):  # closed
            line.setsockopt(system.IPPROTO_TCP, _QUICK_ACK, 1)
