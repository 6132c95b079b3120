"""socket.io: the engine's handler, behind the host's authentication."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import web

from jupyter_bridge.kernels.access import RESOURCES
from jupyter_bridge.kernels.socketio.engine import Inbox
from jupyter_bridge.kernels.socketio.server import SocketIOServer, upgrades
from jupyter_bridge.problems import Denied, TooLarge
from jupyter_bridge.web import RequestBase

_PATTERNS = (r"/bridge/socket\.io/?", r"/socket\.io/?")


def rules(owner: SocketIOServer) -> list[tuple[str, type[JupyterHandler], dict[str, Any]]]:
    """What Tornado serves; they are no routes of the bridge's own making."""
    handler = _handler(owner)
    return [(pattern, handler, {}) for pattern in _PATTERNS]


def _handler(owner: SocketIOServer) -> type[JupyterHandler]:
    Engine: Any = owner.engine  # noqa: N806 - a class

    @web.stream_request_body
    class SocketIOHandler(RequestBase, WebSocketMixin, Engine, JupyterHandler):  # type: ignore[misc]
        """socket.io: polling and websocket."""

        resources = RESOURCES

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.receive_queue = Inbox()

        @property
        def _sid(self) -> str:
            return str(self.get_query_argument("sid", ""))

        @property
        def body_limit(self) -> int:
            return owner.visitors.limit(self._sid, self.current_user)

        @property
        def max_message_size(self) -> int:
            return self.body_limit

        def allow(self, size: int) -> None:
            """Take frames of so many bytes from now on."""
            if self.ws_connection is not None:
                self.ws_connection.params.max_message_size = size

        async def prepare(self) -> None:  # type: ignore[override]
            self.adopt_token()
            try:
                async with self.before_body():
                    await self._admit()
            except TooLarge:
                await owner.refuse(self._sid)
                raise

        async def _admit(self) -> None:
            await super().prepare()
            if not self.check_origin():
                raise Denied(f"Requests from {self.get_origin()} are not allowed.")
            shown = "Authorization" in self.request.headers or self.get_query_argument("token", "")
            if self.current_user is None and shown:
                raise Denied("The token is not known here.")
            identity = "" if self.current_user is None else self.identity
            owner.visitors.check_owner(self._sid, self.current_user, identity)
            if self.request.method in ("GET", "POST"):
                owner.check(self.request, self.current_user)

        def check_xsrf_cookie(self) -> None:
            # Without a user there is no cookie that could be abused: what the request may do hangs
            # on its engine id and the token shown to a namespace.
            if getattr(self, "_jupyter_current_user", None) is not None:
                super().check_xsrf_cookie()

        def get_compression_options(self) -> None:
            """None: deflating a large message would hold up everybody else."""

        @allow_unauthenticated
        async def get(self) -> None:
            if upgrades(self.request):
                await Engine.get(self)
                return
            async with owner.polling(self._sid):
                await Engine.get(self)

        @allow_unauthenticated
        async def post(self) -> None:
            # Not the engine's: it drops a payload of many packets, and says "ok" to any other.
            try:
                self.take_body()
            except TooLarge:
                await owner.refuse(self._sid)
                raise
            await owner.post(self._sid, self.request.body)
            self.set_header("Content-Type", "text/plain; charset=UTF-8")
            self.finish("ok")

        @allow_unauthenticated
        async def options(self) -> None:
            await Engine.options(self)

        async def open(self) -> None:
            # Not WebSocketMixin's, as the engine has pings of its own; nor the engine's, which
            # leaves a websocket open that it does not serve (any more).
            self.set_nodelay(True)
            owner.serve(self)

    return SocketIOHandler
