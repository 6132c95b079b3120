"""A console over a websocket, in frames or as text: read-only (tail), or interactive."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from typing import Any, get_args

import msgspec
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from jupyter_bridge.consoles.console import Console, Mode, Viewer
from jupyter_bridge.consoles.handlers.access import OWN, ConsoleDoor
from jupyter_bridge.consoles.handlers.tail import TextStream
from jupyter_bridge.consoles.registry import ConsoleRegistry
from jupyter_bridge.consoles.tail.query import InteractQuery, TailQuery, tail_request
from jupyter_bridge.consoles.tail.view import Step, View, counted
from jupyter_bridge.models.consoles import ViewerModel
from jupyter_bridge.observe.events import Events
from jupyter_bridge.problems import BadRequest, Busy, Denied, Problem, TooLarge
from jupyter_bridge.web import PROBLEM_FRAME, TEXT, BridgeSocket, Frame
from jupyter_bridge.wire import console as wire

# Sending one viewer the list of viewers takes a tenth of this; each waits a random time up to this
# for each viewer, seconds.
TELL_SECONDS = 0.001
# The kernel's buffer for a viewer who does not read, bytes; its default is megabytes.
SEND_BUFFER = 256 * 1024


def _frames(kinds: Any, by: str) -> tuple[Frame, ...]:
    """Return the subprotocol's frames, with their names and docs from `wire/console.py`."""
    return tuple(
        Frame(
            kind.__name__.lower(),
            by,
            (kind.__doc__ or "").splitlines()[0],
            subprotocol=wire.SUBPROTOCOL,
        )
        for kind in get_args(kinds)
    )


SAID = (
    Frame("text", "server", "The console's output; no character is cut.", TEXT),
    *_frames(wire.ServerFrame, "server"),
    PROBLEM_FRAME,
)
TYPED = (
    Frame("line", "client", "A line to type; the newline is added.", TEXT),
    *_frames(wire.ClientFrame, "client"),
)


