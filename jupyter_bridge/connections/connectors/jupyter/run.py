"""A shell command that the bridge of another server runs, followed over reconnects."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from jupyter_bridge.connections.command import (
    Command,
    RemoteBegan,
    RemoteDone,
    RemoteEvent,
    RemoteGap,
    RemoteOutput,
)
from jupyter_bridge.connections.connectors.jupyter import api
from jupyter_bridge.problems import Gone, NotFound, Problem, RemoteFailed, Timeout, Unavailable
from jupyter_bridge.transport.answers import NAMES, RemoteAnswer, off_loop, sentence
from jupyter_bridge.transport.http import Lines, read_whole
from jupyter_bridge.transport.retry import RetryPeriod
from jupyter_bridge.wire import bounded
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# How long to try to reconnect before the run counts as lost, seconds.
# The remote keeps the output of a run for an hour.
_GIVE_UP = 3600.0
# The longest pause between two polls of a queued command, seconds.
_LOOK_EVERY = 0.5
# The largest event of a run: the last one has up to 8 MiB each of output and errors. Bytes.
_MAX_EVENT = 64 << 20
# More input than any command reads, bytes.
_MOST_INPUT = 1 << 60
_UNREADABLE = "The remote bridge does not report its run as expected."


# An id is the size of the output so far.
_Id = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
# The last part of a run's `Location`.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


class _Event(msgspec.Struct):
    """One line of the stream; `data` is decoded by the kind of event."""

    event: str
    data: msgspec.Raw = msgspec.Raw(b"{}")
    id: _Id | None = None


class _Trouble(msgspec.Struct):
    message: str = ""


_DATA: dict[str, type[RemoteOutput | RemoteGap | RemoteDone | _Trouble]] = {
    "output": RemoteOutput,
    "gap": RemoteGap,
    "done": RemoteDone,
    "problem": _Trouble,
}


class _Run(msgspec.Struct):
    """The status of a run, without its output."""

    status: str | None = None


class BridgeRun(Command):
    """One run of the remote bridge; `ask` is the body of its POST."""

    def __init__(self, server: api.JupyterApi, ask: dict[str, Any]) -> None:
        self._server = server
        self._ask = ask
        self._run = ""
        self._last = 0

    async def events(self) -> AsyncIterator[RemoteEvent]:
        patience = RetryPeriod(_GIVE_UP)
        while True:
            why: Problem = RemoteFailed(_UNREADABLE)
            try:
                async for event in self._read():
                    patience.renew()
                    yield event
                    if isinstance(event, RemoteDone):
                        return
            except (Unavailable, Timeout) as problem:
                why = problem
            # The remote may have begun it before the connection was lost: never run it twice.
            if not self._run:
                raise why
            await patience.wait(why)

    async def _read(self) -> AsyncIterator[RemoteEvent]:
        method, path, body = "POST", "bridge/run", msgspec.json.encode(self._ask)
        headers = {**self._server.headers, "Accept": "application/x-ndjson"}
        if self._run:
            method, path, body = "GET", f"bridge/runs/{self._run}", b""
            headers["Last-Event-ID"] = str(self._last)
        else:
            headers["Content-Type"] = "application/json"
        async with self._server.outbound.stream(
            method, self._server.url_of(path), headers=headers, body=body or None
        ) as response:
            if response.status >= 300:
                content = await read_whole(response, NAMES)
                raise await self._refused(RemoteAnswer(response.status, response.headers, content))
            name = response.headers.get("Location", "").rpartition("/")[2]
            self._run = name if _NAME.fullmatch(name) else self._run
            if method == "POST":
                # With `queue`, the remote answers before the command runs.
                if self._ask.get("queue"):
                    await self._wait_while_queued()
                yield RemoteBegan()
            async for line in Lines(response, _MAX_EVENT):
                try:
                    number, event = await off_loop(_read_event, line)
                except JSON_ERRORS as error:
                    raise RemoteFailed(_UNREADABLE) from error
                self._last = number or self._last
                if isinstance(event, _Trouble):
                    raise RemoteFailed(sentence(event.message or "It failed there."))
                if event is not None:
                    yield event

    async def _wait_while_queued(self) -> None:
        pause = 0.02
        while (await self._request("GET", f"bridge/runs/{self._run}")).status == "queued":
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LOOK_EVERY)

    async def _refused(self, answer: RemoteAnswer) -> Problem:
        problem = await api.problem_of(answer, self._server.name)
        if self._run and isinstance(problem, NotFound):
            return Gone(f"The remote no longer knows the run: {problem.message}")
        return problem

    async def stop(self) -> None:
        if not self._run:
            raise Unavailable("The command is just being sent.")
        await self._request("DELETE", f"bridge/runs/{self._run}")

    async def send_input(self, data: bytes) -> None:
        await self._request("POST", f"bridge/runs/{self._run}/input", data)

    async def send_stdin(self, data: bytes, offset: int, *, end: bool) -> int:
        path = f"bridge/runs/{self._run}/input"
        query = f"?offset={offset}&end={int(end)}"
        answer = await self._server.outbound.ask(
            "POST",
            self._server.url_of(quote(path)) + query,
            headers=self._server.headers,
            body=data,
            limit=_MAX_EVENT,
        )
        if answer.status >= 300:
            raise await self._refused(answer)
        taken = bounded.number(answer.headers.get("Bridge-Offset", ""), _MOST_INPUT)
        if taken is None:
            raise RemoteFailed(_UNREADABLE)
        return taken

    async def _request(self, method: str, path: str, body: bytes | None = None) -> _Run:
        server = self._server
        answer = await server.outbound.ask(
            method,
            server.url_of(quote(path)),
            headers=server.headers,
            body=body,
            limit=_MAX_EVENT,
        )
        if answer.status >= 300:
            raise await self._refused(answer)
        try:
            return await answer.json(_Run) if answer.body.strip() else _Run()
        except JSON_ERRORS as error:
            raise RemoteFailed(_UNREADABLE) from error


def _read_event(
    line: bytes,
) -> tuple[int | None, RemoteOutput | RemoteGap | RemoteDone | _Trouble | None]:
    """Return the id and the data of an event, None for an unknown kind; raises JSON_ERRORS."""
    event = bounded.decode(line, _Event, _MAX_EVENT)
    kind = _DATA.get(event.event)
    data = None if kind is None else msgspec.json.decode(event.data, type=kind)
    return event.id, data
