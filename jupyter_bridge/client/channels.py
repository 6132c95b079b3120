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
from typing import Any

import msgspec

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.problems import Problem, RemoteFailed
from jupyter_bridge.transport.bridge_session import BridgeSession, segment
from jupyter_bridge.transport.bridge_socket import ResumingSocket
from jupyter_bridge.transport.problem_decoder import problem_of
from jupyter_bridge.wire.kernel import V1, FrameError, build_message, build_v1, parse_v1

# One message is one frame; a kernel's ring holds 64 MiB, a single larger message still arrives.
MAX_FRAME_BYTES = 512 << 20


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


class Channels(ResumingSocket[Message]):
    """A kernel's channels. Open with `async with`, `send`, iterate, close.

    `session_id` names this client to the kernel; `after` is the id of the last iopub message that
    was received, here or by an earlier client, and may be handed to the next one.
    """

    _protocol = V1
    _limit = MAX_FRAME_BYTES

    def __init__(
        self,
        door: BridgeSession,
        kernel_id: str,
        channel: str = "channels",
        *,
        after: str | None = None,
        session_id: str | None = None,
    ) -> None:
        super().__init__(door, f"{segment(channel)}/{segment(kernel_id)}")
        self.session_id = session_id or uuid.uuid4().hex
        self.after = after
        self._channel = channel

    async def receive(self, timeout: float | None = None) -> Message | None:
        """The next message; None if the line is closed or nothing came within `timeout` seconds."""
        try:
            return await within(timeout, self.__anext__())
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
        await self._send(build_v1(channel or default, [*parts, *buffers]))
        return msg_id

    # -- the seat ------------------------------------------------------------------------------

    def _query(self) -> dict[str, Any]:
        return {"session_id": self.session_id, "after": self.after}

    def _heard(self, data: bytes) -> Message:
        message = Message.from_frame(data)
        if message.channel == "iopub" and message.msg_type != "bridge_gap":
            self.after = message.msg_id or self.after
        return message

    def _farewell(self, text: str | None, status: int | None) -> Problem | None:
        if text is None:
            return None
        where = f"The websocket {self._path}"
        try:
            body = json.loads(text)
        except ValueError:
            body = None
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
