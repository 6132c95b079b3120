"""BridgeSocket: one websocket, refused with a Problem before it opens, ended with one after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from jupyter_bridge.problems import BadRequest, Problem, TooLarge
from jupyter_bridge.web.request_base import TOKEN_SUBPROTOCOL, RequestBase
from jupyter_bridge.wire.websocket import build_frame

JSON = "application/json"
TEXT = "text/plain"


@dataclass(frozen=True)
class Frame:
    """A kind of frame that a websocket carries; read by `asyncapi.py`.

    `by` is who sends it: "server", "client" or "both"; `kind` its content type; `subprotocol` the
    one that it belongs to, if it is not the default.
    """

    name: str
    by: str
    summary: str
    kind: str = "application/octet-stream"
    subprotocol: str = ""


PROBLEM_FRAME = Frame("problem", "server", "What ended the websocket; the last frame.", JSON)


@web.stream_request_body
class BridgeSocket(RequestBase, WebSocketMixin, WebSocketHandler, JupyterHandler):
    """One websocket. Subclasses define `on_handshake(**path)`, `on_open()`, `on_frame(frame)`."""

    # Subprotocols that the route speaks, the preferred one first.
    subprotocols: tuple[str, ...] = ()
    # What goes over it.
    frames: tuple[Frame, ...] = (PROBLEM_FRAME,)
    # Content types of what the same address answers to a plain GET, if it does.
    answers: tuple[str, ...] = ()
    # What the host accepts in one frame; a larger one is told and ends the socket.
    default_max_frame = 10 << 20
    _ended = False

    async def prepare(self) -> None:  # type: ignore[override]
        self.adopt_token()
        async with self.before_body():
            await super().prepare()
            self.check_user()

    def set_default_headers(self) -> None:
        """A handshake answer needs none of the page headers."""

    def get_compression_options(self) -> dict[str, Any] | None:
        return cast("dict[str, Any] | None", self.settings.get("websocket_compression_options"))

    @property
    def max_frame(self) -> int:
        """Bytes that one client frame may have: the host's own limit."""
        return int(self.settings.get("websocket_max_message_size", self.default_max_frame))

    @property
    def max_message_size(self) -> int:
        # Tornado drops the connection without a word beyond this; leave room to say why instead.
        return 4 * self.max_frame

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        for ours in self.subprotocols:
            if ours in subprotocols:
                return ours
        # A browser that offered only its token must get it back, or it drops the connection.
        if subprotocols and all(p.startswith(TOKEN_SUBPROTOCOL) for p in subprotocols):
            return subprotocols[0]
        return None

    async def get(self, **path: str) -> None:
        """Shake hands, or refuse with a Problem and its status."""
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            raise BadRequest("This route is a websocket.")
        await self.on_handshake(**path)
        await super().get(**path)

    async def on_handshake(self, **path: str) -> None:
        """Look everything up and raise the Problem, if there is one, before the socket opens."""

    async def open(self, **path: str) -> None:
        if self.ws_connection is None or cast(Any, self.ws_connection).stream.closed():
            return  # the client left during the handshake; on_close follows, or has been
        super().open(**path)
        self.set_nodelay(True)
        try:
            await self.on_open()
        except Problem as problem:
            self.fail(problem)

    async def on_open(self) -> None:
        """The socket is open; raising a Problem ends it."""

    async def on_message(self, message: str | bytes) -> None:
        if self._ended:
            return
        try:
            if len(message) > self.max_frame:
                raise TooLarge(
                    f"A frame may have {self.max_frame} bytes at most.", limit=self.max_frame
                )
            await ensure_async(self.on_frame(message))
        except Problem as problem:
            self.fail(problem)

    def on_frame(self, frame: str | bytes) -> Awaitable[None] | None:
        """One frame of the client; raising a Problem ends the socket."""

    def on_close(self) -> None:
        # The host pings on, which holds all of a socket that is gone until the next ping is due.
        pinging: Any = self.ping_callback
        if pinging is not None:
            pinging.stop()
        super().on_close()

    def fail(self, problem: Problem) -> None:
        """Tell the Problem in a last text frame and close with 4000 + its status."""
        if self._ended:
            return
        self._ended = True
        self.log.debug("Ending a websocket: %s: %s", problem.code, problem.message)
        try:
            self.write_message(msgspec.json.encode(problem.to_json()).decode())
        except WebSocketClosedError:
            return
        self.close(problem.close_code, problem.code)

    @property
    def open_for_frames(self) -> bool:
        """Whether anything can still be sent."""
        return not self._ended and self.ws_connection is not None

    @property
    def takes_raw_frames(self) -> bool:
        """Whether ready-made frames may be written: not where compression was negotiated."""
        return getattr(self.ws_connection, "_compressor", None) is None

    def send_frames(self, frames: bytes) -> asyncio.Future[None]:
        """Write ready-made frames in one go; done when the operating system has taken them all."""
        if self.ws_connection is None or self.ws_connection.is_closing():
            raise WebSocketClosedError
        stream: Any = self.ws_connection.stream
        return cast("asyncio.Future[None]", stream.write(frames))

    def send(self, message: str | bytes) -> Awaitable[None]:
        """As `write_message`, but without the task that Tornado makes for each."""
        if self.takes_raw_frames:
            return self.send_frames(build_frame(message))
        return self.write_message(message, binary=isinstance(message, bytes))
