"""The events of one execution, over as many connections as it takes.

A stream is asked for with POST (a new execution, under an idempotency key) and, once the answer has
named the execution, with GET and `Last-Event-ID`. So a broken connection loses nothing and runs
nothing twice; the events that came are never repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.client.answers import Result
from jupyter_bridge.client.events import Done, Event, parse_line
from jupyter_bridge.problems import Conflict, Problem, RemoteFailed, Timeout, Unavailable
from jupyter_bridge.transport.bridge_session import BridgeSession, segment
from jupyter_bridge.transport.line_follower import SILENCE_SECONDS, LineFollower
from jupyter_bridge.transport.response import ConnectionDropped

# How long `cancel` waits to learn what is to be cancelled: a kernel may be starting just now.
_CANCEL_SECONDS = 30.0


class Stream(LineFollower[Event]):
    """One execution as it happens: iterate it, answer it, stop it.

    Leaving the loop early leaves the code running; `cancel()` interrupts it. `execution` is its
    name on the server as soon as that is known, `result` the whole answer once `Done` has come.
    """

    def __init__(
        self,
        door: BridgeSession,
        *,
        post: tuple[str, Mapping[str, Any], Mapping[str, Any], str] | None = None,
        execution: str | None = None,
        after: str | None = None,
    ) -> None:
        """`post` is (path, query, body, idempotency key) of a new execution; else `execution` names
        one that there is, and `after` the last event already seen."""
        super().__init__(door)
        self._post = post
        self._after = after
        self._execution = execution
        self._named = asyncio.Event()
        self._posted = False
        self.result: Result | None = None
        if execution is not None:
            self._named.set()

    @property
    def execution(self) -> str | None:
        """The execution's name on the server; None until the server has answered."""
        return self._execution

    async def send_input(self, value: str) -> None:
        """Answer the InputRequest that came last."""
        await send_input(self._door, self._name(), value)

    async def cancel(self) -> None:
        """Interrupt the code; the stream still ends with `Done`.

        While the server has not yet answered, this waits (30 s at most) until it can be said what
        to interrupt, so iterate meanwhile.
        """
        if self._execution is None and self._posted:
            try:
                await within(_CANCEL_SECONDS, self._named.wait())
            except asyncio.TimeoutError:
                raise Timeout("The server has not yet begun what is to be cancelled.") from None
        await cancel(self._door, self._name())

    # -- below ---------------------------------------------------------------------------------

    def _name(self) -> str:
        if self._execution is None:
            raise Conflict("Nothing runs yet: iterate the stream first.")
        return self._execution

    _cut_short = "the answer ended before the execution did"

    def _is_over(self) -> bool:
        return self.result is not None

    def _read(self, line: bytes) -> Event | None:
        event = parse_line(line)
        if event is not None and event.id:
            self._after = event.id
        if isinstance(event, Done):
            self.result = event.result
        return event

    async def _open(self) -> aiohttp.ClientResponse:
        again = self._posted
        try:
            response = await self._ask()
        except Problem as problem:
            # The first refusal is told. Later the server, or a proxy before it, may be restarting.
            begun = again or self._execution is not None
            if begun and isinstance(problem, (Unavailable, RemoteFailed)):
                raise ConnectionDropped(problem.message) from problem
            self._refused()
            raise
        if self._execution is None:
            try:
                self._execution = execution_of(response.headers)
            except Problem:
                response.close()
                raise
            self._named.set()
        return response

    def _refused(self) -> None:
        """Where nothing was begun there is nothing to cancel; nobody waits for its name."""
        if self._execution is None:
            self._posted = False
            self._named.set()

    async def _ask(self) -> aiohttp.ClientResponse:
        if self._execution is not None:
            seen = {"Last-Event-ID": self._after} if self._after else {}
            path = f"executions/{segment(self._execution)}"
            return await self._door.stream("GET", path, headers=seen, silence=SILENCE_SECONDS)
        assert self._post is not None
        path, query, body, key = self._post
        self._posted = True
        return await self._door.stream(
            "POST",
            path,
            query=query,
            body=body,
            headers={"Idempotency-Key": key},
            silence=SILENCE_SECONDS,
        )


async def send_input(door: BridgeSession, execution: str, value: str) -> None:
    """Answer the execution's input request."""
    await door.ask("POST", f"executions/{segment(execution)}/input", body={"value": value})


async def cancel(door: BridgeSession, execution: str) -> None:
    """Interrupt the execution."""
    await door.ask("DELETE", f"executions/{segment(execution)}")


def execution_of(headers: Mapping[str, str]) -> str:
    """The execution that an answer's `Location` names."""
    name = headers.get("Location", "").split("?")[0].rstrip("/").rpartition("/")[2]
    if not name:
        raise RemoteFailed("The server did not say in Location which execution this is.")
    return name
