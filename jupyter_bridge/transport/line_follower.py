"""Listening to what goes on at the server, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from types import TracebackType
from typing import Any, Generic, TypeVar

import aiohttp

from jupyter_bridge.problems import Problem, TooLarge, Unavailable
from jupyter_bridge.transport.bridge_session import BridgeSession
from jupyter_bridge.transport.response import ConnectionDropped

# The server says something every 15 s; three times that without a byte is a dead line.
SILENCE_SECONDS = 45.0
# How long a line is tried again without one event having come: a server restart, a lost network.
PATIENCE_SECONDS = 60.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
# One event is one output; a larger one than this is no output but a mistake.
MAX_EVENT_BYTES = 512 << 20

E = TypeVar("E")
L = TypeVar("L", bound="LineFollower[Any]")


class RetryPeriod:
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


class LineFollower(ABC, Generic[E]):
    """An answer in lines, asked for again where it broke; `async with` it and iterate it.

    Subclasses say how to ask (`_open`), what a line means (`_read`), and when all has been told
    (`_is_over`).
    """

    # What is told of a line that ends before that.
    _cut_short: str

    def __init__(self, door: BridgeSession) -> None:
        self._door = door
        self._response: aiohttp.ClientResponse | None = None
        self._lines = _Lines()
        self._patience = RetryPeriod()
        self._closed = False

    async def __aenter__(self: L) -> L:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self: L) -> L:
        return self

    async def __anext__(self) -> E:
        while not self._is_over() and not self._closed:
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

    @abstractmethod
    def _is_over(self) -> bool:
        """Whether the last of it has come."""

    @abstractmethod
    async def _open(self) -> aiohttp.ClientResponse:
        """Ask, the first time or again; Broken where asking again may help."""

    @abstractmethod
    def _read(self, line: bytes) -> E | None:
        """What a line says; None for one that says nothing to whoever iterates."""

    async def _next(self) -> E | None:
        """One more; None when there is nothing to tell (yet)."""
        try:
            line = self._lines.pop()
            if line is not None:
                return self._read(line)
            if self._response is None:
                self._response = await self._open()
            chunk = await self._response.content.readany()
        except (ConnectionDropped, aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            await self._resume(error)
        else:
            if chunk:
                self._lines.feed(chunk)
            else:
                await self._resume(self._cut_short)
        return None

    async def _resume(self, error: BaseException | str) -> None:
        self._hang_up()
        await self._patience.wait(error)

    def _hang_up(self) -> None:
        response, self._response = self._response, None
        self._lines = _Lines()
        if response is not None:
            response.close()


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
