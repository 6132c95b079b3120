"""The engine below socket.io, python-engineio's, and its packets, with what they leave open closed.

No more is put into a client's queue than the client takes. What is no packet of the protocol ends
the connection that sent it, and nothing else. A websocket that was tried and given up leaves the
polling that went before it as it was.

Protocols: engine.io 4 (https://github.com/socketio/engine.io-protocol) and, in its messages,
socket.io 5 (https://github.com/socketio/socket.io-protocol).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

from engineio.async_drivers import tornado as driver
from engineio.packet import Packet as EnginePacket
from socketio import packet
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

# What socket.io's own servers wait, seconds: between pings, and for each pong.
PING_INTERVAL = 25.0
PING_TIMEOUT = 20.0

# What a client may send as text: close, ping (a websocket's probe), pong, message, upgrade.
_TEXT = re.compile("[1235]|4[0-6]")
_NOOP = "6"
# A payload's packets are parted by this.
_SEPARATOR = "\x1e"
# Names of events that the protocol keeps for itself.
_RESERVED = {
    *("connect", "connect_error", "disconnect", "disconnecting"),
    *("newListener", "removeListener", "__disconnect_final"),
}


class Unreadable(ValueError):
    """What a client sent is no packet of the protocol."""


class Queue(asyncio.Queue[Any]):
    """The engine's queue of packets for one client, which tells when it is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.drained = asyncio.Event()

    def _put(self, item: Any) -> None:
        self.drained.clear()
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        if self.empty():
            self.drained.set()
        return item


class PacedWebSocket(driver.WebSocket):  # type: ignore[misc]
    """The engine's websocket, but sending waits until the operating system has taken it."""

    async def __call__(self, environ: dict[str, Any]) -> None:
        try:
            await super().__call__(environ)
        finally:
            # The engine holds back a client's polls while a websocket is tried, and forgets them
            # when that one is given up.
            self.handler.__self__.upgrading = False

    async def send(self, message: str | bytes) -> None:
        if message == _NOOP:  # ends a poll, and is not for a websocket
            return
        try:
            await self.tornado_handler.write_message(message, binary=isinstance(message, bytes))
        except (WebSocketClosedError, StreamClosedError):
            raise OSError("the websocket is closed") from None

    async def wait(self) -> str | bytes:
        message: str | bytes = await super().wait()
        if isinstance(message, str) and _TEXT.match(message) is None:
            raise OSError("this is no packet")  # as if the client had gone: the engine hangs up
        return message


def read_payload(body: bytes) -> Iterator[EnginePacket]:
    """The packets of what a client posts; Unreadable in place of the first that is none."""
    try:
        texts = body.decode().split(_SEPARATOR)
    except UnicodeError as error:
        raise Unreadable("this is no UTF-8") from error
    for text in texts:
        if not text.startswith("b") and _TEXT.match(text) is None:
            raise Unreadable("this is no packet")
        try:
            yield EnginePacket(encoded_packet=text)
        except ValueError as error:  # not base64
            raise Unreadable(str(error)) from error


class Packet(packet.Packet):  # type: ignore[misc]
    """A packet of socket.io as the protocol has it; Unreadable if it is none."""

    def decode(self, encoded_packet: Any) -> int:
        if not isinstance(encoded_packet, str):
            raise Unreadable("nothing has told of this attachment")
        try:
            attachments: int = super().decode(encoded_packet)
        except (ValueError, RecursionError) as error:
            raise Unreadable(str(error)) from error
        binary = self.packet_type in (packet.BINARY_EVENT, packet.BINARY_ACK)
        if binary != (attachments > 0) or not self._has_its_data():
            raise Unreadable("this packet has not what its type says")
        return attachments

    def _has_its_data(self) -> bool:
        data = self.data
        if self.packet_type == packet.CONNECT:
            return data is None or isinstance(data, dict)
        if self.packet_type == packet.DISCONNECT:
            return data is None
        if self.packet_type in (packet.EVENT, packet.BINARY_EVENT):
            named = isinstance(data, list) and data and isinstance(data[0], str)
            return bool(named) and data[0] not in _RESERVED
        if self.packet_type in (packet.ACK, packet.BINARY_ACK):
            return isinstance(data, list) and self.id is not None
        return False  # a refusal is the server's to send

    def add_attachment(self, attachment: Any) -> bool:
        if not isinstance(attachment, bytes):
            raise Unreadable("this is no attachment")
        try:
            return bool(super().add_attachment(attachment))
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise Unreadable(str(error)) from error  # a placeholder that stands for none
