"""The kernel routes: spawn, shutdown, interrupt, restart, list, channels, execute (API.md, 2)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError

from jupyter_bridge import observe
from jupyter_bridge.problems import BadRequest, Denied
from jupyter_bridge.relay.channels import IOPUB, SEATS, Channels, encode_default, encode_v1
from jupyter_bridge.relay.execution import ExecuteBody, Execution, ExecutionModel
from jupyter_bridge.relay.executions import Executions
from jupyter_bridge.relay.kernels import KernelModel
from jupyter_bridge.relay.relay import Relay
from jupyter_bridge.relay.relays import Relays
from jupyter_bridge.web import BridgeHandler, BridgeSocket, Event, Route, verb
from jupyter_bridge.wire import kernel

# The bridge's own resource, and the host's, so that what the host forbids stays forbidden.
RESOURCES = ("bridge:kernels", "kernels")


class SpawnBody(msgspec.Struct, forbid_unknown_fields=True):
    """How to start a kernel: `cwd` is a folder of the system, `path` one below the server's root,
    `env` is added to the server's environment, `name` is shown in lists."""

    cwd: str | None = None
    path: str | None = None
    env: dict[str, str] = {}
    name: str | None = None


class KernelId(msgspec.Struct):
    """Which kernel it was done to."""

    id: str


class StoppedKernel(msgspec.Struct):
    """Which kernel was shut down, also in kernel-relay's spelling."""

    id: str
    kernelId: str  # noqa: N815


class KernelHandler(BridgeHandler):
    """What the kernel routes share."""

    resources = RESOURCES

    def initialize(self, relays: Relays, events: observe.Events) -> None:
        self.relays = relays
        self.events = events

    @property
    def username(self) -> str:
        return str(self.current_user.username)


class KernelsHandler(KernelHandler):
    @verb("read", "List the kernels", reply=list[KernelModel])
    async def get(self) -> list[KernelModel]:
        return await self.relays.list()


class OneKernelHandler(KernelHandler):
    @verb("read", "Show one kernel", reply=KernelModel)
    async def get(self, kernel_id: str) -> KernelModel:
        return await self.relays.model(kernel_id)


class SpawnHandler(KernelHandler):
    @verb("write", "Spawn a kernel", body=SpawnBody, reply=KernelModel, status=201)
    async def post(self, kernelspec: str, body: SpawnBody) -> KernelModel:
        return await self.spawn(kernelspec, body)

    @verb("write", "Spawn a kernel, as kernel-relay's clients ask", reply=KernelModel, proof=True)
    async def get(self, kernelspec: str) -> KernelModel:
        return await self.spawn(kernelspec, SpawnBody())

    async def spawn(self, kernelspec: str, body: SpawnBody) -> KernelModel:
        kernel_id = await self.relays.spawn(kernelspec, **msgspec.structs.asdict(body))
        self.events.emit(
            "kernel_spawn", user=self.username, kernel_id=kernel_id, kernelspec=kernelspec
        )
        self.set_header("Location", self.link(f"/kernels/{kernel_id}"))
        return await self.relays.model(kernel_id)


class ShutdownHandler(KernelHandler):
    @verb("write", "Shut a kernel down", reply=StoppedKernel)
    async def post(self, kernel_id: str) -> StoppedKernel:
        return await self.shutdown(kernel_id)

    @verb("write", "Shut a kernel down", reply=StoppedKernel)
    async def delete(self, kernel_id: str) -> StoppedKernel:
        return await self.shutdown(kernel_id)

    @verb("write", "Shut down, as kernel-relay's clients ask", reply=StoppedKernel, proof=True)
    async def get(self, kernel_id: str) -> StoppedKernel:
        return await self.shutdown(kernel_id)

    async def shutdown(self, kernel_id: str) -> StoppedKernel:
        await self.relays.shutdown(kernel_id)
        self.events.emit("kernel_shutdown", user=self.username, kernel_id=kernel_id)
        return StoppedKernel(kernel_id, kernel_id)


class InterruptHandler(KernelHandler):
    @verb("write", "Interrupt what a kernel is doing", reply=KernelId)
    async def post(self, kernel_id: str) -> KernelId:
        await self.relays.kernels.interrupt(kernel_id)
        return KernelId(kernel_id)


