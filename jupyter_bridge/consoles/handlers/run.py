"""The run routes: run a shell command, wait for it, stream it, or read it later."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from jupyter_bridge.consoles.handlers.access import OWN, ConsoleDoor
from jupyter_bridge.consoles.run.store import RunStore
from jupyter_bridge.models.consoles import Size
from jupyter_bridge.models.runs import RunBody, RunModel
from jupyter_bridge.observe.events import Events
from jupyter_bridge.web import JobHandler, WaitQuery, verb

# The most bytes typed into a run with one request.
MAX_INPUT = 16 << 20


class RunHandler(ConsoleDoor, JobHandler):
    """The base of the run routes."""

    resources: tuple[str, ...] = (OWN,)

    def initialize(self, runs: RunStore, events: Events) -> None:
        self.runs = runs
        self.consoles = runs.consoles
        self.events = events

    async def authorize(self, action: str) -> None:
        await super().authorize(action)
        if "run_id" in self.path_kwargs:
            run = self.runs.find(self.path_kwargs["run_id"])
            if run is not None:
                await self.demand_console(run.console, action)


class RunsHandler(RunHandler):
    async def judge(self, **arguments: Any) -> None:
        body = arguments["body"]
        if not body.is_fresh:
            await self.demand_named(str(body.console), "execute")
            return
        beside = "terminals" if body.connection is None else "bridge:connections"
        for action in ("execute", "write"):  # the run also opens a terminal
            await self.demand(action, OWN, beside)

    @verb("execute", "Run a shell command", body=RunBody, reply=RunModel, streams=True)
    async def post(self, body: RunBody) -> None:
        permit = self.permit("execute")
        key = self.repeat_key
        async with self.adding_names():
            run = await self.runs.start(self.identity, body, key=key, permit=permit)
        await permit(run.console)  # an earlier request may have started the run
        self.events.emit("console_run", user=self.username, console=run.console.name, run=run.id)
        await self.answer_begun(run, f"/runs/{run.id}")


class OneRunHandler(RunHandler):
    @verb("read", "Read a run again", query=WaitQuery, reply=RunModel, streams=True)
    async def get(self, run_id: str, query: WaitQuery) -> None:
        run = self.runs.get(run_id)
        await self.answer_again(run, f"/runs/{run.id}", query)

    @verb("execute", "Stop a run", status=202)
    async def delete(self, run_id: str) -> None:
        self.runs.get(run_id).cancel()
        self.answer_nothing(202)


class InputQuery(msgspec.Struct):
    """The new size of the client's screen. For `input: "pipe"`: where the data begins in the input,
    and whether the input ends there."""

    offset: Annotated[int, msgspec.Meta(ge=0)] | None = None
    end: bool = False
    rows: Size | None = None
    cols: Size | None = None


class RunInputHandler(RunHandler):
    @verb("execute", "Type into a run", query=InputQuery, status=204, raw=True, limit=MAX_INPUT)
    async def post(self, run_id: str, query: InputQuery) -> None:
        data = self.raw_body()
        run = self.runs.get(run_id)
        if query.rows and query.cols:
            run.resize(query.rows, query.cols)
        if run.body.input == "pipe":
            sent = run.send_stdin(data, query.offset, end=query.end)
            self.set_header("Bridge-Offset", str(await self.while_here(sent)))
        elif data:
            await self.while_here(run.send_input(data))
        self.answer_nothing(204)
