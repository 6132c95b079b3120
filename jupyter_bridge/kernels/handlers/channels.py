"""Websockets to the channels of a kernel; a large message is passed on in pieces."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from typing import Annotated, Any

import msgspec
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from jupyter_bridge.kernels.access import RESOURCES, qualified, resources_of
from jupyter_bridge.kernels.client_channel import (
    CHANNELS_BY_ROUTE,
    IOPUB,
    ClientChannel,
    default_frame,
    encode_default,
    encode_v1,
    large_default,
    large_v1,
)
from jupyter_bridge.kernels.registry import KernelRegistry
from jupyter_bridge.kernels.relay import Relay
from jupyter_bridge.kernels.ring import RingEntry
from jupyter_bridge.problems import BadRequest, Denied
from jupyter_bridge.web import JSON, PROBLEM_FRAME, BridgeSocket, Frame
from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.large_json import LARGE


class ChannelsQuery(msgspec.Struct):
    """`session_id` names the client of several websockets; `after` is the last iopub message that
    it has; `conn` is the kernel's connection."""

    session_id: Annotated[str, msgspec.Meta(max_length=256)] = ""
    after: str | None = None
    conn: str | None = None


_SAID = "A Jupyter message, binary buffers included"
FRAMES = (
    Frame("message", "both", f"{_SAID}, framed as in {kernel.V1}.", subprotocol=kernel.V1),
    Frame("json", "both", "A Jupyter message without buffers, with its `channel`.", JSON),
    Frame("buffers", "both", f"{_SAID}, in Jupyter's default framing."),
    PROBLEM_FRAME,
)


class ChannelsSocket(BridgeSocket):
    """One channel of a kernel, or all channels."""

    frames = FRAMES

    resources: tuple[str, ...] = RESOURCES
    subprotocols = (kernel.V1,)
    query_type = ChannelsQuery

    def initialize(self, relays: KernelRegistry, route: str) -> None:
        self.relays = relays
        self._route = route
        self._channel: ClientChannel | None = None
        self._relay: Relay | None = None
        self._writing = False
        self._lagging = False
        self._looking: asyncio.Handle | None = None  # for messages, in the loop's next turn

    async def on_handshake(self, kernel_id: str) -> None:  # type: ignore[override]
        # Watching needs `read`, sending needs `execute`, as on /api/kernels. A user who may only
        # read can still open the routes with iopub.
        self._query = self.read_query(ChannelsQuery)
        kernel_id = qualified(kernel_id, self._query.conn)
        self.resources = resources_of(kernel_id)
        self.may_send = await self.may("execute")
        if not self.may_send:
            await self.authorize("read")
            if IOPUB not in CHANNELS_BY_ROUTE[self._route]:
                raise Denied(f"You may watch this kernel's iopub, but not open its {self._route}.")
        self._names = CHANNELS_BY_ROUTE[self._route] if self.may_send else frozenset({IOPUB})
        self._relay = await self.relays.get(kernel_id)

    async def on_open(self) -> None:
        assert self._relay is not None
        self._v1 = self.selected_subprotocol == kernel.V1
        session = self._query.session_id or uuid.uuid4().hex
        self._channel = self._relay.join(
            (self.identity, session),
            session,
            self._names,
            after=self._query.after,
            may_send=self.may_send,
            on_ready=self._pump,
        )
        self._pump()

    def on_frame(self, frame: str | bytes) -> Awaitable[None] | None:
        if self._channel is None:
            return None
        self._channel.check_may_send()  # before any error in the frame
        if self._v1 and isinstance(frame, str):
            raise BadRequest(f"{kernel.V1} has only binary frames.")
        if len(frame) > LARGE and not self._v1:
            return self._send_large(frame)
        self._channel.send(*self._parse(frame))
        return None

    async def _send_large(self, frame: str | bytes) -> None:
        # The next frame is read after this one is sent.
        parsed = await asyncio.to_thread(self._parse, frame)
        if self._channel is not None:
            self._channel.send(*parsed)

    def _parse(self, frame: Any) -> tuple[str | None, list[bytes]]:
        try:
            return kernel.parse_v1(frame) if self._v1 else kernel.parse_default(frame)
        except kernel.FrameError as error:
            raise BadRequest(f"This frame is not a Jupyter message: {error}.") from error

    def _pump(self) -> None:
        """Write the waiting messages, one batch at a time, as fast as the socket accepts them."""
        channel = self._channel
        if channel is None:
            return
        while not self._writing and self.open_for_frames:
            try:
                written = self._write(channel)
            except (WebSocketClosedError, StreamClosedError):
                return
            if written is None:
                if not channel.exhausted:
                    self._look_later()
                elif channel.ended is not None:
                    self.fail(channel.ended)
                return
            if written.done():
                self._lagging = False
            else:
                self._writing = self._lagging = True
                written.add_done_callback(self._on_written)

    def _look_later(self) -> None:
        """Look at more messages in the next turn; those so far were for others."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._looking = None
        self._pump()

    def _write(self, channel: ClientChannel) -> asyncio.Future[None] | None:
        if self.takes_raw_frames:
            encode = encode_v1 if self._v1 else encode_default
            frames = channel.take_frames(encode, merge=self._lagging)
            if isinstance(frames, RingEntry):
                return asyncio.ensure_future(self._write_large(frames))
            return self.send_frames(frames) if frames else None
        written = None
        for entry in channel.take(merge=self._lagging):
            if entry.large is not None:
                return asyncio.ensure_future(self._write_large(entry))
            frame: str | bytes = entry.frame
            if not self._v1:
                frame = default_frame(entry)
            written = self.send(frame)
        return written

    async def _write_large(self, entry: RingEntry) -> None:
        if self._v1:
            await self.send_pieces(large_v1(entry))
        else:
            await self.send_pieces(await asyncio.to_thread(large_default, entry))

    def _on_written(self, written: asyncio.Future[None]) -> None:
        self._writing = False
        if not written.cancelled() and written.exception() is None:
            self._pump()

    def on_close(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._looking is not None:
            self._looking.cancel()
        super().on_close()