class RestartHandler(KernelHandler):
    @verb("write", "Restart a kernel; answers when it is ready again", reply=KernelId)
    async def post(self, kernel_id: str) -> KernelId:
        await self.relays.restart(kernel_id)
        return KernelId(kernel_id)


# -- execute -----------------------------------------------------------------------------------


class ExecutionHandler(BridgeHandler):
    """What the execute routes share: the answer in the way the client wants it."""

    resources = RESOURCES

    def initialize(self, executions: Executions) -> None:
        self.executions = executions

    async def run(self, where: str, body: ExecuteBody, *, ephemeral: bool) -> None:
        execution = await self.executions.start(
            self.identity,
            where,
            body,
            ephemeral=ephemeral,
            key=self.request.headers.get("Idempotency-Key"),
        )
        self.set_header("Location", self.link(f"/executions/{execution.id}"))
        kind = self.streaming()
        prefer = self.prefer()
        if kind is not None:
            await self.stream(_events(execution), kind)
        elif prefer.respond_async or prefer.wait is not None:
            answered = await _wait(execution, prefer.wait or 0)
            self.answer(execution.model(), 200 if answered else 202)
        else:
            await execution.answered.wait()
            self.answer(execution.model())


async def _events(execution: Execution, after: int = 0) -> AsyncIterator[Event]:
    async for step in execution.events(after):
        yield Event(*step)


async def _wait(execution: Execution, seconds: float) -> bool:
    try:
        await asyncio.wait_for(execution.answered.wait(), seconds)
    except asyncio.TimeoutError:
        return execution.answered.is_set()
    return True


class ExecuteHandler(ExecutionHandler):
    @verb("execute", "Run code", body=ExecuteBody, reply=ExecutionModel, streams=True)
    async def post(self, kernel_id: str, body: ExecuteBody) -> None:
        await self.run(kernel_id, body, ephemeral=False)


class EphemeralQuery(msgspec.Struct):
    """`kernel` is the kernelspec to spawn for this run."""

    kernel: str


class EphemeralHandler(ExecutionHandler):
    @verb(
        "execute",
        "Run code on a kernel of its own",
        body=ExecuteBody,
        query=EphemeralQuery,
        reply=ExecutionModel,
        streams=True,
    )
    async def post(self, body: ExecuteBody, query: EphemeralQuery) -> None:
        await self.authorize("write")  # it spawns, too
        await self.run(query.kernel, body, ephemeral=True)


class WaitQuery(msgspec.Struct):
    """`wait` is how many seconds to wait for the end before answering as it stands."""

    wait: Annotated[float, msgspec.Meta(ge=0)] = 0


class OneExecutionHandler(ExecutionHandler):
    @verb("read", "Read a run again", query=WaitQuery, reply=ExecutionModel, streams=True)
    async def get(self, execution_id: str, query: WaitQuery) -> None:
        execution = self.executions.get(execution_id)
        self.set_header("Location", self.link(f"/executions/{execution.id}"))
        kind = self.streaming()
        if kind is not None:
            await self.stream(_events(execution, self.last_event_id()), kind)
        else:
            await _wait(execution, query.wait)
            self.answer(execution.model())

    @verb("execute", "Interrupt a run", status=202)
    async def delete(self, execution_id: str) -> None:
        self.executions.get(execution_id).cancel()
        self.answer_nothing(202)

    def last_event_id(self) -> int:
        given = self.request.headers.get("Last-Event-ID", "0")
        if not given.isdecimal():
            raise BadRequest("Last-Event-ID: must be a number.", field="Last-Event-ID")
        return int(given)


class InputBody(msgspec.Struct, forbid_unknown_fields=True):
    """What the user typed, without the newline."""

    value: str


class InputHandler(ExecutionHandler):
    @verb("execute", "Answer a run's input request", body=InputBody, status=204)
    async def post(self, execution_id: str, body: InputBody) -> None:
        self.executions.get(execution_id).send_input(body.value)
        self.answer_nothing(204)


# -- channels ----------------------------------------------------------------------------------


class ChannelsQuery(msgspec.Struct):
    """`session_id` names the client over all its seats; `after`, the last iopub message it has."""

    session_id: str = ""
    after: str | None = None


