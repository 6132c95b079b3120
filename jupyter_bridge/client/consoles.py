"""The consoles of a server: list, open, end, and a Line to each that survives broken lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, TypeVar

import aiohttp
import msgspec

from jupyter_bridge.client.door import Door, problem_of, segment
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


class Viewer(msgspec.Struct, frozen=True):
    """Somebody who looks at a console, and whether they `watch`, `join` or `steal`."""

    user: str = ""
    mode: str = ""


class Console(msgspec.Struct, frozen=True):
    """One console; wherever a console's name is wanted, this does as well."""

    name: str
    kind: str = "terminal"
    state: str = "live"
    title: str = ""
    first_offset: int = 0
    end_offset: int = 0
    epoch: str = ""
    started: datetime | None = None
    last_activity: datetime | None = None
    viewers: list[Viewer] = []
    exit_code: int | None = None


class Consoles:
    """What `BridgeClient.consoles` is."""

    def __init__(self, door: Callable[[], Door]) -> None:
        self._door = door

    async def list(self) -> list[Console]:
        """Every console, ended ones included whose record is still kept."""
        return (await self._door().ask("GET", "consoles")).read(list[Console])

    async def get(self, name: str | Console) -> Console:
        """One console as it is now."""
        return (await self._door().ask("GET", _path("consoles", name))).read(Console)

    async def open(
        self,
        name: str | None = None,
        *,
        cwd: str | None = None,
        env: Mapping[str, str | None] | None = None,
        shell_command: Sequence[str] | None = None,
        rows: int | None = None,
        cols: int | None = None,
    ) -> Console:
        """A new terminal; Conflict where a live console has that name."""
        given: dict[str, Any] = {
            "name": name,
            "cwd": cwd,
            "env": env,
            "shell_command": shell_command,
            "rows": rows,
            "cols": cols,
        }
        body = {key: value for key, value in given.items() if value is not None}
        return (await self._door().ask("POST", "consoles", body=body)).read(Console)

    async def end(self, name: str | Console, *, purge: bool = False) -> None:
        """End a terminal; `purge` also forgets what it said."""
        query = {"purge": 1} if purge else None
        await self._door().ask("DELETE", _path("consoles", name), query=query)

    async def send(self, name: str | Console, data: bytes | str, *, newline: bool = False) -> None:
        """Type into a console, as it is."""
        raw = data.encode() if isinstance(data, str) else data
        query = {"newline": 1} if newline else None
        await self._door().ask("POST", _path("send", name), query=query, body=raw)

    def recording(
        self, name: str | Console, *, start: int | None = None, end: int | None = None
    ) -> AsyncIterator[bytes]:
        """The console played back as asciicast v2, piece by piece."""
        return self._door().download(_path("recording", name), query={"from": start, "to": end})

    def tail(
        self,
        name: str | Console,
        *,
        lines: int | None = None,
        offset: int | None = None,
        epoch: str | None = None,
        since: float | str | None = None,
        follow: bool = False,
        strip: bool = False,
        until: str | None = None,
        timeout: float | None = None,
    ) -> Line:
        """What a console said, from there on: iterate it. It begins with the first frame asked for.

        `since` is in seconds ago, or a time in ISO 8601; `until` a regular expression to stop at.
        """
        query = {
            "lines": lines,
            "offset": offset,
            "epoch": epoch,
            "since": since,
            "follow": str(follow or until is not None).lower(),
            "strip": "ansi" if strip else None,
            "until": until,
            "timeout": timeout,
        }
        return Line(self._door(), _path("tail", name), query)

    def interact(
        self,
        name: str | Console,
        *,
        mode: Literal["watch", "join", "steal"] = "join",
        lines: int | None = None,
        offset: int | None = None,
        epoch: str | None = None,
    ) -> Line:
        """A console to take part in: iterate what it says, `write`, `resize`."""
        query = {"mode": mode, "lines": lines, "offset": offset, "epoch": epoch}
        return Line(self._door(), _path("interact", name), query)


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


def _path(route: str, name: str | Console) -> str:
    return f"{route}/{segment(name.name if isinstance(name, Console) else name)}"
