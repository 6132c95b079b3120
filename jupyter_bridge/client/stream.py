"""The events of one execution, over as many connections as it takes.

A stream is asked for with POST (a new execution, under an idempotency key) and, once the answer has
named the execution, with GET and `Last-Event-ID`. So a broken connection loses nothing and runs
nothing twice; the events that came are never repeated.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import aiohttp

from jupyter_bridge.client.answers import Result
from jupyter_bridge.client.door import Broken, Door, segment
from jupyter_bridge.client.events import Done, Event, parse_line
from jupyter_bridge.problems import Conflict, Problem, RemoteFailed, Timeout, TooLarge, Unavailable

# The server says something every 15 s; three times that without a byte is a dead line.
SILENCE_SECONDS = 45.0
# How long a line is tried again without one event having come: a server restart, a lost network.
PATIENCE_SECONDS = 60.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
# One event is one output; a larger one than this is no output but a mistake.
MAX_EVENT_BYTES = 512 << 20
# How long `cancel` waits to learn what is to be cancelled: a kernel may be starting just now.
_CANCEL_SECONDS = 30.0


class Patience:
    """How long to go on trying: pauses that grow, until `seconds` without success are over."""

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """It worked: the next trouble is a new one."""
        self._pause = 0.0
        self._until: float | None = None

    async def wait(self, error: BaseException | str) -> None:
        """Pause before the next try (the first comes at once); Unavailable when it is over."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + self._seconds
        if now >= self._until:
            raise Unavailable(
                f"The line stayed broken for {self._seconds:g} s: {str(error).rstrip('.')}."
            )
        await asyncio.sleep(min(self._pause, self._until - now))
        self._pause = min(_LONGEST_PAUSE, self._pause * 2 or _FIRST_PAUSE)


class Stream:
    """One execution as it happens: iterate it, answer it, stop it.

    Leaving the loop early leaves the code running; `cancel()` interrupts it. `execution` is its
    name on the server as soon as that is known, `result` the whole answer once `Done` has come.
    """

    def __init__(
        self,
        door: Door,
        *,
        post: tuple[str, Mapping[str, Any], Mapping[str, Any], str] | None = None,
        execution: str | None = None,
        after: str | None = None,
    ) -> None:
        """`post` is (path, query, body, idempotency key) of a new execution; else `execution` names
        one that there is, and `after` the last event already seen."""
        self._door = door
        self._post = post
        self._after = after
        self._execution = execution
        self._named = asyncio.Event()
        self._response: aiohttp.ClientResponse | None = None
        self._lines = _Lines()
        self._patience = Patience()
        self._posted = False
        self._closed = False
        self.result: Result | None = None
        if execution is not None:
            self._named.set()

    @property
    def execution(self) -> str | None:
        """The execution's name on the server; None until the server has answered."""
        return self._execution

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Event:
        while self.result is None and not self._closed:
            try:
                event = await self._next()
            except Problem:
                await self.aclose()
                raise
            if event is None:
                continue
            self._patience.renew()
            if event.id:
                self._after = event.id
            if isinstance(event, Done):
                self.result = event.result
                self._hang_up()
            return event
        raise StopAsyncIteration

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
                await asyncio.wait_for(self._named.wait(), _CANCEL_SECONDS)
            except asyncio.TimeoutError:
                raise Timeout("The server has not yet begun what is to be cancelled.") from None
        await cancel(self._door, self._name())

    async def aclose(self) -> None:
        """Stop listening; the code goes on. Closing twice is fine."""
        self._closed = True
        self._hang_up()

    # -- below ---------------------------------------------------------------------------------

    def _name(self) -> str:
        if self._execution is None:
            raise Conflict("Nothing runs yet: iterate the stream first.")
        return self._execution

    async def _next(self) -> Event | None:
        """One more event; None when there is nothing to tell (yet)."""
        try:
            line = self._lines.pop()
            if line is not None:
                return parse_line(line)
            if self._response is None:
                self._response = await self._open()
            chunk = await self._response.content.readany()
        except (Broken, aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            await self._resume(error)
        else:
            if chunk:
                self._lines.feed(chunk)
            else:
                await self._resume("the answer ended before the execution did")
        return None

    async def _resume(self, error: BaseException | str) -> None:
        self._hang_up()
        await self._patience.wait(error)

    async def _open(self) -> aiohttp.ClientResponse:
        again = self._posted
        try:
            response = await self._ask()
        except (Unavailable, RemoteFailed) as problem:
            # The first refusal is told. Later the server, or a proxy before it, may be restarting.
            if not again and self._execution is None:
                raise
            raise Broken(problem.message) from problem
        if self._execution is None:
            try:
                self._execution = execution_of(response.headers)
            except Problem:
                response.close()
                raise
            self._named.set()
        return response

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

    def _hang_up(self) -> None:
        response, self._response = self._response, None
        self._lines = _Lines()
        if response is not None:
            response.close()


async def send_input(door: Door, execution: str, value: str) -> None:
    """Answer the execution's input request."""
    await door.ask("POST", f"executions/{segment(execution)}/input", body={"value": value})


async def cancel(door: Door, execution: str) -> None:
    """Interrupt the execution."""
    await door.ask("DELETE", f"executions/{segment(execution)}")


def execution_of(headers: Mapping[str, str]) -> str:
    """The execution that an answer's `Location` names."""
    name = headers.get("Location", "").split("?")[0].rstrip("/").rpartition("/")[2]
    if not name:
        raise RemoteFailed("The server did not say in Location which execution this is.")
    return name


class _Lines:
    """Chunks in, lines out, each byte looked at once."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0
        self._whole: deque[bytes] = deque()

    def feed(self, chunk: bytes) -> None:
        head, *lines = chunk.split(b"\n")
        self._rest.append(head)
        self._size += len(head)
        if self._size > MAX_EVENT_BYTES:
            raise TooLarge(
                f"One event is larger than {MAX_EVENT_BYTES} bytes.", limit=MAX_EVENT_BYTES
            )
        if lines:
            *whole, last = lines
            self._whole.append(b"".join(self._rest))
            self._whole.extend(whole)
            self._rest, self._size = [last], len(last)

    def pop(self) -> bytes | None:
        return self._whole.popleft() if self._whole else None
