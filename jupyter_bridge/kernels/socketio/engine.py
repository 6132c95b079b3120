"""python-engineio, the engine below socket.io, with limits and checks that it lacks.

A client's queue gets no more than the client reads, and its websocket is read no faster than the
engine handles the frames. A malformed packet ends only the connection that sent it. After a failed
upgrade to a websocket, polling continues. Only small JSON is decoded, and a client's JSON never
into objects.

Protocols: engine.io 4 (https://github.com/socketio/engine.io-protocol) and, in its messages,
socket.io 5 (https://github.com/socketio/socket.io-protocol).
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from engineio.async_drivers import tornado as driver
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from socketio import packet
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from jupyter_bridge.wire import kernel, socketio_event, websocket
from jupyter_bridge.wire.json_errors import JSON_ERRORS
from jupyter_bridge.wire.large_json import as_utf8

# The same times as in socket.io's own servers, seconds: between pings, and for each pong.
PING_INTERVAL = 25.0
PING_TIMEOUT = 20.0

# The most packets of one POST, and attachments of one packet: far more than widgets send.
MAX_PACKETS = 1_000
MAX_ATTACHMENTS = 1_000
# The most that waits until the client reads it: packets, which are a few more than a full POST is
# answered with, and bytes of those that are not large. Of the large ones there is one at a time.
MAX_UNREAD, MAX_UNREAD_BYTES = MAX_PACKETS + 100, 32 << 20
# The most bytes of a CONNECT, a DISCONNECT or an acknowledgement: room for a token.
MAX_SMALL = 4 << 10

# The text packets of a client besides messages: close, ping (a websocket's probe), pong, upgrade.
CONTROLS = frozenset({"1", "2", "2probe", "3", "3probe", "5"})
# Those not allowed in a POST: only the server pings, and only a websocket is probed or upgraded to.
_OF_WEBSOCKETS = frozenset({"2", "2probe", "3probe", "5"})
_UPGRADE = "5"
# A message: its socket.io type must follow.
_MESSAGE = re.compile("4[0-6]")
# A socket.io packet before its JSON: type, number of attachments, namespace, id.
_HEAD = re.compile(r"([0-6])(?:([0-9]{1,6})-)?(?:(/[^,]{0,1000})(?:,|$))?([0-9]{1,15})?")
_NOOP = "6"
# Between the packets of a payload.
_SEPARATOR = b"\x1e"
# Event names that the protocol reserves.
_RESERVED = {
    *("connect", "connect_error", "disconnect", "disconnecting"),
    *("newListener", "removeListener", "__disconnect_final"),
}


class Unreadable(ValueError):
    """A client sent a packet that is malformed or not allowed."""


class LargePacket(EnginePacket):  # type: ignore[misc]
    """A message to a client, text or attachment, that is sent in pieces."""

    def __init__(self, pieces: list[bytes], *, text: bool) -> None:
        super().__init__(MESSAGE)
        self.binary = not text
        self._pieces = pieces

    def encode(self, b64: bool = False) -> Any:
        """Return the packet itself for a websocket, or the whole text for a polling client."""
        if not b64:
            return self
        self.data = b"".join(self._pieces)
        if not self.binary:
            return self.data.decode()
        return super().encode(b64=True)

    def frame(self) -> list[bytes]:
        """Return the websocket frame, in pieces."""
        return websocket.frame_pieces(self._pieces, text=not self.binary)


def large_packets(namespace: str, parts: Sequence[bytes], channel: str | None) -> list[LargePacket]:
    """Return the packets of an event `msg` with a large message; slow: call it in a thread."""
    buffers = parts[kernel.JSON_PARTS :]
    kind = f"{packet.BINARY_EVENT}{len(buffers)}-" if buffers else f"{packet.EVENT}"
    text = [f"4{kind}{namespace},".encode(), *socketio_event.build_pieces(parts, channel)]
    return [
        LargePacket([piece for part in text for piece in as_utf8(part)], text=True),
        *(LargePacket([buffer], text=False) for buffer in buffers),
    ]


class Unread(asyncio.Queue[Any]):
    """A connection's packets that its client has not read yet.

    The engine queues an answer to most packets of the client, and never waits. `on_full` is called
    once when MAX_UNREAD or MAX_UNREAD_BYTES are exceeded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.on_full: Callable[[], object] = lambda: None
        self._bytes = 0

    def _put(self, item: Any) -> None:
        super()._put(item)
        self._bytes += _size(item)
        if self.qsize() > MAX_UNREAD or self._bytes > MAX_UNREAD_BYTES:
            on_full, self.on_full = self.on_full, lambda: None
            on_full()

    def _get(self) -> Any:
        item = super()._get()
        self._bytes -= _size(item)
        return item


def _size(item: EnginePacket | None) -> int:
    """Return the bytes of a packet, 0 for a large one, or the mark of the end."""
    data = None if item is None or isinstance(item, LargePacket) else item.data
    return len(data) if isinstance(data, (str, bytes)) else 0