class ConsoleSocket(ConsoleDoor, BridgeSocket):
    """The base of tail and interact: a viewer, and a task that sends the steps of a View."""

    resources: tuple[str, ...] = (OWN,)
    subprotocols = (wire.SUBPROTOCOL,)
    frames = SAID
    query_type = TailQuery

    def initialize(self, consoles: ConsoleRegistry, events: Events) -> None:
        self.consoles = consoles
        self.events = events
        self._viewer: Viewer | None = None
        self._pump: asyncio.Task[None] | None = None
        self._sending: asyncio.Future[None] | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._is_outdated = False

    @property
    def _v1(self) -> bool:
        # Tornado knows the subprotocol only while there is a connection.
        return self.ws_connection is not None and self.selected_subprotocol == wire.SUBPROTOCOL

    async def _look_up(self, name: str, action: str, query: TailQuery, follow: bool) -> None:
        await self.demand_named(name, action)
        what = await tail_request(query, self.request.headers, follow=follow)
        if query.format == "raw":
            raise BadRequest("format: raw is for HTTP; a frame holds raw bytes.", field="format")
        self._console: Console = await self.open_console(name, action, wait=what.follow)
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        self._view: View = await what.view(self._console, joined=wire.SUBPROTOCOL not in offered)
        self._modes = b""
        if wire.SUBPROTOCOL in offered and query.strip is None:
            self._modes = await self._console.modes(self._view.offset)

    def _enter(self, mode: Mode) -> Viewer:
        viewer = Viewer(self.username, mode, self._on_viewers)
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
        if self._modes:
            await self.send(wire.to_server_frame(wire.ModesFrame(self._view.offset, self._modes)))
        async for step in counted(self._view):
            await self.send(wire.to_server_frame(step))
            reason = _reason(step)
        return reason

    async def _write_text(self) -> str:
        reason = ""
        text = TextStream()
        async for step in counted(self._view):
            shown = text.of(step)
            if shown:
                await self.send(shown)
            reason = _reason(step)
        rest = text.rest()
        if rest:
            await self.send(rest)
        return reason

    def _on_viewers(self) -> None:
        """Send the viewers: at once the first time, later after a random pause.

        Each viewer is sent all viewers: for a thousand in one turn, the event loop would stall.
        """
        if self._sending is None:
            self._send_viewers()
        elif self._send_timer is None:
            pause = random.random() * TELL_SECONDS * len(self._console.viewers)
            self._send_timer = asyncio.get_running_loop().call_later(pause, self._send_viewers)

    def _send_viewers(self) -> None:
        """Send the viewers; while the client does not read, only the newest list is kept."""
        self._send_timer = None
        if not self._v1 or self._viewer is None or not self.open_for_frames:
            return
        if self._sending is not None and not self._sending.done():
            self._is_outdated = True
            return
        self._is_outdated = False
        mine, shown = self._viewer, self._console.shown_viewers
        viewers = [
            ViewerModel(viewer.user, viewer.mode, viewer is mine)
            for viewer in (shown if mine in shown else [*shown, mine])
        ]
        encoded = msgspec.to_builtins(viewers)
        self._sending = self._send(wire.Viewers(self._console.end_offset, encoded))
        if self._sending is not None:
            self._sending.add_done_callback(self._on_viewers_sent)

    def _on_viewers_sent(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is None and self._is_outdated:
            self._send_viewers()

    def _send(self, frame: wire.ServerFrame) -> asyncio.Future[None] | None:
        try:
            return self.send(wire.to_server_frame(frame))
        except (WebSocketClosedError, StreamClosedError):
            return None

    def fail(self, problem: Problem) -> None:
        """Send the problem, as a console frame if the client uses these, and close."""
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
        if self._send_timer is not None:
            self._send_timer.cancel()
        pump, self._pump, self._sending = self._pump, None, None
        if pump is not None:
            pump.cancel()
        super().on_close()


# The most who may type into one console: what each has sent is typed after it has left.
MAX_WRITERS = 200


class TailSocket(ConsoleSocket):
    """A console's output; a plain GET is answered as text, NDJSON or bytes."""

    may_send = False

    async def on_handshake(self, name: str) -> None:  # type: ignore[override]
        await self._look_up(name, "read", self.read_query(TailQuery), follow=False)

    async def on_open(self) -> None:
        self._start("watch")

    def on_frame(self, frame: str | bytes) -> None:
        raise Denied("A tail is read-only; open /bridge/interact to type.")


class InteractSocket(ConsoleSocket):
    """An interactive console: raw bytes and sizes as frames, or a line per text frame."""

    query_type = InteractQuery
    frames = (*SAID, *TYPED)

    async def on_handshake(self, name: str) -> None:  # type: ignore[override]
        query = self.read_query(InteractQuery)
        self._mode: Mode = query.mode
        self.may_send = query.mode != "watch"
        await self._look_up(name, "execute" if self.may_send else "read", query, follow=True)
        if self.may_send and len(list(self._console.writers())) >= MAX_WRITERS:
            raise Busy(f"{MAX_WRITERS} others may type into console {name!r} already.")

    async def on_open(self) -> None:
        self._start(self._mode)

    async def on_frame(self, frame: str | bytes) -> None:
        viewer = self._viewer
        if viewer is None:
            return
        if not self._v1:
            data = frame.encode() if isinstance(frame, str) else frame
            # websocat sends a line with its newline.
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
        except (Busy, Denied, TooLarge) as problem:
            # The viewer keeps watching. Its next frame is read when it has taken this answer.
            with contextlib.suppress(WebSocketClosedError, StreamClosedError):
                trouble = wire.Trouble(self._console.end_offset, problem.to_json())
                await self.send(wire.to_server_frame(trouble))


def about(console: Console) -> dict[str, Any]:
    """Return the content of the first frame."""
    found: dict[str, Any] = {
        "name": console.name,
        "kind": console.kind,
        "state": console.state,
        "epoch": console.epoch,
    }
    is_missing = console.source is not None and console.source.is_missing
    return found | {"missing": True} if is_missing else found


def _reason(step: Step) -> str:
    if isinstance(step, wire.Matched):
        return f"match {step.offset}-{step.to}"
    if isinstance(step, wire.Ended):
        return "ended"
    return ""
