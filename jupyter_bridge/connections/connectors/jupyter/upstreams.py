"""The source of a remote bridge's console, and the upstream of a remote kernel."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any
from urllib.parse import quote, urlencode

from jupyter_bridge.aio.changes import Changes
from jupyter_bridge.connections.connectors.jupyter.api import JupyterApi
from jupyter_bridge.connections.connectors.socket_source import SocketSource
from jupyter_bridge.interfaces import Exit, Upstream
from jupyter_bridge.problems import Conflict, Denied, RemoteFailed
from jupyter_bridge.transport.answers import off_loop, sentence
from jupyter_bridge.transport.reconnect import ReconnectingSocket, Socket
from jupyter_bridge.transport.replay import Replay
from jupyter_bridge.wire import console, kernel
from jupyter_bridge.wire.visible import visible

# Lines of a remote console's journal to copy at first.
_HISTORY = 10_000
# How long `open` waits for the old output, seconds.
PAST_SECONDS = 10.0
# The largest message of a console, with all output repeated after a reconnect. Bytes.
MAX_CONSOLE_FRAME = 16 << 20
# Bytes of repeated output that are held until it is complete: _HISTORY lines at most.
_MAX_PAST = 32 << 20


class BridgeConsoleSource(SocketSource):
    """A console of a server with the bridge: its journal is used, so that nothing is lost.

    After a reconnect it resumes at its offset; if the remote journal is a new one, there is a gap.
    A token that may only read can watch the console; typing then raises Denied.
    """

    def __init__(self, server: JupyterApi, name: str) -> None:
        super().__init__(server.log)
        self._server = server
        self._name = name
        self._offset: int | None = None
        self._epoch: str | None = None
        self._anew = False
        self._ended = False
        self._may_type = True
        # The end of the recalled output, and the remote's repeated output up to `_past_end`.
        self._replay: Replay | None = None
        self._past = bytearray()
        self._past_end = 0
        self._past_read: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.title = name

    def recall(self, tail: bytes) -> bool:
        self._replay = Replay()
        self._replay.recall(tail)
        return True

    @property
    def offset(self) -> int | None:
        return self._offset

    async def _dial(self) -> Socket:
        where: dict[str, Any] = {"lines": _HISTORY}
        if self._offset is not None:
            where = {"offset": self._offset, "epoch": self._epoch}
        try:
            return await self._open(where)
        except RemoteFailed as problem:
            if problem.details.get("remote_status") != Conflict.status or self._offset is None:
                raise
        self._offset = None
        self._anew = True
        return await self._open({"lines": _HISTORY})

    async def _open(self, where: dict[str, Any]) -> Socket:
        name = quote(self._name, safe="")
        if self._may_type:
            query = urlencode({"mode": "join", **where})
            try:
                return await self._dial_frames(f"bridge/interact/{name}?{query}")
            except Denied:
                self._may_type = False
        query = urlencode({"follow": "true", **where})
        return await self._dial_frames(f"bridge/tail/{name}?{query}")

    async def _dial_frames(self, path: str) -> Socket:
        socket = await self._server.dial(path, console.SUBPROTOCOL, max_frame=MAX_CONSOLE_FRAME)
        if socket.protocol != console.SUBPROTOCOL:  # it would send text, without offsets
            await socket.close()
            raise RemoteFailed(f"A proxy before {self._name} drops the subprotocols of websockets.")
        return socket

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        def ended(exit_: Exit) -> None:
            self._socket.finish()
            if not self._ended:
                self._ended = True
                on_end(exit_)

        async def on_frame(data: str | bytes) -> None:
            frame = console.from_server_frame(data) if isinstance(data, bytes) else None
            if isinstance(frame, console.Start):
                self._epoch = sentence(frame.about.get("epoch"))
                title = frame.about.get("title")
                named = isinstance(title, str) and title
                self.title = visible(sentence(title)) if named else self._name
                self._past_end = frame.offset
                if self._anew:
                    self._anew = False
                    on_gap(1)
            elif isinstance(frame, console.ModesFrame):
                if self._offset is None and self._replay is None:
                    on_output(frame.data)  # the journal here begins with these modes
            elif isinstance(frame, console.OutputFrame):
                self._check_offset(frame.offset)
                self._offset = frame.offset + len(frame.data)
                if self._replay is None:
                    on_output(frame.data)
                elif len(self._past) + len(frame.data) <= _MAX_PAST:
                    self._past += frame.data
                else:  # output before a gap does not connect to the present
                    self._past = bytearray(frame.data)
            elif isinstance(frame, console.GapFrame):
                self._check_offset(frame.offset)
                self._offset = frame.to
                if self._replay is None:
                    on_gap(max(1, frame.to - frame.offset))
                else:
                    self._past.clear()  # output before a gap does not connect to the present
            if self._replay is not None and (self._offset or 0) >= self._past_end:
                new, sure = await off_loop(self._replay.rest, bytes(self._past))
                self._replay, self._past = None, bytearray()
                if not sure:
                    on_gap(1)
                if new:
                    on_output(new)
            if (self._offset or 0) >= self._past_end and not self._past_read.done():
                self._past_read.set_result(None)
            if isinstance(frame, console.Ended):
                ended(Exit.read(frame.exit))

        await self._socket.open(on_frame, lambda reason: ended(Exit()), self._send_size)
        await asyncio.wait({self._past_read}, timeout=PAST_SECONDS)

    def _check_offset(self, offset: int) -> None:
        """Raise ConsoleFrameError unless output or a gap here follows what came before."""
        if self._offset not in (None, offset):
            raise console.ConsoleFrameError(f"Output or a gap at {offset} follows {self._offset}.")

    async def write(self, data: bytes) -> None:
        if not self._may_type:
            raise Denied(f"This token may only watch {self._name}.")
        await self._socket.say(console.to_client_frame(console.Input(data)))

    def _size_frame(self, rows: int, cols: int) -> bytes | None:
        return console.to_client_frame(console.Resize(rows, cols)) if self._may_type else None

    async def end(self) -> None:
        await self._server.call("DELETE", f"bridge/consoles/{quote(self._name, safe='')}", NoneType)


class KernelUpstream(Upstream):
    """One websocket to a kernel, `v1.kernel.websocket.jupyter.org` or the default protocol.

    A reconnect uses the same session id: the server buffers the kernel's messages for it. A bridge
    resumes after the last message, and so loses nothing.
    """

    def __init__(self, server: JupyterApi, kernel_id: str, *, bridge: bool) -> None:
        self._server = server
        self._id = quote(kernel_id, safe="")
        self._bridge = bridge
        self._session = uuid.uuid4().hex
        self._last = ""
        self._v1 = True
        self._socket = ReconnectingSocket(self._dial, server.log)

    async def _dial(self) -> Socket:
        await self._server.call("GET", f"api/kernels/{self._id}", NoneType)
        query = {"session_id": self._session}
        if self._bridge and self._last:
            query["after"] = self._last
        base = "bridge/channels/" if self._bridge else "api/kernels/"
        path = f"{base}{self._id}{'' if self._bridge else '/channels'}?{urlencode(query)}"
        socket = await self._server.dial(path, kernel.V1)
        self._v1 = socket.protocol == kernel.V1
        return socket

    async def open(
        self,
        on_messages: Callable[[str, list[list[bytes]]], None],
        on_lost: Callable[[str], None],
    ) -> None:
        unread = Changes(self._server.log)

        def on_frame(frame: str | bytes) -> None:
            try:
                if self._v1 and isinstance(frame, bytes):
                    channel, parts = kernel.parse_v1(frame)
                else:
                    named, parts = kernel.parse_default(frame)
                    channel = named or "iopub"
                if channel == "iopub" and self._bridge:
                    self._last = kernel.parse_header(parts[0]).msg_id or self._last
            except kernel.FrameError as error:
                unread.warning("The remote sent a malformed message: %s", sentence(error))
                return
            on_messages(channel, [parts])

        await self._socket.open(on_frame, on_lost)

    def send(self, channel: str, parts: Sequence[bytes]) -> None:
        build: Callable[[str, Sequence[bytes]], str | bytes] = (
            kernel.build_v1 if self._v1 else kernel.build_default
        )
        if not self._socket.post(build(channel, parts)):
            self._server.log.warning("A message to kernel %s is lost: the queue is full.", self._id)

    async def close(self) -> None:
        await self._socket.close()
