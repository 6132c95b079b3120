"""Channels: Jupyter messages to and from a kernel over one websocket.

The subprotocol is `v1.kernel.websocket.jupyter.org` (see `jupyter_bridge.wire.kernel`). A dropped
connection is opened again under the same session, after the last iopub message received. A message
`bridge_gap` on iopub counts the messages that the server no longer held.
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

# One message is one frame. A kernel's ring holds 36 MiB, but one larger message still arrives.
MAX_FRAME_BYTES = 512 << 20


class Message(msgspec.Struct, frozen=True):
    """One Jupyter message and its channel."""

    channel: str
    header: dict[str, Any]
    parent_header: dict[str, Any]
    metadata: dict[str, Any]
    content: dict[str, Any]
    buffers: list[bytes] = []

    @property
    def msg_type(self) -> str:
        """The message type."""
        return str(self.header.get("msg_type", ""))

    @property
    def msg_id(self) -> str:
        """The message id."""
        return str(self.header.get("msg_id", ""))

    @property
    def parent_id(self) -> str:
        """The id of the request that caused this message; empty if there is none."""
        return str(self.parent_header.get("msg_id", ""))

    @classmethod
    def from_frame(cls, frame: bytes) -> Message:
        """Decode one v1 frame; raises RemoteFailed if it is malformed."""
        try:
            channel, parts = parse_v1(frame)
            header, parent, metadata, content = (_decode(part) for part in parts[:4])
            return cls(channel, header, parent, metadata, content, parts[4:])
        except (FrameError, ValueError) as error:
            raise RemoteFailed(
                f"The websocket sent a malformed Jupyter message: {error}."
            ) from error


class Channels(ResumingSocket[Message]):
    """A kernel's channels. Open with `async with`, `send`, iterate, close.

    `session_id` names this client to the kernel. `after` is the id of the last iopub message
    received; a later client can resume from it.
    """

    _protocol = V1
    _limit = MAX_FRAME_BYTES

    def __init__(
        self,
        session: BridgeSession,
        kernel_id: str,
        channel: str = "channels",
        *,
        after: str | None = None,
        session_id: str | None = None,
    ) -> None:
        super().__init__(session, f"{segment(channel)}/{segment(kernel_id)}")
        self.session_id = session_id or uuid.uuid4().hex
        self.after = after
        self._channel = channel

    async def receive(self, timeout: float | None = None) -> Message | None:
        """Return the next message; None if closed, or if none came within `timeout` seconds."""
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
        """Send one message (default: on `shell`); returns its id, the parent_id of its replies.

        Raises Unavailable if the connection drops; the message may or may not have arrived.
        """
        default = "shell" if self._channel == "channels" else self._channel
        head = msgspec.json.encode(dict(parent or {}))
        msg_id = uuid.uuid4().hex
        parts = build_message(msg_type, dict(content or {}), self.session_id, head, msg_id)
        if metadata:
            parts[2] = msgspec.json.encode(dict(metadata))
        await self._send(build_v1(channel or default, [*parts, *buffers]))
        return msg_id

    # -- for ResumingSocket --------------------------------------------------------------------

    def _query(self) -> dict[str, Any]:
        return {"session_id": self.session_id, "after": self.after}

    def _decode_frame(self, data: bytes) -> Message:
        message = Message.from_frame(data)
        if message.channel == "iopub" and message.msg_type != "bridge_gap":
            self.after = message.msg_id or self.after
        return message

    def _problem_of_close(self, text: str | None, status: int | None) -> Problem | None:
        if text is None:
            return None
        where = f"The websocket {self._path}"
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        return problem_of(body, status, where) or RemoteFailed(f"{where} sent unexpected text.")


def _decode(part: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(part, type=dict[str, Any])
    except msgspec.MsgspecError:
        # Some kernels write NaN, which is not JSON; Python's own decoder accepts it.
        value = json.loads(part)
        if not isinstance(value, dict):
            raise ValueError("a part is not a JSON object") from None
        return value
