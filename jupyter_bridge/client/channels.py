"""One client's seat on a kernel: Jupyter messages both ways over one websocket.

It speaks `v1.kernel.websocket.jupyter.org` (`jupyter_bridge.wire.kernel` is its document). When the
line breaks it is opened again under the same session, after the last iopub message that arrived:
nothing that the server still holds is missed, and what it no longer holds is told by a message
`bridge_gap` on iopub.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import aiohttp
import msgspec

from jupyter_bridge.client.door import Door, problem_of, segment
from jupyter_bridge.client.listening import Patience
from jupyter_bridge.problems import Conflict, Problem, RemoteFailed, Unavailable
from jupyter_bridge.wire.kernel import V1, FrameError, build_message, build_v1, parse_v1

# A ping goes out this often; without its pong the line is dead.
HEARTBEAT_SECONDS = 30.0
# One message is one frame; a kernel's ring holds 64 MiB, a single larger message still arrives.
MAX_FRAME_BYTES = 512 << 20
# A close code of the bridge: 4000 plus the Problem's HTTP status.
_PROBLEM_CODES = range(4400, 4600)
_OK = 1000


class Message(msgspec.Struct, frozen=True):
    """One Jupyter message and the channel it came on."""

    channel: str
    header: dict[str, Any]
    parent_header: dict[str, Any]
    metadata: dict[str, Any]
    content: dict[str, Any]
    buffers: list[bytes] = []

    @property
    def msg_type(self) -> str:
        """What kind of message it is."""
        return str(self.header.get("msg_type", ""))

    @property
    def msg_id(self) -> str:
        """Its own id."""
        return str(self.header.get("msg_id", ""))

    @property
    def parent_id(self) -> str:
        """The id of the request that it belongs to; empty where there is none."""
        return str(self.parent_header.get("msg_id", ""))

    @classmethod
    def from_frame(cls, frame: bytes) -> Message:
        """The message in one v1 frame; RemoteFailed where it holds none."""
        try:
            channel, parts = parse_v1(frame)
            header, parent, metadata, content = (_decode(part) for part in parts[:4])
            return cls(channel, header, parent, metadata, content, parts[4:])
        except (FrameError, ValueError) as error:
            raise RemoteFailed(
                f"The websocket sent what is no Jupyter message: {error}."
            ) from error


class Channels:
    """A kernel's channels. Open with `async with`, `send`, iterate, close.

    `session_id` names this client to the kernel; `after` is the id of the last iopub message that
    was received, here or by an earlier client, and may be handed to the next one.
    """

    def __init__(
        self,
        door: Door,
        kernel_id: str,
        channel: str = "channels",
        *,
        after: str | None = None,
        session_id: str | None = None,
    ) -> None:
        self.session_id = session_id or uuid.uuid4().hex
        self.after = after
        self._door = door
        self._path = f"{segment(channel)}/{segment(kernel_id)}"
        self._channel = channel
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._opening = asyncio.Lock()
        self._patience = Patience()
        self._closed = False

    async def open(self) -> Channels:
        """Open the line; raises the Problem of a refused handshake. Opening twice is fine."""
        await self._connected()
        return self

    async def close(self) -> None:
        """Leave the seat; the kernel goes on. Closing twice is fine."""
        self._closed = True
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def __aenter__(self) -> Channels:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> Channels:
        return self

    async def __anext__(self) -> Message:
        while not self._closed:
            message = await self._next()
            if message is not None:
                return message
        raise StopAsyncIteration

    async def receive(self, timeout: float | None = None) -> Message | None:
        """The next message; None if the line is closed or nothing came within `timeout` seconds."""
        try:
            return await asyncio.wait_for(self.__anext__(), timeout)
        except (StopAsyncIteration, asyncio.TimeoutError):
            return None

    async def send(
        self,
        msg_type: str,
        content: Mapping[str, Any] | None = None,
        *,
        channel: str | None = None,
        parent: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        buffers: Sequence[bytes] = (),
    ) -> str:
        """Send one message (on `shell` unless told); returns its id, the parent_id of its replies.

        Raises Unavailable where the line breaks meanwhile: whether it arrived is then not known.
        """
        default = "shell" if self._channel == "channels" else self._channel
        head = msgspec.json.encode(dict(parent or {}))
        msg_id = uuid.uuid4().hex
        parts = build_message(msg_type, dict(content or {}), self.session_id, head, msg_id)
        if metadata:
            parts[2] = msgspec.json.encode(dict(metadata))
        socket = await self._connected()
        try:
            await socket.send_bytes(build_v1(channel or default, [*parts, *buffers]))
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Unavailable(f"The line to the kernel broke while sending: {error}.") from error
        return msg_id

    # -- below ---------------------------------------------------------------------------------

    async def _connected(self) -> aiohttp.ClientWebSocketResponse[bool]:
        async with self._opening:
            if self._closed:
                raise Conflict("This line is closed.")
            if self._socket is None:
                self._socket = await self._door.websocket(
                    self._path,
                    query={"session_id": self.session_id, "after": self.after},
                    protocol=V1,
                    heartbeat=HEARTBEAT_SECONDS,
                    limit=MAX_FRAME_BYTES,
                )
            return self._socket

    async def _next(self) -> Message | None:
        """One message; None when there is none yet and the line was opened again, or is closed."""
        try:
            socket = await self._connected()
        except (Unavailable, RemoteFailed) as problem:
            await self._patience.wait(problem)
            return None
        frame = await socket.receive()
        if frame.type is aiohttp.WSMsgType.BINARY:
            self._patience.renew()
            message = Message.from_frame(frame.data)
            if message.channel == "iopub" and message.msg_type != "bridge_gap":
                self.after = message.msg_id or self.after
            return message
        if self._socket is socket:
            self._socket = None
        await socket.close()
        if self._closed:
            return None
        text = frame.data if frame.type is aiohttp.WSMsgType.TEXT else None
        await self._resume(text, socket.close_code)
        return None

    async def _resume(self, last: str | None, code: int | None) -> None:
        """After the line closed: raise what ended it for good, else pause and try again."""
        problem: Problem | str = f"the websocket closed with {code}"
        if last is not None:
            problem = self._problem(last, code)
        elif code == _OK:
            self._closed = True
            return
        if isinstance(problem, Problem) and not isinstance(problem, Unavailable):
            self._closed = True
            raise problem
        await self._patience.wait(problem)

    def _problem(self, text: str, code: int | None) -> Problem:
        where = f"The websocket {self._path}"
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        status = code - 4000 if code is not None and code in _PROBLEM_CODES else None
        return problem_of(body, status, where) or RemoteFailed(f"{where} sent unknown text.")


def _decode(part: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(part, type=dict[str, Any])
    except msgspec.MsgspecError:
        # Some kernels write NaN, which is no JSON; Python's own reader takes it.
        value = json.loads(part)
        if not isinstance(value, dict):
            raise ValueError("a part is no JSON object") from None
        return value
