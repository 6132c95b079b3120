"""LineFollower: what runs on the server, told in lines over as many connections as it takes."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import aiohttp
import msgspec

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.problems import Conflict, Problem, RemoteFailed, Timeout, Unavailable
from jupyter_bridge.transport.bridge_session import BridgeSession, segment
from jupyter_bridge.transport.http import Lines
from jupyter_bridge.transport.problem_decoder import problem_of
from jupyter_bridge.transport.response import ConnectionDropped
from jupyter_bridge.transport.retry import RetryPeriod
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# The server says something every 15 s; three times that without a byte is a dead line.
SILENCE_SECONDS = 45.0
# One event is one output; a larger one than this is no output but a mistake.
MAX_EVENT_BYTES = 512 << 20
# How long `cancel` waits to learn what is to be cancelled: a kernel may be starting just now.
_CANCEL_SECONDS = 30.0

E = TypeVar("E")
R = TypeVar("R")
L = TypeVar("L", bound="LineFollower[Any, Any]")


class Post(NamedTuple):
    """What begins something: a POST that may be repeated, under its idempotency key."""

    path: str
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    key: str


class Line(msgspec.Struct):
    """One line of an event stream."""

    event: str
    id: str | int | None = None
    data: dict[str, Any] = {}


_decode = msgspec.json.Decoder(Line).decode


def read_line(line: bytes) -> Line:
    """The event in one NDJSON line; raises the Problem that it tells, or RemoteFailed."""
    try:
        said = _decode(line)
    except JSON_ERRORS as error:
        raise RemoteFailed(f"The event stream holds what is no event: {error}.") from error
    if said.event == "problem":
        raise problem_of(said.data, None, "The event stream") or RemoteFailed(
            "The event stream ended with a problem that it does not name."
        )
    return said


def name_in(headers: Mapping[str, str]) -> str:
    """The name of what was begun, which an answer's `Location` ends with."""
    name = headers.get("Location", "").split("?")[0].rstrip("/").rpartition("/")[2]
    if not name:
        raise RemoteFailed("The server did not say in Location what has begun.")
    return name


class LineFollower(ABC, Generic[E, R]):
    """Iterate it, answer it, stop it; leaving the loop early leaves it running.

    It is begun with a POST, or was begun before under a name. Once that is known it is asked for
    with GET and `Last-Event-ID`: a broken connection loses nothing and runs nothing twice, and the
    events that came are never repeated. `result` is the answer, once the last event has come.
    """

    # Where it is below `/bridge/`, by its name.
    _route: str

    def __init__(
        self,
        door: BridgeSession,
        *,
        post: Post | None = None,
        name: str | None = None,
        after: str | None = None,
    ) -> None:
        """`post` begins a new one; else `name` is one that there is, and `after` the last event
        already seen."""
        self.result: R | None = None
        self._door = door
        self._post = post
        self._after = after
        self._name = name
        self._named = asyncio.Event()
        self._posted = False
        self._response: aiohttp.ClientResponse | None = None
        self._lines: Lines | None = None
        self._patience = RetryPeriod()
        self._closed = False

    async def __aenter__(self: L) -> L:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __aiter__(self: L) -> L:
        return self

    async def __anext__(self) -> E:
        while not (self._is_over() or self._closed):
            try:
                found = await self._next()
            except Problem:
                await self.aclose()
                raise
            if self._is_over():
                self._hang_up()
            if found is not None:
                self._patience.renew()
                return found
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop listening; what is listened to goes on. Closing twice is fine."""
        self._closed = True
        self._hang_up()

    async def cancel(self) -> None:
        """Stop what runs there; the stream still ends by itself.

        While the server has not yet answered, this waits (30 s at most) until it can be said what
        to stop, so iterate meanwhile.
        """
        if self._name is None and self._posted:
            try:
                await within(_CANCEL_SECONDS, self._named.wait())
            except asyncio.TimeoutError:
                raise Timeout("The server has not yet begun what is to be cancelled.") from None
        await self._door.ask("DELETE", self._path())

    @abstractmethod
    def _read(self, line: Line) -> E | None:
        """What a line says; None for one that says nothing to whoever iterates."""

    # -- below ---------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return self.result is not None

    def _path(self) -> str:
        if self._name is None:
            raise Conflict("Nothing runs yet: iterate the stream first.")
        return f"{self._route}/{segment(self._name)}"

    async def _next(self) -> E | None:
        """One more; None when there is nothing to tell (yet)."""
        try:
            if self._response is None:
                self._response = await self._open()
            if self._lines is None:
                pieces = self._response.content.iter_any()
                self._lines = Lines(self._response, MAX_EVENT_BYTES, pieces)
            return self._read(read_line(await self._lines.__anext__()))
        except StopAsyncIteration:
            await self._resume("the answer ended before what it tells of did")
        except (ConnectionDropped, aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            await self._resume(error)
        return None

    async def _open(self) -> aiohttp.ClientResponse:
        again = self._posted
        try:
            response = await self._ask()
        except Problem as problem:
            # The first refusal is told. Later the server, or a proxy before it, may be restarting.
            begun = again or self._name is not None
            if begun and isinstance(problem, (Unavailable, RemoteFailed)):
                raise ConnectionDropped(problem.message) from problem
            if self._name is None:  # nothing was begun: nobody has to wait for its name
                self._posted = False
                self._named.set()
            raise
        if self._name is None:
            try:
                self._name = name_in(response.headers)
            except Problem:
                response.close()
                raise
            self._named.set()
        return response

    async def _ask(self) -> aiohttp.ClientResponse:
        if self._name is not None:
            seen = {"Last-Event-ID": self._after} if self._after else {}
            path = self._path()
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

    async def _resume(self, error: BaseException | str) -> None:
        self._hang_up()
        await self._patience.wait(error)

    def _hang_up(self) -> None:
        response, self._response = self._response, None
        self._lines = None
        if response is not None:
            response.close()