class ChannelsSocket(BridgeSocket):
    """A websocket as a seat on a kernel's Relay."""

    resources = RESOURCES
    subprotocols = (kernel.V1,)
    query_type = ChannelsQuery

    def initialize(self, relays: Relays, seat: str) -> None:
        self.relays = relays
        self.seat = seat
        self._seat: Channels | None = None
        self._relay: Relay | None = None
        self._writing = False
        self._lagging = False

    async def on_handshake(self, kernel_id: str) -> None:  # type: ignore[override]
        # Watching needs `read`; a seat that can send needs `execute`, as on /api/kernels. Whoever
        # may only read can still take the seats that have iopub.
        self._may_send = await self.may("execute")
        if not self._may_send:
            await self.authorize("read")
            if IOPUB not in SEATS[self.seat]:
                raise Denied(f"You may watch this kernel's iopub, but not open its {self.seat}.")
        self._query = self.read_query(ChannelsQuery)
        self._names = SEATS[self.seat] if self._may_send else frozenset({IOPUB})
        self._relay = await self.relays.get(kernel_id)

    async def on_open(self) -> None:
        assert self._relay is not None
        self._v1 = self.selected_subprotocol == kernel.V1
        session = self._query.session_id or uuid.uuid4().hex
        self._seat = self._relay.join(
            (self.identity, session),
            session,
            self._names,
            after=self._query.after,
            may_send=self._may_send,
            on_ready=self._pump,
        )
        self._pump()

    def on_frame(self, frame: str | bytes) -> None:
        if self._seat is None:
            return
        try:
            if self._v1:
                if isinstance(frame, str):
                    raise BadRequest(f"{kernel.V1} has binary frames only.")
                channel, parts = kernel.parse_v1(frame)
                self._seat.send(channel, parts)
            else:
                self._seat.send(*kernel.parse_default(frame))
        except kernel.FrameError as error:
            # An observer is told that it may not send before it is told how.
            if not self._may_send:
                raise Denied("You may watch this kernel, and not send to it.") from error
            raise BadRequest(f"This frame is no Jupyter message: {error}.") from error

    def _pump(self) -> None:
        """Write what is ready, one batch at a time, as fast as this client's socket takes it."""
        seat = self._seat
        if seat is None:
            return
        while not self._writing and self.open_for_frames:
            try:
                written = self._write(seat)
            except (WebSocketClosedError, StreamClosedError):
                return
            if written is None:
                if seat.ended is not None:
                    self.fail(seat.ended)
                return
            if written.done():
                self._lagging = False
            else:
                self._writing = self._lagging = True
                written.add_done_callback(self._on_written)

    def _write(self, seat: Channels) -> asyncio.Future[None] | None:
        if self.takes_raw_frames:
            encode = encode_v1 if self._v1 else encode_default
            frames = seat.take_frames(encode, merge=self._lagging)
            return self.send_frames(frames) if frames else None
        written = None
        for entry in seat.take(merge=self._lagging):
            frame: str | bytes = entry.frame
            if not self._v1:
                frame = kernel.build_default(entry.channel, entry.parts)
            written = self.write_message(frame, binary=isinstance(frame, bytes))
        return written

    def _on_written(self, written: asyncio.Future[None]) -> None:
        self._writing = False
        if not written.cancelled() and written.exception() is None:
            self._pump()

    def on_close(self) -> None:
        if self._seat is not None:
            self._seat.close()


def routes(relays: Relays, executions: Executions, events: observe.Events) -> list[Route]:
    """Every kernel route, for app.py."""
    kernels = {"relays": relays, "events": events}
    runs = {"executions": executions}
    return [
        Route("/kernels", KernelsHandler, kernels),
        Route("/kernels/{kernel_id}", OneKernelHandler, kernels),
        Route("/spawn/{kernelspec}", SpawnHandler, kernels),
        Route("/shutdown/{kernel_id}", ShutdownHandler, kernels),
        Route("/interrupt/{kernel_id}", InterruptHandler, kernels),
        Route("/restart/{kernel_id}", RestartHandler, kernels),
        Route("/execute", EphemeralHandler, runs),
        Route("/execute/{kernel_id}", ExecuteHandler, runs),
        Route("/executions/{execution_id}", OneExecutionHandler, runs),
        Route("/executions/{execution_id}/input", InputHandler, runs),
        *(
            Route(f"/{seat}/{{kernel_id}}", ChannelsSocket, {"relays": relays, "seat": seat})
            for seat in SEATS
        ),
    ]
