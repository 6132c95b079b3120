"""Run code: wait for it, stream it, read it again, answer it, interrupt it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec

from jupyter_bridge.problems import BadRequest
from jupyter_bridge.relay.execution import Execution
from jupyter_bridge.relay.executions import Executions
from jupyter_bridge.relay.handlers.resources import RESOURCES
from jupyter_bridge.relay.models import ExecuteBody, ExecutionModel
from jupyter_bridge.web import BridgeHandler, Event, verb


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
