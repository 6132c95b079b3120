"""Line: a console's frames over a websocket that is opened again where it broke."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar

import aiohttp

from jupyter_bridge.client.door import Door, problem_of
from jupyter_bridge.client.listening import Patience
from jupyter_bridge.problems import Conflict, RemoteFailed, Unavailable
from jupyter_bridge.wire import console as wire

T = TypeVar("T")

# A ping goes out this often; without its pong the line is dead.
HEARTBEAT_SECONDS = 30.0
# The server's frames have 32 KiB; a Problem or a list of viewers may be longer.
MAX_FRAME_BYTES = 16 << 20
_OK = 1000
# A close code of the bridge: 4000 plus the Problem's HTTP status.
_PROBLEM_CODES = range(4400, 4600)


class Line:
    """Console frames as they come: Start, Output, Gap, Viewers, Matched, Ended.

    Trouble that does not end the line (a watcher typed) comes as a frame, the other is raised.
    When the connection breaks it is opened again where the last output ended, so nothing comes
    twice and nothing that is still held is missed. `offset` and `epoch` say where that is.
    """

    def __init__(self, door: Door, path: str, query: Mapping[str, Any]) -> None:
        self.offset: int | None = query.get("offset")
        self.epoch: str | None = query.get("epoch")
        self.about: dict[str, Any] = {}
        self._door = door
        self._path = path
        self._query = dict(query)
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._opening = asyncio.Lock()
        self._patience = Patience()
        self._trouble: dict[str, Any] | None = None
        self._size: tuple[int, int] | None = None
        self._closing = asyncio.Event()
        self._over = False

    async def open(self) -> Line:
        """Open the line; raises the Problem of a refused handshake. Opening twice is fine."""
        await self._connected()
        return self

    async def close(self) -> None:
        """Leave, at once; the console goes on. Closing twice is fine."""
        self._closing.set()
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def __aenter__(self) -> Line:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> Line:
        return self

    async def __anext__(self) -> wire.ServerFrame:
        while not self._closing.is_set():
            try:
                frame = await self._next()
            except _Left:
                break
            if frame is not None:
                return frame
        raise StopAsyncIteration

    async def write(self, data: bytes) -> None:
        """Type `data`, once there is a line; Unavailable where that breaks meanwhile: whether the
        data came is not known then."""
        await self._send(wire.to_client_frame(wire.Input(data)))

    async def resize(self, rows: int, cols: int) -> None:
        """The screen has this size now; told again after the line was broken."""
        self._size = (rows, cols)
        await self._send(wire.to_client_frame(wire.Resize(rows, cols)))

    # -- below ---------------------------------------------------------------------------------

    async def _send(self, frame: bytes) -> None:
        patience = Patience()
        while True:
            try:
                socket = await self._connected()
                break
            except (Unavailable, RemoteFailed) as problem:
                await self._unless_closed(patience.wait(problem))
        try:
            await socket.send_bytes(frame)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Unavailable(f"the line to the console broke while typing: {error}") from error

    async def _connected(self) -> aiohttp.ClientWebSocketResponse[bool]:
        async with self._opening:
            if self._closing.is_set():
                raise _Left
            if self._socket is None:
                query = dict(self._query)
                if self.offset is not None:
                    query |= {"lines": None, "since": None, "offset": self.offset}
                    query["epoch"] = self.epoch
                dialling = self._door.websocket(
                    self._path,
                    query=query,
                    protocol=wire.SUBPROTOCOL,
                    heartbeat=HEARTBEAT_SECONDS,
                    limit=MAX_FRAME_BYTES,
                )
                socket = self._socket = await self._unless_closed(dialling)
                if self._closing.is_set():
                    await socket.close()
                    raise _Left
                if self._size is not None:
                    with suppress(aiohttp.ClientError, ConnectionError):  # the reader finds out
                        await socket.send_bytes(wire.to_client_frame(wire.Resize(*self._size)))
            return self._socket

    async def _unless_closed(self, waiting: Coroutine[Any, Any, T]) -> T:
        """What is waited for; raises _Left as soon as the line is closed."""
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

    async def _next(self) -> wire.ServerFrame | None:
        try:
            socket = await self._connected()
        except (Unavailable, RemoteFailed) as problem:
            await self._unless_closed(self._patience.wait(problem))
            return None
        message = await socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            self._patience.renew()
            return self._heard(message.data)
        if self._socket is socket:
            self._socket = None
        await socket.close()
        if self._closing.is_set() or self._over or socket.close_code == _OK:
            self._closing.set()
            return None
        self._raise(socket.close_code)
        reason = f"the websocket closed with {socket.close_code}"
        await self._unless_closed(self._patience.wait(reason))
        return None

    def _heard(self, data: bytes) -> wire.ServerFrame | None:
        try:
            frame = wire.from_server_frame(data)
        except wire.FrameError as error:
            raise RemoteFailed(f"the websocket sent what is no console frame: {error}") from error
        if isinstance(frame, wire.Start):
            self.about = frame.about
            self.epoch = str(frame.about.get("epoch"))
        elif isinstance(frame, wire.Output):
            self.offset = frame.offset + len(frame.data)
        elif isinstance(frame, (wire.Gap, wire.Matched)):
            self.offset = frame.to
        elif isinstance(frame, wire.Trouble):
            self._trouble = frame.problem
        elif isinstance(frame, wire.Viewers) and "mode" in self._query:
            # Whose seat was taken over comes back to it as a watcher.
            mine = [viewer.get("mode") for viewer in frame.viewers if viewer.get("you")]
            self._query["mode"] = "watch" if mine == ["watch"] else self._query["mode"]
        if isinstance(frame, (wire.Ended, wire.Matched)):
            self._over = True
        return frame

    def _raise(self, code: int | None) -> None:
        """Raise the Problem that ended the line for good; a server that stops may come back."""
        if code is not None and code in _PROBLEM_CODES:
            where = f"the websocket {self._path}"
            problem = problem_of(self._trouble, code - 4000, where)
            if not isinstance(problem, Unavailable):
                self._closing.set()
                raise problem or RemoteFailed(f"{where} closed with {code}")


class _Left(Conflict):
    """The line was closed from this side."""

    def __init__(self) -> None:
        super().__init__("This line is closed.")
