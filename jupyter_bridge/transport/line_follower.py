"""Listening to what goes on at the server, over as many connections as it takes."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import aiohttp

from jupyter_bridge.problems import Problem
from jupyter_bridge.transport.body import Lines
from jupyter_bridge.transport.bridge_session import BridgeSession
from jupyter_bridge.transport.response import ConnectionDropped
from jupyter_bridge.transport.retry import RetryPeriod

# The server says something every 15 s; three times that without a byte is a dead line.
SILENCE_SECONDS = 45.0
# One event is one output; a larger one than this is no output but a mistake.
MAX_EVENT_BYTES = 512 << 20

E = TypeVar("E")
L = TypeVar("L", bound="LineFollower[Any]")


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
            if self._response is None:
                self._response = await self._open()
            if self._lines is None:
                pieces = self._response.content.iter_any()
                self._lines = Lines(self._response, MAX_EVENT_BYTES, pieces)
            return self._read(await self._lines.__anext__())
        except StopAsyncIteration:
            await self._resume(self._cut_short)
        except (ConnectionDropped, aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            await self._resume(error)
        return None

    async def _resume(self, error: BaseException | str) -> None:
        self._hang_up()
        await self._patience.wait(error)

    def _hang_up(self) -> None:
        response, self._response = self._response, None
        self._lines = None
        if response is not None:
            response.close()
