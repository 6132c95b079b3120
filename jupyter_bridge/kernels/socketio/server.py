"""SocketIOServer: client channels as python-socketio namespaces `/{channel}/{kernel id}`.

An event `msg` is one Jupyter message, in both directions, as an object with `header, parent_header,
metadata, content, buffers` (and `channel` in the namespace `/channels/…`). A connection's kernel is
`{connection}:{kernel id}`. The bridge sends an event `problem` before it ends a namespace. One
connection is one client in all its namespaces.

The engine below (`engine.py`) serves polling and websockets. Events keep their order, requests of
foreign origins are refused, polls included, without a redirect to the login page, and a malformed
request gets a Problem before a websocket opens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import socketio
from engineio.async_socket import AsyncSocket
from engineio.exceptions import EngineIOError
from engineio.packet import NOOP
from engineio.packet import Packet as EnginePacket
from socketio.exceptions import ConnectionRefusedError as Refused
from tornado.httputil import HTTPServerRequest

from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.kernels.access import RESOURCES
from jupyter_bridge.kernels.client_channel import ClientChannel
from jupyter_bridge.kernels.registry import KernelRegistry
from jupyter_bridge.kernels.socketio import engine
from jupyter_bridge.kernels.socketio.handshake import check_query
from jupyter_bridge.kernels.socketio.namespace import join
from jupyter_bridge.kernels.socketio.visitors import LOGIN_TIME, Visitor, Visitors
from jupyter_bridge.problems import BadRequest, Busy, Denied, Problem
from jupyter_bridge.web import is_allowed, user_of_token
from jupyter_bridge.wire import kernel, socketio_event

# The longest time until a connection with credentials opens its first namespace, as in socket.io's
# own servers, seconds.
CONNECT_TIME = 45.0


class SocketIOServer:
    """The socket.io server of handlers/socketio.py; `close` it at the end."""

    def __init__(self, relays: KernelRegistry, *, max_frame: int) -> None:
        self._relays = relays
        self.visitors = Visitors(max_frame)
        self._tasks = TaskSet()
        # The engine's task for each connection that waits to send the next ping.
        self._pings: dict[str, asyncio.Task[Any]] = {}
        self._server = socketio.AsyncServer(
            async_mode="tornado",
            namespaces="*",
            cors_allowed_origins=[],  # prepare() applies the host's rule
            async_handlers=False,  # keep the order of messages
            max_http_buffer_size=max_frame,
            ping_interval=engine.PING_INTERVAL,
            ping_timeout=engine.PING_TIMEOUT,
        )
        self._server.packet_class = type("Packet", (engine.Packet,), {"max_bytes": max_frame})
        self._polled: set[str] = set()  # connections with a waiting poll
        eio = self._server.eio
        eio.start_background_task = self._background
        eio.create_queue = engine.Unread
        eio._async = {**eio._async, "websocket": self._websocket}
        eio.on("connect", self._on_engine_connect)
        eio.on("message", self._on_engine_message)
        eio.on("disconnect", self._on_engine_disconnect)
        self._server.on("connect", self._on_connect, namespace="*")
        self._server.on("msg", self._on_msg, namespace="*")
        self._server.on("disconnect", self._on_disconnect, namespace="*")

    # -- engine connections --------------------------------------------------------------------

    async def _on_engine_connect(self, eio_sid: str, environ: dict[str, Any]) -> Any:
        handler = environ["tornado.handler"]
        user = handler.current_user
        try:
            visitor = self.visitors.enter(eio_sid, user)
        except Busy:
            return False
        if user is not None:
            await self._welcome(handler, visitor, user, handler.identity)
        self._expect_namespace(eio_sid, visitor, LOGIN_TIME if user is None else CONNECT_TIME)
        self._server.eio.sockets[eio_sid].queue.on_full = partial(
            self._background, self._cut_off, eio_sid
        )
        return await self._server._handle_eio_connect(eio_sid, environ)

    def _expect_namespace(self, eio_sid: str, visitor: Visitor, seconds: float) -> None:
        visitor.expect_namespace(seconds, partial(self._background, self._hang_up, eio_sid))

    def _websocket(self, handler: Any, server: Any) -> Any:
        return engine.PacedWebSocket(handler, server, self.visitors.open, self.visitors.admit)

    async def _on_engine_message(self, eio_sid: str, data: Any) -> None:
        if eio_sid not in self.visitors:
            return  # received before the connection was closed
        try:
            await self._server._handle_eio_message(eio_sid, data)
        except ValueError:  # Unreadable, or attachments for a namespace that is not open
            await self._hang_up(eio_sid)

    def check(self, request: HTTPServerRequest, user: Any, *, upgrades: bool) -> None:
        """Raise BadRequest or Busy unless the protocol allows `request` now.

        `upgrades` tells that the request is a websocket's handshake.
        """
        sid = check_query(request, upgrades=upgrades)
        if not sid:
            self.visitors.check_room(user)
        if sid or request.method == "POST":
            socket = self._socket(sid)
            if socket.upgraded or (socket.upgrading and upgrades):
                raise BadRequest("This connection already has a websocket.", field="sid")

    def _socket(self, eio_sid: str) -> Any:
        socket = self._server.eio.sockets.get(eio_sid)
        if socket is None or socket.closed or not socket.connected:
            raise BadRequest("This connection does not exist or has ended.", field="sid")
        return socket

    @asynccontextmanager
    async def polling(self, eio_sid: str) -> AsyncIterator[None]:
        """A context for a waiting poll; a second poll would take the packets of the first."""
        if eio_sid in self._polled:
            await self._hang_up(eio_sid)
            raise BadRequest("Another poll of this connection is already waiting.")
        if eio_sid:
            self._polled.add(eio_sid)
        try:
            yield
        finally:
            self._polled.discard(eio_sid)

    async def handle(self, handler: Any) -> None:
        """Let the engine answer a poll, or an OPTIONS."""
        await self._server.eio.handle_request(handler)

    async def post(self, eio_sid: str, body: bytes) -> None:
        """Handle a client's POST; a malformed packet ends the connection.

        Yields to the event loop between packets.
        """
        socket = self._socket(eio_sid)
        try:
            for received in engine.read_payload(body, partial(self.visitors.admit, eio_sid)):
                await socket.receive(received)
                await asyncio.sleep(0)
                if socket.closed:
                    break
        except engine.Unreadable as error:
            await self._hang_up(eio_sid)
            raise BadRequest(f"This is not a socket.io packet: {error}.") from error
        except EngineIOError as error:
            await self._hang_up(eio_sid)
            raise BadRequest("This connection is closed.") from error

    async def refuse(self, eio_sid: str) -> None:
        """End a connection that sent too much."""
        if eio_sid in self.visitors:
            await self._hang_up(eio_sid)

    def serve(self, websocket: Any) -> None:
        """Serve an open websocket in a new task, and close it at the end."""
        self._background(self._serve, websocket)

    async def _serve(self, websocket: Any) -> None:
        try:
            await self._server.eio.handle_request(websocket)
        finally:
            websocket.close()

    async def _hang_up(self, eio_sid: str) -> None:
        # Not the engine's disconnect, which waits until the client has read everything.
        socket = self._server.eio.sockets.get(eio_sid)
        if socket is not None:
            await socket.close(wait=False)
            self._server.eio.sockets.pop(eio_sid, None)

    async def _cut_off(self, eio_sid: str) -> None:
        """End a connection that does not read what it is sent, its websocket included."""
        visitor = self.visitors.get(eio_sid)
        await self._hang_up(eio_sid)
        if visitor is not None and visitor.websocket is not None:
            visitor.websocket.close()  # else its writer would wait as long as its client stays

    def _background(self, work: Any, *arguments: Any, **options: Any) -> asyncio.Task[Any]:
        """Start a task for the engine; `close` ends it."""
        task = self._tasks.start(work(*arguments, **options))
        if getattr(work, "__func__", None) is AsyncSocket._send_ping:
            self._pings[work.__self__.sid] = task
        return task

    async def _on_engine_disconnect(self, eio_sid: str, reason: str) -> None:
        socket = self._server.eio.sockets.get(eio_sid)
        if socket is not None:
            if reason == self._server.eio.reason.CLIENT_DISCONNECT:
                socket.queue.put_nowait(EnginePacket(NOOP))  # for a waiting poll
            # After the engine's last packet: ends its writer, or a waiting poll.
            asyncio.get_running_loop().call_soon(socket.queue.put_nowait, None)
        await self._server._handle_eio_disconnect(eio_sid, reason)
        # It sleeps for PING_INTERVAL, and holds all that there was of the connection.
        if ping := self._pings.pop(eio_sid, None):
            ping.cancel()
        connection = self.visitors.leave(eio_sid)
        if connection is not None:
            connection.stop_expecting()
            for namespace in list(connection.channels):
                self._leave(connection, namespace)

    # -- namespaces ----------------------------------------------------------------------------

    async def _on_connect(
        self, namespace: str, sid: str, environ: dict[str, Any], auth: Any
    ) -> None:
        handler = environ["tornado.handler"]
        eio_sid = self._server.manager.eio_sid_from_sid(sid, namespace)
        connection = self.visitors.get(eio_sid)
        if connection is None:
            raise Refused("The connection was closed.")
        auth = auth if isinstance(auth, dict) else {}
        connection.joining += 1
        try:
            user = await self._user(handler, eio_sid, connection, auth)
            channel, named = await join(
                self._relays, handler, user, eio_sid, namespace, auth.get("after")
            )
        except Problem as problem:
            raise Refused(problem.message, problem.to_json()) from problem
        finally:
            connection.joining -= 1
        if eio_sid not in self.visitors:  # closed while the kernel got ready
            channel.close()
            raise Refused("The connection was closed.")
        connection.stop_expecting()
        connection.channels[namespace] = channel
        connection.pumps[namespace] = self._background(
            self._pump, connection, channel, eio_sid, sid, namespace, named
        )

    async def _user(
        self, handler: Any, eio_sid: str, connection: Visitor, auth: dict[str, Any]
    ) -> Any:
        token = auth.get("token")
        if connection.user is None and isinstance(token, str):
            user, identity = await user_of_token(handler, token)
            if user is not None:
                await self._welcome(handler, connection, user, identity)
                self._expect_namespace(eio_sid, connection, CONNECT_TIME)
        if connection.user is None:
            raise Denied("Log in first, or send auth: {token}.")
        return connection.user

    async def _welcome(self, handler: Any, visitor: Visitor, user: Any, identity: str) -> None:
        may_send = await is_allowed(handler, user, "execute", RESOURCES)
        self.visitors.welcome(visitor, user, identity, may_send=may_send)

    async def _on_msg(self, namespace: str, sid: str, message: Any = None) -> None:
        eio_sid = self._server.manager.eio_sid_from_sid(sid, namespace)
        connection = self.visitors.get(eio_sid)
        channel = connection.channels.get(namespace) if connection is not None else None
        if channel is None:
            return
        try:
            channel.check_may_send()
            if not isinstance(message, socketio_event.Received):
                raise BadRequest("The event msg takes a Jupyter message.")
            channel.send(*message.parse())
        except kernel.FrameError as error:
            problem = BadRequest(f"This is not a Jupyter message: {error}.")
            await self._fail(sid, namespace, problem)
        except Problem as problem:
            await self._fail(sid, namespace, problem)

    async def _on_disconnect(self, namespace: str, sid: str, reason: str) -> None:
        eio_sid = self._server.manager.eio_sid_from_sid(sid, namespace)
        connection = self.visitors.get(eio_sid)
        if connection is not None:
            self._leave(connection, namespace)

    def _leave(self, connection: Visitor, namespace: str) -> None:
        channel = connection.channels.pop(namespace, None)
        if channel is not None:
            channel.close()
        pump = connection.pumps.pop(namespace, None)
        if pump is not None and pump is not asyncio.current_task():
            pump.cancel()

    async def _pump(
        self,
        connection: Visitor,
        channel: ClientChannel,
        eio_sid: str,
        sid: str,
        namespace: str,
        named: bool,
    ) -> None:
        """Emit the kernel's messages, and wait until the client has read them."""
        queue = self._server.eio._get_socket(eio_sid).queue
        for _ in range(100):  # the connect packet goes first; it takes a few turns of the loop
            if self._server.manager.is_connected(sid, namespace):
                break
            await asyncio.sleep(0)
        try:
            async for entry in channel.messages():
                name = entry.channel if named else None
                if entry.large is not None:
                    async with connection.large_turn:
                        for large in await asyncio.to_thread(
                            engine.large_packets, namespace, entry.parts, name
                        ):
                            await self._server.eio.send_packet(eio_sid, large)
                        await queue.join()
                else:
                    packet = socketio_event.build(entry.parts, name)
                    await self._server.emit("msg", packet, to=sid, namespace=namespace)
                    await queue.join()  # the engine has taken every packet
        except Problem as problem:
            await self._fail(sid, namespace, problem)

    async def _fail(self, sid: str, namespace: str, problem: Problem) -> None:
        """Send the Problem and end the namespace."""
        await self._server.emit("problem", problem.to_json(), to=sid, namespace=namespace)
        await self._server.disconnect(sid, namespace=namespace)

    async def close(self) -> None:
        """Close every connection and the engine's own task."""
        for eio_sid in self.visitors:
            await self._hang_up(eio_sid)
        await self._server.shutdown()
        await self._tasks.stop()
