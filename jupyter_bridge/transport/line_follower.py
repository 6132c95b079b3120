"""LineFollower: the NDJSON events of an execution or run, across reconnects."""

from __future__ import annotations

import asyncio
import binascii
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

# The server sends at least a keepalive every 15 s; after three times that the connection is dead.
SILENCE_SECONDS = 45.0
# One event is one output; a larger one than this is a mistake.
MAX_EVENT_BYTES = 512 << 20
# How long `cancel` waits for the name to cancel: a kernel may still be starting.
_CANCEL_SECONDS = 30.0

E = TypeVar("E")
R = TypeVar("R")
L = TypeVar("L", bound="LineFollower[Any, Any]")


class Post(NamedTuple):
    """The POST that starts an execution or run; its idempotency key allows repeating it."""

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
    """Decode the event in one NDJSON line; raises its Problem, or RemoteFailed if malformed."""
    try:
        decoded = _decode(line)
    except JSON_ERRORS as error:
        raise RemoteFailed(f"The event stream has a malformed event: {error}.") from error
    if decoded.event == "problem":
        raise problem_of(decoded.data, None, "The event stream") or RemoteFailed(
            "The event stream ended with a malformed problem."
        )
    return decoded


def name_in(headers: Mapping[str, str]) -> str:
    """Return the name of the started execution or run, the end of `Location`."""
    name = headers.get("Location", "").split("?")[0].rstrip("/").rpartition("/")[2]
    if not name:
        raise RemoteFailed("The server's answer has no name in its Location header.")
    return name


class LineFollower(ABC, Generic[E, R]):
    """The events of an execution or run; leaving the loop early leaves that running.

    A POST starts it, or a name refers to one started before. Once the name is known, it is followed
    with GET and `Last-Event-ID`, so a dropped connection loses no event, repeats none and runs
    nothing twice. `result` is set after the last event.
    """

    # The route of the names, below `/bridge/`.
    _route: str

    def __init__(
        self,
        session: BridgeSession,
        *,
        post: Post | None = None,
        name: str | None = None,
        after: str | None = None,
    ) -> None:
        """`post` starts a new one; otherwise `name` is an existing one, and `after` the id of the
        last event already seen."""
        self.result: R | None = None
        self._session = session
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
        """Stop iterating; the execution or run continues. Closing twice is fine."""
        self._closed = True
        self._hang_up()

    async def cancel(self) -> None:
        """Stop the execution or run; its last events still follow.

        Until the server has answered, this waits (30 s at most) for the name, so keep iterating.
        """
        if self._name is None and self._posted:
            try:
                await within(_CANCEL_SECONDS, self._named.wait())
            except asyncio.TimeoutError:
                raise Timeout("The server has not started it yet. Cancel again later.") from None
        await self._session.ask("DELETE", self._path())

    @abstractmethod
    def _read(self, line: Line) -> E | None:
        """Decode a line; None for a line to skip.

        May raise msgspec.ValidationError or binascii.Error for one that is malformed.
        """

    # -- below ---------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return self.result is not None

    def _path(self) -> str:
        if self._name is None:
            raise Conflict("Nothing runs yet. Iterate the stream first.")
        return f"{self._route}/{segment(self._name)}"

    async def _next(self) -> E | None:
        """Return the next event; None after a skipped line or a reconnect."""
        try:
            if self._response is None:
                self._response = await self._open()
            if self._lines is None:
                pieces = self._response.content.iter_any()
                self._lines = Lines(self._response, MAX_EVENT_BYTES, pieces)
            return self._decoded(read_line(await self._lines.__anext__()))
        except StopAsyncIteration:
            await self._resume("the answer ended too early")
        except (ConnectionDropped, aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            await self._resume(error)
        return None

    def _decoded(self, line: Line) -> E | None:
        try:
            return self._read(line)
        except (msgspec.ValidationError, binascii.Error) as error:
            raise RemoteFailed(f"The event stream has a malformed event: {error}.") from error

    async def _open(self) -> aiohttp.ClientResponse:
        again = self._posted
        try:
            response = await self._ask()
        except Problem as problem:
            # The first refusal is raised. Later the server or its proxy may be restarting.
            begun = again or self._name is not None
            if begun and isinstance(problem, (Unavailable, RemoteFailed)):
                raise ConnectionDropped(problem.message) from problem
            if self._name is None:  # nothing was started: `cancel` need not wait for a name
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
            return await self._session.stream("GET", path, headers=seen, silence=SILENCE_SECONDS)
        assert self._post is not None
        path, query, body, key = self._post
        self._posted = True
        return await self._session.stream(
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
