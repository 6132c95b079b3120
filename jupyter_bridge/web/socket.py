"""BridgeSocket: the base of all websockets, from the handshake to the close, or a Problem."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from jupyter_bridge.aio.turns import Turns
from jupyter_bridge.problems import BadRequest, Problem, TooLarge
from jupyter_bridge.web.request_base import TOKEN_SUBPROTOCOL, RequestBase
from jupyter_bridge.wire.websocket import build_frame

JSON = "application/json"
TEXT = "text/plain"
# The most bytes of a watcher's frame, which is read only to answer with a Problem.
WATCHERS_FRAME = 4 << 10
# The handshakes and frames of all websockets that begin in one turn of the event loop.
TURNS = 32
# A client may have sent some frames before it hears of the end; with more it is cut off.
MAX_LATE = 100


def is_handshake(request: HTTPServerRequest) -> bool:
    """Tell whether the request asks for a websocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


@dataclass(frozen=True)
class Frame:
    """A kind of frame on a websocket; read by `asyncapi.py`.

    `by` is the sender: "server", "client" or "both"; `kind` the content type; `subprotocol` that of
    the frame, empty for the default.
    """

    name: str
    by: str
    summary: str
    kind: str = "application/octet-stream"
    subprotocol: str = ""


PROBLEM_FRAME = Frame("problem", "server", "The Problem that ends the websocket.", JSON)


@web.stream_request_body
class BridgeSocket(RequestBase, WebSocketMixin, WebSocketHandler, JupyterHandler):
    """One websocket. Subclasses define `on_handshake(**path)`, `on_open()`, `on_frame(frame)`."""

    # Subprotocols of the route, the preferred one first.
    subprotocols: tuple[str, ...] = ()
    # The kinds of frames.
    frames: tuple[Frame, ...] = (PROBLEM_FRAME,)
    # The Struct of the query.
    query_type: type[msgspec.Struct] | None = None
    # The most bytes of one frame; a larger one ends the socket with a Problem.
    default_max_frame = 10 << 20
    # Whether the user may send; a handshake may set it to False.
    may_send = True
    _ended = False
    # The frames that came after the end.
    _late = 0

    async def prepare(self) -> None:  # type: ignore[override]
        await self._turns.take()
        self.adopt_token()
        async with self.before_body():
            await super().prepare()
            self.check_user()

    def set_default_headers(self) -> None:
        """Set no headers: those of the host are for pages."""

    def get_compression_options(self) -> dict[str, Any] | None:
        return cast("dict[str, Any] | None", self.settings.get("websocket_compression_options"))

    @property
    def max_frame(self) -> int:
        """The most bytes of a client's frame: the host's limit, or WATCHERS_FRAME."""
        if not self.may_send:
            return WATCHERS_FRAME
        return int(self.settings.get("websocket_max_message_size", self.default_max_frame))

    @property
    def max_message_size(self) -> int:
        # Above this Tornado closes the connection without a reason; below it a Problem is sent.
        return 4 * self.max_frame

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        for ours in self.subprotocols:
            if ours in subprotocols:
                return ours
        # A browser that offered only its token expects it back, or it closes the connection.
        if subprotocols and all(p.startswith(TOKEN_SUBPROTOCOL) for p in subprotocols):
            return subprotocols[0]
        return None

    async def get(self, **path: str) -> None:
        """Complete the handshake, or refuse it with a Problem and its status."""
        if not is_handshake(self.request):
            raise BadRequest("This route is a websocket.")
        await self.on_handshake(**path)
        await super().get(**path)

    async def on_handshake(self, **path: str) -> None:
        """Called with the handshake; a Problem raised here refuses it."""

    async def open(self, **path: str) -> None:
        if self.ws_connection is None or cast(Any, self.ws_connection).stream.closed():
            return  # the client left during the handshake
        self._stream = cast(Any, self.ws_connection).stream  # Tornado drops it at the close
        super().open(**path)
        self.set_nodelay(True)
        try:
            await self.on_open()
        except Problem as problem:
            self.fail(problem)

    async def on_open(self) -> None:
        """Called when the socket is open; a Problem raised here ends it."""

    @property
    def _turns(self) -> Turns:
        turns: Turns = self.settings["bridge_turns"]
        return turns

    async def on_message(self, message: str | bytes) -> None:
        if self._ended:
            self._late += 1
            if self._late > MAX_LATE:
                self._stream.close()
            return
        await self._turns.take()
        try:
            if len(message) > self.max_frame:
                raise TooLarge(
                    f"A frame may have {self.max_frame} bytes at most.", limit=self.max_frame
                )
            await ensure_async(self.on_frame(message))
        except Problem as problem:
            self.fail(problem)

    def on_frame(self, frame: str | bytes) -> Awaitable[None] | None:
        """Called with one frame of the client; a Problem raised here ends the socket."""

    def on_close(self) -> None:
        # Otherwise the host's ping timer keeps a closed socket in memory until the next ping.
        pinging: Any = self.ping_callback
        if pinging is not None:
            pinging.stop()
        super().on_close()

    def fail(self, problem: Problem) -> None:
        """Send the Problem as the last text frame and close with 4000 + its status."""
        if self._ended:
            return
        self._ended = True
        self.log.debug("Ending a websocket: %s: %s", problem.code, problem.message)
        try:
            self.send(msgspec.json.encode(problem.to_json()).decode())
        except (WebSocketClosedError, StreamClosedError):
            return
        self.close(problem.close_code, problem.code)

    @property
    def open_for_frames(self) -> bool:
        """Whether the socket is open."""
        return not self._ended and self.ws_connection is not None

    @property
    def takes_raw_frames(self) -> bool:
        """Whether encoded frames may be written: not if compression was negotiated."""
        return getattr(self.ws_connection, "_compressor", None) is None

    def send_frames(self, frames: bytes) -> asyncio.Future[None]:
        """Write encoded frames at once; done when the operating system has accepted them."""
        if self.ws_connection is None or self.ws_connection.is_closing():
            raise WebSocketClosedError
        stream: Any = self.ws_connection.stream
        return cast("asyncio.Future[None]", stream.write(frames))

    def send_pieces(self, pieces: Iterable[bytes]) -> asyncio.Future[None]:
        """Write one ready-made frame in pieces, also where compression was negotiated."""
        for piece in pieces:
            written = self.send_frames(piece)
        return written

    def send(self, message: str | bytes) -> asyncio.Future[None]:
        """Write one message; done when the operating system has accepted it.

        Use this instead of `write_message`, which makes a task for each message, and logs its
        failure at the close unless somebody awaits it. Await the answer to a client's frame: the
        next frame is read then, and so a client that does not read fills no memory.
        """
        if self.takes_raw_frames:
            return self.send_frames(build_frame(message))
        written = self.write_message(message, binary=isinstance(message, bytes))
        written.add_done_callback(lambda done: done.cancelled() or done.exception())
        return written
