"""ConsoleStream: a console's frames over a websocket that reconnects."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import aiohttp

from jupyter_bridge.problems import Problem, RemoteFailed
from jupyter_bridge.transport.bridge_session import BridgeSession
from jupyter_bridge.transport.bridge_socket import ResumingSocket
from jupyter_bridge.transport.problem_decoder import problem_of
from jupyter_bridge.wire import console as wire

# The server's frames have 32 KiB; a Problem or a list of viewers may be longer.
MAX_FRAME_BYTES = 16 << 20


class ConsoleStream(ResumingSocket[wire.ServerFrame]):
    """Iterate console frames: Start, Modes, Output, Gap, Viewers, Matched, Ended.

    A Problem that leaves the websocket open (a watcher typed) is a Trouble frame; others are
    raised. A dropped connection resumes where the last output ended, at `offset` of `epoch`, so
    no output comes twice, and only output that the server discarded is missed. The modes come
    once, before the first output.
    """

    _protocol = wire.SUBPROTOCOL
    _limit = MAX_FRAME_BYTES

    def __init__(self, session: BridgeSession, path: str, query: Mapping[str, Any]) -> None:
        super().__init__(session, path)
        self.offset: int | None = query.get("offset")
        self.epoch: str | None = query.get("epoch")
        self.about: dict[str, Any] = {}
        self._asked = dict(query)
        self._trouble: dict[str, Any] | None = None
        self._size: tuple[int, int] | None = None
        self._over = False
        self._has_begun = False

    async def write(self, data: bytes) -> None:
        """Type `data`, once connected. Raises Unavailable if the connection drops; the data may or
        may not have arrived."""
        await self._send(wire.to_client_frame(wire.Input(data)))

    async def resize(self, rows: int, cols: int) -> None:
        """Set the screen's size; it is sent again after a reconnect."""
        self._size = (rows, cols)
        await self._send(wire.to_client_frame(wire.Resize(rows, cols)))

    # -- for ResumingSocket --------------------------------------------------------------------

    def _query(self) -> dict[str, Any]:
        query = dict(self._asked)
        if self.offset is not None:
            query |= {"lines": None, "since": None, "offset": self.offset, "epoch": self.epoch}
        return query

    async def _on_connected(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        if self._size is not None:
            with suppress(aiohttp.ClientError, ConnectionError):  # the reader sees the drop
                await socket.send_bytes(wire.to_client_frame(wire.Resize(*self._size)))

    def _is_over(self) -> bool:
        return self._over

    def _decode_frame(self, data: bytes) -> wire.ServerFrame | None:
        try:
            frame = wire.from_server_frame(data)
        except wire.ConsoleFrameError as error:
            raise RemoteFailed(f"The websocket sent a malformed frame: {error}.") from error
        if isinstance(frame, (wire.ModesFrame, wire.OutputFrame, wire.GapFrame)):
            if isinstance(frame, wire.ModesFrame) and self._has_begun:
                return None  # after a reconnect
            self._has_begun = True
        if isinstance(frame, wire.Start):
            self.about = frame.about
            self.epoch = str(frame.about.get("epoch"))
            if self.offset is None and self._asked.get("lines") == 0:
                self.offset = frame.offset  # it begins at the present, also after a reconnect
        elif isinstance(frame, wire.OutputFrame):
            self.offset = frame.offset + len(frame.data)
        elif isinstance(frame, (wire.GapFrame, wire.Matched)):
            self.offset = frame.to
        elif isinstance(frame, wire.Trouble):
            self._trouble = frame.problem
        elif isinstance(frame, wire.Viewers) and "mode" in self._asked:
            # A client that was taken over reconnects as a watcher.
            mine = [viewer.get("mode") for viewer in frame.viewers if viewer.get("you")]
            self._asked["mode"] = "watch" if mine == ["watch"] else self._asked["mode"]
        if isinstance(frame, (wire.Ended, wire.Matched)):
            self._over = True
        return frame

    def _problem_of_close(self, text: str | None, status: int | None) -> Problem | None:
        if status is None:
            return None
        where = f"The websocket {self._path}"
        known = problem_of(self._trouble, status, where)
        return known or RemoteFailed(f"{where} closed with code {4000 + status}.")
