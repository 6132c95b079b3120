"""The engine below socket.io, python-engineio's, and its packets, with what they leave open closed.

No more is put into a client's queue than the client takes, and no more is taken from its websocket
than the engine works on. What is no packet of the protocol ends the connection that sent it, and
nothing else. A websocket that was tried and given up leaves the polling that went before it as it
was. JSON is decoded only where its size is small, and never into objects where a client made it.

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

# What socket.io's own servers wait, seconds: between pings, and for each pong.
PING_INTERVAL = 25.0
PING_TIMEOUT = 20.0

# Packets of one POST, and attachments of one packet: far more than a message of widgets has.
MAX_PACKETS = 1_000
MAX_ATTACHMENTS = 1_000
# What a CONNECT, a DISCONNECT or an acknowledgement may have, bytes: a token, and little else.
MAX_SMALL = 4 << 10

# What a client may send as text beside messages: close, ping (a websocket's probe), pong, upgrade.
CONTROLS = frozenset({"1", "2", "2probe", "3", "3probe", "5"})
# Those that have no place in a POST: the server pings, and a probe is a websocket's.
_OF_WEBSOCKETS = frozenset({"2", "2probe", "3probe"})
# A message: its socket.io type must follow.
_MESSAGE = re.compile("4[0-6]")
# A socket.io packet before its JSON: type, number of attachments, namespace, id.
_HEAD = re.compile(r"([0-6])(?:([0-9]{1,6})-)?(?:(/[^,]{0,1000})(?:,|$))?([0-9]{1,15})?")
_NOOP = "6"
# A payload's packets are parted by this.
_SEPARATOR = b"\x1e"
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


class LargePacket(EnginePacket):  # type: ignore[misc]
    """A message to a client that is sent piece by piece: text, or an attachment."""

    def __init__(self, pieces: list[bytes], *, text: bool) -> None:
        super().__init__(MESSAGE)
        self.binary = not text
        self._pieces = pieces

    def encode(self, b64: bool = False) -> Any:
        """The packet itself for a websocket; text where the client polls, which takes it whole."""
        if not b64:
            return self
        self.data = b"".join(self._pieces)
        if not self.binary:
            return self.data.decode()
        return super().encode(b64=True)

    def frame(self) -> list[bytes]:
        """The websocket's frame, in pieces."""
        return websocket.frame_pieces(self._pieces, text=not self.binary)


def large_packets(namespace: str, parts: Sequence[bytes], channel: str | None) -> list[LargePacket]:
    """The packets of an event `msg` with this large message; looks it through: call in a thread."""
    buffers = parts[kernel.JSON_PARTS :]
    kind = f"{packet.BINARY_EVENT}{len(buffers)}-" if buffers else f"{packet.EVENT}"
    text = [f"4{kind}{namespace},".encode(), *socketio_event.build_pieces(parts, channel)]
    return [
        LargePacket([piece for part in text for piece in as_utf8(part)], text=True),
        *(LargePacket([buffer], text=False) for buffer in buffers),
    ]


class PacedWebSocket(driver.WebSocket):  # type: ignore[misc]
    """The engine's websocket, but sending waits until the operating system has taken it.

    `opened(sid, websocket's handler)` is called first; `admit(sid, packet)` raises Unreadable for
    what the client may not send (yet).
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

    async def __call__(self, environ: dict[str, Any]) -> None:
        self._opened(self.handler.__self__.sid, environ["tornado.handler"])
        try:
            await super().__call__(environ)
        finally:
            # The engine holds back a client's polls while a websocket is tried, and forgets them
            # when that one is given up.
            self.handler.__self__.upgrading = False

    async def send(self, message: str | bytes | LargePacket) -> None:
        if message == _NOOP:  # ends a poll, and is not for a websocket
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
                raise Unreadable("this is no packet")
            self._admit(self.handler.__self__.sid, message)
        except Unreadable:
            raise OSError("this is no packet") from None  # as if the client had gone
        return message


def read_payload(body: bytes, admit: Callable[[str | bytes], None]) -> Iterator[EnginePacket]:
    """The packets of what a client posts; Unreadable in place of the first that is none.

    `admit` is shown each of them before it is decoded, and raises Unreadable for what may not be.
    """
    if body.count(_SEPARATOR) >= MAX_PACKETS:
        raise Unreadable(f"a payload has {MAX_PACKETS} packets at most")
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
        raise Unreadable("this is no packet")
    # Not the engine's own decoding, which also looks for JSON behind a type that has none.
    return EnginePacket(int(text[0]), text[1:])


class Packet(packet.Packet):  # type: ignore[misc]
    """A packet of socket.io as the protocol has it; Unreadable if it is none.

    The data of an event `msg` is `["msg", event.Received]`, of any other its name alone.
    """

    # What all attachments of one packet may have together, bytes.
    max_bytes = 10 << 20

    def __init__(self, *arguments: Any, encoded_packet: Any = None, **options: Any) -> None:
        # The library takes an empty message for none, and makes an event without data of it.
        if encoded_packet is not None and len(encoded_packet) == 0:
            raise Unreadable("this is no packet of socket.io")
        super().__init__(*arguments, encoded_packet=encoded_packet, **options)

    def decode(self, encoded_packet: Any) -> int:
        if not isinstance(encoded_packet, str):
            raise Unreadable("nothing has told of this attachment")
        head = _HEAD.match(encoded_packet)
        if head is None:
            raise Unreadable("this is no packet of socket.io")
        self.packet_type = int(head[1])
        attachments = int(head[2] or 0)
        self.namespace = head[3].partition("?")[0] if head[3] else None
        self.id = int(head[4]) if head[4] else None
        binary = self.packet_type == packet.BINARY_EVENT
        if binary != (attachments > 0) or attachments > MAX_ATTACHMENTS:
            raise Unreadable("this packet has not the attachments that its type says")
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
                raise Unreadable(f"the protocol keeps {name} for itself")
            return [name, message] if name == "msg" else [name]
        if len(text) > MAX_SMALL:
            raise Unreadable(f"a packet of this type has {MAX_SMALL} bytes at most")
        try:
            data = msgspec.json.decode(text) if text else None
        except JSON_ERRORS as error:
            raise Unreadable(str(error)) from error
        if not self._may_be(data):
            raise Unreadable("this packet has not what its type says")
        return data

    def _may_be(self, data: Any) -> bool:
        if self.packet_type == packet.CONNECT:
            return data is None or isinstance(data, dict)
        if self.packet_type == packet.DISCONNECT:
            return data is None
        # A refusal is the server's to send, and no attachments were ever asked for.
        return self.packet_type == packet.ACK and isinstance(data, list) and self.id is not None

    def add_attachment(self, attachment: Any) -> bool:
        if not isinstance(attachment, bytes):
            raise Unreadable("this is no attachment")
        self._size += len(attachment)
        if self._size > self.max_bytes:
            raise Unreadable(f"attachments have {self.max_bytes} bytes at most")
        self.attachments.append(attachment)
        if len(self.attachments) < self.attachment_count:
            return False
        try:
            for message in self.data[1:]:
                message.fill(self.attachments)
        except kernel.FrameError as error:
            raise Unreadable(str(error)) from error
        return True
