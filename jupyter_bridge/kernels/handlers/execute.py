"""The routes of executions: run, wait, stream, read again, answer input, interrupt."""

from __future__ import annotations

from typing import Any

import msgspec

from jupyter_bridge.kernels.access import (
    RESOURCES,
    ConnectionQuery,
    hiding_kernelspecs,
    qualified,
    resources_of,
)
from jupyter_bridge.kernels.executions.store import ExecutionStore
from jupyter_bridge.models.executions import ExecuteBody, ExecutionModel, InputBody
from jupyter_bridge.web import JobHandler, WaitQuery, verb


class ExecutionHandler(JobHandler):
    """The base of the execute routes."""

    resources: tuple[str, ...] = RESOURCES

    def initialize(self, executions: ExecutionStore) -> None:
        self.executions = executions

    async def authorize(self, action: str) -> None:
        name = self.path_kwargs.get("kernel_id") or self.get_query_argument("kernel", "")
        if "execution_id" in self.path_kwargs:
            known = self.executions.find(self.path_kwargs["execution_id"])
            name = "" if known is None else known.kernel_id
        self.resources = resources_of(qualified(name, self.get_query_argument("conn", "")))
        await super().authorize(action)

    async def run(self, where: str, body: ExecuteBody, *, ephemeral: bool) -> None:
        async with hiding_kernelspecs(self, where):
            execution = await self.executions.start(
                self.identity,
                where,
                body,
                ephemeral=ephemeral,
                key=self.repeat_key,
            )
        await self.answer_begun(execution, f"/executions/{execution.id}")


class ExecuteHandler(ExecutionHandler):
    @verb(
        "execute",
        "Run code",
        body=ExecuteBody,
        query=ConnectionQuery,
        reply=ExecutionModel,
        streams=True,
    )
    async def post(self, kernel_id: str, body: ExecuteBody, query: ConnectionQuery) -> None:
        await self.run(qualified(kernel_id, query.conn), body, ephemeral=False)


class EphemeralQuery(msgspec.Struct):
    """`kernel` is the kernelspec to spawn for this run, `conn` its connection."""

    kernel: str
    conn: str | None = None


class EphemeralHandler(ExecutionHandler):
    async def judge(self, **arguments: Any) -> None:
        await self.authorize("write")  # for the spawn

    @verb(
        "execute",
        "Run code on a new kernel",
        body=ExecuteBody,
        query=EphemeralQuery,
        reply=ExecutionModel,
        streams=True,
    )
    async def post(self, body: ExecuteBody, query: EphemeralQuery) -> None:
        await self.run(qualified(query.kernel, query.conn), body, ephemeral=True)


class OneExecutionHandler(ExecutionHandler):
    @verb("read", "Read a run again", query=WaitQuery, reply=ExecutionModel, streams=True)
    async def get(self, execution_id: str, query: WaitQuery) -> None:
        execution = self.executions.get(execution_id)
        await self.answer_again(execution, f"/executions/{execution.id}", query)

    @verb("execute", "Interrupt a run", status=202)
    async def delete(self, execution_id: str) -> None:
        self.executions.get(execution_id).cancel()
        self.answer_nothing(202)


class InputHandler(ExecutionHandler):
    @verb("execute", "Answer a run's input request", body=InputBody, status=204)
    async def post(self, execution_id: str, body: InputBody) -> None:
        self.executions.get(execution_id).send_input(body.value)
        self.answer_nothing(204)
