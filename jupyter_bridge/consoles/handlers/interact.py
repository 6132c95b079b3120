"""interact: a console to take part in, over a websocket."""

from __future__ import annotations

from jupyter_bridge.consoles.console import Mode
from jupyter_bridge.consoles.handlers.socket import SAID, TYPED, ConsoleSocket
from jupyter_bridge.consoles.tail.query import InteractQuery
from jupyter_bridge.problems import BadRequest, Busy, Denied
from jupyter_bridge.wire import console as wire


class InteractSocket(ConsoleSocket):
    """A console to take part in: raw bytes and sizes as frames, or a line per text frame."""

    query_type = InteractQuery
    frames = (*SAID, *TYPED)

    async def on_handshake(self, name: str) -> None:  # type: ignore[override]
        query = self.read_query(InteractQuery)
        self._mode: Mode = query.mode
        action = "read" if query.mode == "watch" else "execute"
        await self._look_up(name, action, query, follow=True)

    async def on_open(self) -> None:
        self._start(self._mode)

    async def on_frame(self, frame: str | bytes) -> None:
        viewer = self._viewer
        if viewer is None:
            return
        if not self._v1:
            data = frame.encode() if isinstance(frame, str) else frame
            # Who sends lines as they are, as websocat does, has pressed Enter already.
            await self._console.type(viewer, data if data.endswith(b"\n") else data + b"\n")
            return
        if isinstance(frame, str):
            raise BadRequest(f"{wire.SUBPROTOCOL} has binary frames only.")
        try:
            asks = wire.from_client_frame(frame)
        except wire.ConsoleFrameError as error:
            raise BadRequest(str(error)) from error
        if isinstance(asks, wire.Resize):
            self._console.resize(viewer, asks.rows, asks.cols)
            return
        try:
            await self._console.type(viewer, asks.data)
        except (Busy, Denied) as problem:
            # Told, and the watcher watches on.
            self._send(wire.Trouble(self._console.end_offset, problem.to_json()))