class PacedWebSocket(driver.WebSocket):  # type: ignore[misc]
    """The engine's websocket, but sending waits until the operating system has accepted the data.

    `opened(sid, websocket's handler)` is called first; `admit(sid, packet)` raises Unreadable for a
    packet that the client may not send (yet).
    """

    def __init__(
        self,
        handler: Any,
        server: Any,
        opened: Callable[[str, Any], None],
        admit: Callable[[str, str | bytes], None],
    ) -> None:
        super().__init__(handler, server)
        self._opened = opened
        self._admit = admit
        self._is_upgraded = False

    async def __call__(self, environ: dict[str, Any]) -> None:
        self._opened(self.handler.__self__.sid, environ["tornado.handler"])
        try:
            await super().__call__(environ)
        finally:
            # The engine holds back a client's polls during an upgrade, and does not resume them if
            # the upgrade fails.
            self.handler.__self__.upgrading = False

    async def send(self, message: str | bytes | LargePacket) -> None:
        if message == _NOOP:  # only for a poll
            return
        try:
            if isinstance(message, LargePacket):
                await self._send_pieces(message.frame())
                return
            await self.tornado_handler.write_message(message, binary=isinstance(message, bytes))
        except (WebSocketClosedError, StreamClosedError):
            raise OSError("the websocket is closed") from None

    async def _send_pieces(self, pieces: list[bytes]) -> None:
        connection = self.tornado_handler.ws_connection
        if connection is None or connection.is_closing():
            raise WebSocketClosedError
        for piece in pieces:
            written = connection.stream.write(piece)
        await written

    async def wait(self) -> str | bytes:
        message: str | bytes = await super().wait()
        try:
            if isinstance(message, str) and not (message in CONTROLS or _MESSAGE.match(message)):
                raise Unreadable("malformed packet")
            if message == _UPGRADE:
                if self._is_upgraded:
                    raise Unreadable("this websocket is upgraded to already")
                self._is_upgraded = True
            self._admit(self.handler.__self__.sid, message)
        except Unreadable:
            raise OSError("malformed packet") from None  # as if the client had left
        return message


def read_payload(body: bytes, admit: Callable[[str | bytes], None]) -> Iterator[EnginePacket]:
    """Iterate the packets of a POST; raise Unreadable at the first that is malformed.

    `admit` gets each packet before it is decoded, and raises Unreadable if it is not allowed.
    """
    if body.count(_SEPARATOR) >= MAX_PACKETS:
        raise Unreadable(f"a payload may have {MAX_PACKETS} packets at most")
    for part in body.split(_SEPARATOR):
        yield _read_packet(part, admit)


def _read_packet(part: bytes, admit: Callable[[str | bytes], None]) -> EnginePacket:
    try:
        if part.startswith(b"b"):
            admit(part)
            return EnginePacket(MESSAGE, base64.b64decode(part[1:]))
        text = part.decode()
    except Unreadable:
        raise
    except ValueError as error:  # neither base64 nor UTF-8
        raise Unreadable(str(error)) from error
    admit(text)
    if text in _OF_WEBSOCKETS or not (text in CONTROLS or _MESSAGE.match(text)):
        raise Unreadable("malformed packet")
    # Not the engine's own decoder, which also parses JSON after a type that has none.
    return EnginePacket(int(text[0]), text[1:])


class Packet(packet.Packet):  # type: ignore[misc]
    """A socket.io packet, strictly checked; Unreadable if it is malformed.

    The data of an event `msg` is `["msg", event.Received]`, of any other event only its name.
    """

    # The most bytes of all attachments of one packet.
    max_bytes = 10 << 20

    def __init__(self, *arguments: Any, encoded_packet: Any = None, **options: Any) -> None:
        # The library handles an empty message like None, as an event without data.
        if encoded_packet is not None and len(encoded_packet) == 0:
            raise Unreadable("malformed packet")
        super().__init__(*arguments, encoded_packet=encoded_packet, **options)

    def decode(self, encoded_packet: Any) -> int:
        if not isinstance(encoded_packet, str):
            raise Unreadable("no packet announced this attachment")
        head = _HEAD.match(encoded_packet)
        if head is None:
            raise Unreadable("malformed packet")
        self.packet_type = int(head[1])
        attachments = int(head[2] or 0)
        self.namespace = head[3].partition("?")[0] if head[3] else None
        self.id = int(head[4]) if head[4] else None
        binary = self.packet_type == packet.BINARY_EVENT
        if binary != (attachments > 0) or attachments > MAX_ATTACHMENTS:
            raise Unreadable("the attachments do not match the type of the packet")
        self.data = self._read_data(encoded_packet[head.end() :])
        self._size = 0
        return attachments

    def _read_data(self, text: str) -> Any:
        if self.packet_type in (packet.EVENT, packet.BINARY_EVENT):
            try:
                name, message = socketio_event.read(text)
            except kernel.FrameError as error:
                raise Unreadable(str(error)) from error
            if name in _RESERVED:
                raise Unreadable(f"the protocol reserves the event {name}")
            return [name, message] if name == "msg" else [name]
        if len(text) > MAX_SMALL:
            raise Unreadable(f"a packet of this type may have {MAX_SMALL} bytes at most")
        try:
            data = msgspec.json.decode(text) if text else None
        except JSON_ERRORS as error:
            raise Unreadable(str(error)) from error
        if not self._may_be(data):
            raise Unreadable("the data do not match the type of the packet")
        return data

    def _may_be(self, data: Any) -> bool:
        if self.packet_type == packet.CONNECT:
            return data is None or isinstance(data, dict)
        if self.packet_type == packet.DISCONNECT:
            return data is None
        # Only the server sends a refusal, and it never requests attachments.
        return self.packet_type == packet.ACK and isinstance(data, list) and self.id is not None

    def add_attachment(self, attachment: Any) -> bool:
        if not isinstance(attachment, bytes):
            raise Unreadable("not an attachment")
        self._size += len(attachment)
        if self._size > self.max_bytes:
            raise Unreadable(f"attachments may have {self.max_bytes} bytes at most")
        self.attachments.append(attachment)
        if len(self.attachments) < self.attachment_count:
            return False
        try:
            for message in self.data[1:]:
                message.fill(self.attachments)
        except kernel.FrameError as error:
            raise Unreadable(str(error)) from error
        return True
