"""The consoles of a server: list, open, end, and a Line to each that survives broken lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

import aiohttp
import msgspec

from jupyter_bridge.client.door import Door, problem_of, segment
from jupyter_bridge.client.seat import Seat
from jupyter_bridge.problems import Problem, RemoteFailed
from jupyter_bridge.wire import console as wire

# The server's frames have 32 KiB; a Problem or a list of viewers may be longer.
MAX_FRAME_BYTES = 16 << 20


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
    ) -> AsyncGenerator[bytes, None]:
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


class Line(Seat[wire.ServerFrame]):
    """Console frames as they come: Start, Output, Gap, Viewers, Matched, Ended.

    Trouble that does not end the line (a watcher typed) comes as a frame, the other is raised.
    When the connection breaks it is opened again where the last output ended, so nothing comes
    twice and nothing that is still held is missed. `offset` and `epoch` say where that is.
    """

    _protocol = wire.SUBPROTOCOL
    _limit = MAX_FRAME_BYTES

    def __init__(self, door: Door, path: str, query: Mapping[str, Any]) -> None:
        super().__init__(door, path)
        self.offset: int | None = query.get("offset")
        self.epoch: str | None = query.get("epoch")
        self.about: dict[str, Any] = {}
        self._asked = dict(query)
        self._trouble: dict[str, Any] | None = None
        self._size: tuple[int, int] | None = None
        self._over = False

    async def write(self, data: bytes) -> None:
        """Type `data`, once there is a line; Unavailable where that breaks meanwhile: whether the
        data came is not known then."""
        await self._send(wire.to_client_frame(wire.Input(data)))

    async def resize(self, rows: int, cols: int) -> None:
        """The screen has this size now; told again after the line was broken."""
        self._size = (rows, cols)
        await self._send(wire.to_client_frame(wire.Resize(rows, cols)))

    # -- the seat ------------------------------------------------------------------------------

    def _query(self) -> dict[str, Any]:
        query = dict(self._asked)
        if self.offset is not None:
            query |= {"lines": None, "since": None, "offset": self.offset, "epoch": self.epoch}
        return query

    async def _on_connected(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        if self._size is not None:
            with suppress(aiohttp.ClientError, ConnectionError):  # the reader finds out
                await socket.send_bytes(wire.to_client_frame(wire.Resize(*self._size)))

    def _is_over(self) -> bool:
        return self._over

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
        elif isinstance(frame, wire.Viewers) and "mode" in self._asked:
            # Whose seat was taken over comes back to it as a watcher.
            mine = [viewer.get("mode") for viewer in frame.viewers if viewer.get("you")]
            self._asked["mode"] = "watch" if mine == ["watch"] else self._asked["mode"]
        if isinstance(frame, (wire.Ended, wire.Matched)):
            self._over = True
        return frame

    def _farewell(self, text: str | None, status: int | None) -> Problem | None:
        if status is None:
            return None
        where = f"the websocket {self._path}"
        known = problem_of(self._trouble, status, where)
        return known or RemoteFailed(f"{where} closed with {4000 + status}")


def _path(route: str, name: str | Console) -> str:
    return f"{route}/{segment(name.name if isinstance(name, Console) else name)}"
