"""socket.io: polling and websockets, behind the host's authentication."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.web import stream_request_body
from tornado.websocket import WebSocketHandler

from jupyter_bridge.aio.first_use import imported
from jupyter_bridge.kernels.access import RESOURCES
from jupyter_bridge.kernels.registry import KernelRegistry
from jupyter_bridge.problems import Denied, TooLarge
from jupyter_bridge.web import RequestBase, is_handshake

if TYPE_CHECKING:
    from jupyter_bridge.kernels.socketio.server import SocketIOServer

_PATTERNS = (r"/bridge/socket\.io/?", r"/socket\.io/?")
# Frames of a websocket that wait for the engine; reading stops at this number.
MAX_WAITING = 2


class SocketIO:
    """The socket.io server, imported and created at the first request; `close` it at the end."""

    def __init__(self, relays: KernelRegistry, *, max_frame: int) -> None:
        self._relays = relays
        self._max_frame = max_frame
        self._server: SocketIOServer | None = None

    async def server(self) -> SocketIOServer:
        await imported("jupyter_bridge.kernels.socketio.server")
        from jupyter_bridge.kernels.socketio.server import SocketIOServer

        if self._server is None:
            self._server = SocketIOServer(self._relays, max_frame=self._max_frame)
        return self._server

    def rules(self) -> list[tuple[str, type[JupyterHandler], dict[str, Any]]]:
        """Return Tornado's rules; these routes are not built from a Route."""
        return [(pattern, SocketIOHandler, {"part": self}) for pattern in _PATTERNS]

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()


@stream_request_body
class SocketIOHandler(RequestBase, WebSocketMixin, WebSocketHandler, JupyterHandler):
    """One request of engine.io, the protocol below socket.io."""

    resources = RESOURCES

    def initialize(self, part: SocketIO) -> None:
        self._part = part
        self.receive_queue = Inbox()

    @property
    def _sid(self) -> str:
        return str(self.get_query_argument("sid", ""))

    @property
    def _upgrades(self) -> bool:
        return is_handshake(self.request)

    @property
    def body_limit(self) -> int:
        return self._server.visitors.limit(self._sid)

    @property
    def max_message_size(self) -> int:
        return self.body_limit

    def allow(self, size: int) -> None:
        """Accept frames of up to `size` bytes from now on."""
        connection: Any = self.ws_connection
        if connection is not None:
            connection.params.max_message_size = size

    async def prepare(self) -> None:  # type: ignore[override]
        self.adopt_token()
        self._server = await self._part.server()
        try:
            async with self.before_body():
                await self._admit()
        except TooLarge:
            await self._server.refuse(self._sid)
            raise

    async def _admit(self) -> None:
        await super().prepare()
        if not self.check_origin():
            raise Denied(f"Requests from {self.get_origin()} are not allowed.")
        shown = "Authorization" in self.request.headers or self.get_query_argument("token", "")
        if self.current_user is None and shown:
            raise Denied("The token is not valid.")
        identity = "" if self.current_user is None else self.identity
        self._server.visitors.check_owner(self._sid, self.current_user, identity)
        if self.request.method in ("GET", "POST"):
            self._server.check(self.request, self.current_user, upgrades=self._upgrades)

    def check_xsrf_cookie(self) -> None:
        # Without a user there is no cookie to abuse: the permission depends on the engine id and
        # the token sent to a namespace. A JupyterHub calls this before it reads the cookie, when
        # the user is not known yet.
        if not hasattr(self, "_jupyter_current_user") or self.current_user is not None:
            super().check_xsrf_cookie()

    def get_compression_options(self) -> None:
        """Return None: compressing a large message would delay all others."""

    @allow_unauthenticated
    async def get(self) -> None:
        if self._upgrades:
            await WebSocketHandler.get(self)
            return
        async with self._server.polling(self._sid):
            await self._server.handle(self)

    @allow_unauthenticated
    async def post(self) -> None:
        # Not the engine's: it drops a payload of many packets, and answers "ok" to any other.
        try:
            self.take_body()
        except TooLarge:
            await self._server.refuse(self._sid)
            raise
        await self._server.post(self._sid, self.request.body)
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish("ok")

    @allow_unauthenticated
    async def options(self) -> None:
        await self._server.handle(self)

    async def open(self) -> None:
        # Not WebSocketMixin's, because the engine has its own pings.
        self.set_nodelay(True)
        self._server.serve(self)

    async def on_message(self, message: str | bytes) -> None:
        await self.receive_queue.put(message)

    async def get_next_message(self) -> Any:
        """Return the next frame, for the engine; None at the end."""
        return await self.receive_queue.get()

    def on_close(self) -> None:
        self.receive_queue.put_nowait(None)


class Inbox:
    """A websocket's frames that wait for the engine, at most MAX_WAITING.

    `put` waits for room, so that Tornado stops reading.
    """

    def __init__(self) -> None:
        self._frames: asyncio.Queue[Any] = asyncio.Queue()
        self._room = asyncio.Event()
        self._ended = False

    async def put(self, frame: str | bytes) -> None:
        self._frames.put_nowait(frame)
        if not self._ended and self._frames.qsize() >= MAX_WAITING:
            self._room.clear()
            await self._room.wait()

    def put_nowait(self, frame: None) -> None:
        """Add the end of the frames."""
        self._ended = True
        self._frames.put_nowait(frame)
        self._room.set()

    async def get(self) -> Any:
        frame = await self._frames.get()
        if self._frames.qsize() < MAX_WAITING:
            self._room.set()
        return frame
