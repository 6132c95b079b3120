"""ResumingSocket: a client's websocket to the bridge that reconnects."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from typing import Any, Generic, TypeVar

import aiohttp

from jupyter_bridge.problems import Conflict, Problem, RemoteFailed, Unavailable
from jupyter_bridge.transport.bridge_session import BridgeSession
from jupyter_bridge.transport.retry import RetryPeriod

# A ping is sent this often; without its pong the connection is dead.
HEARTBEAT_SECONDS = 30.0
_OK = 1000
# A close code of the bridge: 4000 plus the Problem's HTTP status.
_PROBLEM_CODES = range(4400, 4600)

F = TypeVar("F")
T = TypeVar("T")
S = TypeVar("S", bound="ResumingSocket[Any]")


class ResumingSocket(ABC, Generic[F]):
    """Open with `async with`, iterate frames, close.

    Subclasses define where to resume (`_query`), and decode frames (`_heard`) and the reason of a
    close (`_farewell`). It reconnects after Unavailable; other Problems are raised.

    Unlike a `reconnect.ReconnectingSocket` it reads only when its caller iterates, so that the
    frames a slow caller has not read stay with the server.
    """

    # The subprotocol, and the largest frame, bytes.
    _protocol: str
    _limit: int

    def __init__(self, session: BridgeSession, path: str) -> None:
        self._session = session
        self._path = path
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._opening = asyncio.Lock()
        self._patience = RetryPeriod()
        self._closing = asyncio.Event()

    async def open(self: S) -> S:
        """Connect; raises the Problem of a refused handshake. Opening twice is fine."""
        await self._connected()
        return self

    async def close(self) -> None:
        """Disconnect at once; the console or kernel continues. Closing twice is fine."""
        self._closing.set()
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    aclose = close  # the name that async iterators use

    async def __aenter__(self: S) -> S:
        return await self.open()

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __aiter__(self: S) -> S:
        return self

    async def __anext__(self) -> F:
        while not self._closing.is_set():
            try:
                found = await self._next()
            except _Left:
                break
            if found is not None:
                return found
        raise StopAsyncIteration

    # -- for subclasses ------------------------------------------------------------------------

    @abstractmethod
    def _query(self) -> Mapping[str, Any]:
        """Return the query of the next handshake."""

    @abstractmethod
    def _decode_frame(self, data: bytes) -> F | None:
        """Decode a binary frame; None for a frame to skip."""

    @abstractmethod
    def _problem_of_close(self, text: str | None, status: int | None) -> Problem | None:
        """Return why the server closed, None if unknown. `text` is its last text frame, `status`
        the HTTP status in the close code."""

    def _is_over(self) -> bool:
        """Whether the last expected frame has come."""
        return False

    async def _on_connected(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        """React to a connect or reconnect."""

    async def _send(self, frame: bytes) -> None:
        """Send, once connected. Raises Unavailable if the connection drops; the frame may or may
        not have arrived."""
        patience = RetryPeriod()
        while True:
            try:
                socket = await self._connected()
                break
            except (Unavailable, RemoteFailed) as problem:
                await self._unless_closed(patience.wait(problem))
        try:
            await socket.send_bytes(frame)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Unavailable(f"The connection dropped while sending: {error}.") from error

    # -- below ---------------------------------------------------------------------------------

    async def _connected(self) -> aiohttp.ClientWebSocketResponse[bool]:
        async with self._opening:
            if self._closing.is_set():
                raise _Left
            if self._socket is None:
                dialling = self._session.websocket(
                    self._path,
                    query=self._query(),
                    protocol=self._protocol,
                    heartbeat=HEARTBEAT_SECONDS,
                    limit=self._limit,
                )
                socket = self._socket = await self._unless_closed(dialling)
                if self._closing.is_set():
                    await socket.close()
                    raise _Left
                await self._on_connected(socket)
            return self._socket

    async def _unless_closed(self, waiting: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine; raises _Left as soon as this socket is closed."""
        task = asyncio.ensure_future(waiting)
        closed = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({task, closed}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise _Left
            return await task
        finally:
            for one in (task, closed):
                one.cancel()
            await asyncio.gather(task, closed, return_exceptions=True)

    async def _next(self) -> F | None:
        """Decode the next frame; None for a skipped frame or a dropped connection."""
        try:
            socket = await self._connected()
        except (Unavailable, RemoteFailed) as problem:
            await self._unless_closed(self._patience.wait(problem))
            return None
        frame = await socket.receive()
        if frame.type is aiohttp.WSMsgType.BINARY:
            self._patience.renew()
            return self._decode_frame(frame.data)
        if self._socket is socket:
            self._socket = None
        await socket.close()
        text = frame.data if frame.type is aiohttp.WSMsgType.TEXT else None
        code = socket.close_code
        if self._closing.is_set() or self._is_over() or (text is None and code == _OK):
            self._closing.set()
            return None
        status = code - 4000 if code is not None and code in _PROBLEM_CODES else None
        reason = self._problem_of_close(text, status)
        if reason is not None and not isinstance(reason, Unavailable):
            self._closing.set()
            raise reason
        await self._unless_closed(
            self._patience.wait(reason or f"the websocket closed with {code}")
        )
        return None


class _Left(Conflict):
    """The client closed the websocket while a call waited for it."""

    def __init__(self) -> None:
        super().__init__("This websocket is closed.")
