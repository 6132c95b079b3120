"""The run routes: one shell command, waited for, streamed, or read later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec

from jupyter_bridge import observe
from jupyter_bridge.consoles.run import Run
from jupyter_bridge.consoles.runbody import RunBody, RunModel
from jupyter_bridge.consoles.runs import Runs
from jupyter_bridge.problems import BadRequest, TooLarge
from jupyter_bridge.web import BridgeHandler, Event, verb

# What can be typed into a run with one request.
MAX_INPUT = 16 << 20


class RunHandler(BridgeHandler):
    """What the run routes share."""

    resources = ("bridge:consoles", "terminals")

    def initialize(self, runs: Runs, events: observe.Events) -> None:
        self.runs = runs
        self.events = events

    @property
    def username(self) -> str:
        return str(self.current_user.username)


class RunsHandler(RunHandler):
    @verb("execute", "Run a shell command", body=RunBody, reply=RunModel, streams=True)
    async def post(self, body: RunBody) -> None:
        if body.console is None or body.console == "new":
            await self.authorize("write")  # it opens a terminal, too
        key = self.request.headers.get("Idempotency-Key")
        run = await self.runs.start(self.identity, body, key=key)
        self.events.emit("console_run", user=self.username, console=run.console.name, run=run.id)
        self.set_header("Location", self.link(f"/runs/{run.id}"))
        kind = self.streaming()
        prefer = self.prefer()
        if kind is not None:
            await self.stream(_events(run), kind)
        elif prefer.respond_async or prefer.wait is not None:
            answered = await _wait(run, prefer.wait or 0)
            self.answer(run.model(), 200 if answered else 202)
        else:
            await run.answered.wait()
            self.answer(run.model())


class RunWaitQuery(msgspec.Struct):
    """`wait` is how many seconds to wait for the end before answering as it stands."""

    wait: Annotated[float, msgspec.Meta(ge=0)] = 0


class OneRunHandler(RunHandler):
    @verb("read", "Read a run again", query=RunWaitQuery, reply=RunModel, streams=True)
    async def get(self, run_id: str, query: RunWaitQuery) -> None:
        run = self.runs.get(run_id)
        self.set_header("Location", self.link(f"/runs/{run.id}"))
        kind = self.streaming()
        if kind is not None:
            after = self.request.headers.get("Last-Event-ID", "0")
            if not after.isdecimal():
                raise BadRequest("Last-Event-ID: must be a number.", field="Last-Event-ID")
            await self.stream(_events(run, int(after)), kind)
        else:
            await _wait(run, query.wait)
            self.answer(run.model())

    @verb("execute", "Stop a run", status=202)
    async def delete(self, run_id: str) -> None:
        self.runs.get(run_id).cancel()
        self.answer_nothing(202)


class RunInputHandler(RunHandler):
    @verb("execute", "Type into a run", status=204)
    async def post(self, run_id: str) -> None:
        data = self.request.body
        if len(data) > MAX_INPUT:
            raise TooLarge(f"One request types {MAX_INPUT} bytes at most.", limit=MAX_INPUT)
        await self.runs.get(run_id).send_input(data)
        self.answer_nothing(204)


async def _events(run: Run, after: int = 0) -> AsyncIterator[Event]:
    async for step in run.events(after):
        yield Event(*step)


async def _wait(run: Run, seconds: float) -> bool:
    try:
        await asyncio.wait_for(run.answered.wait(), seconds)
    except asyncio.TimeoutError:
        return run.answered.is_set()
    return True
