"""A shell command that the bridge of another server runs, followed over breaks of the line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from jupyter_bridge.connections.connectors import jupyterapi
from jupyter_bridge.connections.outbound import Answer, Outbound
from jupyter_bridge.connections.roles import Command
from jupyter_bridge.problems import Gone, NotFound, Problem, RemoteFailed, Timeout, Unavailable
from jupyter_bridge.wire.unreadable import UNREADABLE

# How long a broken line is mended before the run counts as lost, and the pauses meanwhile; seconds.
# The other side keeps what a run wrote for an hour.
_GIVE_UP = 3600.0
_PAUSES = (0.0, 0.1, 0.3, 1.0, 2.0, 5.0)
# How often a queued command is looked at, at last; seconds.
_LOOK_EVERY = 0.5
# An answer that refuses is a sentence.
_MAX_REFUSAL = 1 << 20


class Server(Protocol):
    """What a run needs of the connector."""

    @property
    def name(self) -> str: ...

    @property
    def outbound(self) -> Outbound: ...

    def url_of(self, path: str) -> str:
        """The address of a path below the server's."""

    def headers(self) -> dict[str, str]:
        """Who asks."""


class BridgeRun(Command):
    """One run there; `ask` is the body of its POST."""

    def __init__(self, server: Server, ask: dict[str, Any]) -> None:
        self._server = server
        self._ask = ask
        self._run = ""
        self._last = 0

    async def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        loop = asyncio.get_running_loop()
        until, attempt = loop.time() + _GIVE_UP, 0
        while True:
            try:
                async for event, data in self._read():
                    until, attempt = loop.time() + _GIVE_UP, 0
                    yield event, data
                    if event == "done":
                        return
            except (Unavailable, Timeout):
                # It may have been taken before the line broke: typed twice it must not be.
                if not self._run or loop.time() > until:
                    raise
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1

    async def _read(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        method, path, body = "POST", "bridge/run", msgspec.json.encode(self._ask)
        headers = {**self._server.headers(), "Accept": "application/x-ndjson"}
        if self._run:
            method, path, body = "GET", f"bridge/runs/{self._run}", b""
            headers["Last-Event-ID"] = str(self._last)
        else:
            headers["Content-Type"] = "application/json"
        async with self._server.outbound.stream(
            method, self._server.url_of(path), headers=headers, body=body or None
        ) as response:
            if response.status >= 300:
                said = await response.content.read(_MAX_REFUSAL)
                raise self._refused(Answer(response.status, response.headers, said))
            self._run = response.headers.get("Location", "").rpartition("/")[2] or self._run
            if method == "POST":
                # Asked to queue, the other side answers before the command runs.
                if self._ask.get("queue"):
                    await self._begun()
                yield "begun", {}
            async for line in _lines(response.content):
                event = _decoded(line)
                self._last = int(event.get("id", self._last))
                if event.get("event") == "problem":
                    raise RemoteFailed(str(event["data"].get("message", "The run failed there.")))
                yield str(event.get("event")), event.get("data") or {}

    async def _begun(self) -> None:
        """Wait until it is queued no longer."""
        pause = 0.02
        while (await self._tell("GET", f"bridge/runs/{self._run}")).get("status") == "queued":
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LOOK_EVERY)

    def _refused(self, answer: Answer) -> Problem:
        problem = jupyterapi.problem_of(answer, self._server.name)
        if self._run and isinstance(problem, NotFound):
            return Gone(f"The run is no longer known there: {problem.message}")
        return problem

    async def stop(self) -> None:
        if not self._run:
            raise Unavailable("The command is just being asked for.")
        await self._tell("DELETE", f"bridge/runs/{self._run}")

    async def send_input(self, data: bytes) -> None:
        await self._tell("POST", f"bridge/runs/{self._run}/input", data)

    async def _tell(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        server = self._server
        answer = await server.outbound.ask(
            method, server.url_of(quote(path)), headers=server.headers(), body=body
        )
        if answer.status >= 300:
            raise self._refused(answer)
        return _decoded(answer.body) if answer.body.strip() else {}


async def _lines(content: Any) -> AsyncIterator[bytes]:
    """The lines that are not blank, however long; a last one that is cut off is none."""
    held = b""
    async for piece in content.iter_any():
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            if line.strip():
                yield line


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except UNREADABLE as error:
        raise RemoteFailed("The other bridge does not tell of its run as expected.") from error
