"""tail and interact: a View of a console as a websocket, or as plain HTTP for curl."""

from __future__ import annotations

import asyncio
import base64
import codecs
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from jupyter_bridge import observe
from jupyter_bridge.consoles.asking import InteractQuery, TailQuery, asked
from jupyter_bridge.consoles.console import Console, Mode, Viewer
from jupyter_bridge.consoles.consoles import Consoles
from jupyter_bridge.consoles.handlers.access import resources_of
from jupyter_bridge.consoles.view import Step, View
from jupyter_bridge.problems import BadRequest, Busy, Denied, Problem
from jupyter_bridge.web import NDJSON, BridgeSocket
from jupyter_bridge.wire import console as wire

# What the kernel holds for a viewer who does not read; its own limit is megabytes for each.
SEND_BUFFER = 256 * 1024
# As long as `web/stream.py` lets an answer be silent.
KEEP_ALIVE = 15.0


class ConsoleSocket(BridgeSocket):
    """What tail and interact share: a viewer's seat, and a task that writes what the View gives."""

    resources: tuple[str, ...] = ("bridge:consoles",)
    subprotocols = (wire.SUBPROTOCOL,)
    query_type: type[TailQuery] = TailQuery

    def initialize(self, consoles: Consoles, events: observe.Events) -> None:
        self.consoles = consoles
        self.events = events
        self._viewer: Viewer | None = None
        self._pump: asyncio.Task[None] | None = None
        self._telling: asyncio.Future[None] | None = None
        self._news = False

    @property
    def _v1(self) -> bool:
        # Tornado knows it only while the connection is there.
        return self.ws_connection is not None and self.selected_subprotocol == wire.SUBPROTOCOL

    async def _look_up(self, name: str, action: str, query: TailQuery, follow: bool) -> None:
        self.resources = resources_of(name)
        await self.authorize(action)
        what = asked(query, self.request.headers, follow=follow)
        self._console: Console = await self.consoles.open(name)
        self._view: View = await what.view(self._console)

    def _enter(self, mode: Mode) -> Viewer:
        viewer = Viewer(self.username, mode, self._tell_viewers)
        self._viewer = viewer
        self._console.enter(viewer)
        if mode == "steal":
            self.events.emit("console_steal", user=viewer.user, console=self._console.name)
        return viewer

    def _start(self, mode: Mode) -> None:
        if self.ws_connection is not None:
            stream: Any = self.ws_connection.stream
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if self._v1:
            self._send(wire.Start(self._console.end_offset, about(self._console)))
        self._enter(mode)
        self._pump = asyncio.ensure_future(self._write_all())

    async def _write_all(self) -> None:
        try:
            reason = await (self._write_frames() if self._v1 else self._write_text())
            self.close(1000, reason)
        except Problem as problem:
            self.fail(problem)
        except (WebSocketClosedError, StreamClosedError):
            pass

    async def _write_frames(self) -> str:
        reason = ""
        async for step in counted(self._view):
            await self.write_message(wire.to_server_frame(step), binary=True)
            reason = _reason(step)
        return reason

    async def _write_text(self) -> str:
        reason = ""
        text = Text()
        async for step in counted(self._view):
            shown = text.of(step)
            if shown:
                await self.write_message(shown)
            reason = _reason(step)
        rest = text.rest()
        if rest:
            await self.write_message(rest)
        return reason

    def _tell_viewers(self) -> None:
        """Say who is here; while the client does not read, only the latest counts."""
        if not self._v1 or self._viewer is None or not self.open_for_frames:
            return
        if self._telling is not None and not self._telling.done():
            self._news = True
            return
        self._news = False
        viewers = [
            {**viewer.to_json(), **({"you": True} if viewer is self._viewer else {})}
            for viewer in self._console.viewers
        ]
        self._telling = self._send(wire.Viewers(self._console.end_offset, viewers))
        if self._telling is not None:
            self._telling.add_done_callback(self._told)

    def _told(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is None and self._news:
            self._tell_viewers()

    def _send(self, frame: wire.ServerFrame) -> asyncio.Future[None] | None:
        try:
            return self.write_message(wire.to_server_frame(frame), binary=True)
        except WebSocketClosedError:
            return None

    def fail(self, problem: Problem) -> None:
        """As everywhere; who speaks console frames gets it as one."""
        if not self._ended and self._v1 and self.open_for_frames:
            self._ended = True
            self._send(wire.Trouble(self._console.end_offset, problem.to_json()))
            self.close(problem.close_code, problem.code)
        else:
            super().fail(problem)

    def on_close(self) -> None:
        viewer, self._viewer = self._viewer, None
        if viewer is not None:
            self._console.leave(viewer)
        pump, self._pump, self._telling = self._pump, None, None
        if pump is not None:
            pump.cancel()
        super().on_close()


class TailSocket(ConsoleSocket):
    """What a console said and says; the same address answers a plain GET as text or NDJSON."""

    async def get(self, name: str) -> None:  # type: ignore[override]
        """Shake hands, or answer curl."""
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await super().get(name=name)
        else:
            await self._answer(name)

    async def on_handshake(self, name: str) -> None:  # type: ignore[override]
        await self._look_up(name, "read", self.read_query(TailQuery), follow=False)

    async def on_open(self) -> None:
        self._start("watch")

    def on_frame(self, frame: str | bytes) -> None:
        raise Denied("A tail only shows; open /bridge/interact to type.")

    async def _answer(self, name: str) -> None:
        query = self.read_query(TailQuery)
        await self._look_up(name, "read", query, follow=False)
        lines = query.format == "ndjson" or NDJSON in self.request.headers.get("Accept", "")
        self.set_header("Content-Type", NDJSON if lines else "text/plain; charset=utf-8")
        self.set_header("Bridge-Offset", str(self._view.offset))
        self.set_header("Bridge-Epoch", self._console.epoch)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Accel-Buffering", "no")  # nginx would hold the output back
        self._viewer = Viewer(self.username, "watch", lambda: None)
        self._console.enter(self._viewer)
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            await self._write_lines() if lines else await self._write_plain()
            await self.finish()
        except StreamClosedError:
            pass
        finally:
            self._console.leave(self._viewer)

    async def _write_plain(self) -> None:
        text = Text()
        try:
            async for step in self._while_here():
                if step is not None:
                    self.write(text.of(step))
                    await self.flush()
            self.write(text.rest())
        except Problem:
            if not self._headers_written:
                raise
            # Too late for a status: breaking off is what curl takes for a failure.
            self.request.connection.stream.close()  # type: ignore[union-attr]
            raise StreamClosedError from None

    async def _write_lines(self) -> None:
        try:
            async for step in self._while_here():
                self.write(b"\n" if step is None else line_of(step))
                await self.flush()
        except Problem as problem:
            if not self._headers_written:
                raise
            self.write(json.dumps({"problem": problem.to_json()}).encode() + b"\n")

    async def _while_here(self) -> AsyncIterator[Step | None]:
        """The view's steps, None after each silence, until the client goes away."""
        steps = counted(self._view)
        coming: asyncio.Future[Any] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(steps))
                await asyncio.wait(
                    {coming, self._gone},
                    timeout=KEEP_ALIVE,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if self._gone.done():
                    raise StreamClosedError
                if not coming.done():
                    yield None
                    continue
                done, coming = coming, None
                try:
                    step = done.result()
                except StopAsyncIteration:
                    return
                yield step
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
            await steps.aclose()

    def on_connection_close(self) -> None:
        gone = getattr(self, "_gone", None)
        if gone is not None:
            if not gone.done():
                gone.set_result(None)
        else:
            super().on_connection_close()


class InteractSocket(ConsoleSocket):
    """A console to take part in: raw bytes and sizes as frames, or a line per text frame."""

    query_type = InteractQuery

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
            await self._console.type(viewer, data + b"\n")
            return
        if isinstance(frame, str):
            raise BadRequest(f"{wire.SUBPROTOCOL} has binary frames only.")
        try:
            asks = wire.from_client_frame(frame)
        except wire.FrameError as error:
            raise BadRequest(str(error)) from error
        if isinstance(asks, wire.Resize):
            self._console.resize(viewer, asks.rows, asks.cols)
            return
        try:
            await self._console.type(viewer, asks.data)
        except (Busy, Denied) as problem:
            # Told, and the watcher watches on.
            self._send(wire.Trouble(self._console.end_offset, problem.to_json()))


class Text:
    """A view's steps as text: UTF-8 cut anywhere is joined, what is none becomes U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def of(self, step: Step) -> str:
        """What to show for this step; a gap is a line of its own."""
        if isinstance(step, wire.Output):
            return self._decoder.decode(step.data)
        if isinstance(step, wire.Gap):
            lost = step.to - step.offset
            return self.rest() + f"\r\n[jupyter-bridge: {lost} bytes are not held here]\r\n"
        return ""

    def rest(self) -> str:
        """The beginning of a character whose end never came."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text


def line_of(step: Step) -> bytes:
    """A view's step as a line of NDJSON."""
    line: dict[str, Any]
    if isinstance(step, wire.Output):
        line = {"offset": step.offset}
        try:
            line["data"] = step.data.decode()
        except UnicodeDecodeError:
            line["base64"] = base64.b64encode(step.data).decode()
    elif isinstance(step, wire.Gap):
        line = {"gap": {"from": step.offset, "to": step.to}}
    elif isinstance(step, wire.Matched):
        line = {"match": {"from": step.offset, "to": step.to}}
    else:
        line = {"exit": step.exit}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


async def counted(view: View) -> AsyncGenerator[Step, None]:
    """The view's steps, counted for the metrics."""
    console = view.console
    async for step in view.steps():
        if isinstance(step, wire.Output):
            observe.CONSOLE_SENT.inc(len(step.data))
            observe.CONSOLE_LAG.observe(max(0, console.end_offset - view.offset))
        elif isinstance(step, wire.Gap):
            observe.CONSOLE_GAPS.inc()
        yield step


def about(console: Console) -> dict[str, Any]:
    """What the first frame says."""
    return {
        "name": console.name,
        "kind": console.kind,
        "state": console.state,
        "epoch": console.epoch,
    }


def _reason(step: Step) -> str:
    if isinstance(step, wire.Matched):
        return f"match {step.offset}-{step.to}"
    if isinstance(step, wire.Ended):
        return "ended"
    return ""
