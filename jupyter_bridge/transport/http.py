"""Outgoing HTTP: urls as shown to users, and an answer's bytes and lines, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
from yarl import URL

from jupyter_bridge.problems import RemoteFailed
from jupyter_bridge.wire.bounded import PackedError, Unpacker


def shown(url: URL) -> str:
    """Return the url without login and query, which may contain tokens."""
    return str(url.with_query(None).with_fragment(None).with_user(None))


def never_redirected(
    refuse: Callable[[aiohttp.ClientResponse], Exception],
) -> aiohttp.TraceConfig:
    """Make `ws_connect` raise `refuse(…)` on a redirect; it has no option not to follow one."""

    async def stop(session: Any, context: Any, params: aiohttp.TraceRequestRedirectParams) -> None:
        params.response.close()
        raise refuse(params.response)

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(stop)
    return config


def arriving(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Iterate the unpacked bytes of an open answer in pieces.

    If the answer has a length, pieces are not joined, which saves a copy. Otherwise they are as
    its server wrote them, perhaps of a few KiB, and the waiting ones are joined. Raises
    RemoteFailed if unpacking yields far too many bytes.
    """
    return _Arriving(response)


async def read_whole(
    response: aiohttp.ClientResponse, limit: int, pieces: AsyncIterator[bytes] | None = None
) -> bytes:
    """Return the body; raises RemoteFailed if it exceeds `limit` bytes after unpacking.

    `pieces` are unpacked bytes, of a session that unpacks; the default is `arriving(response)`.
    """
    # Not a list of pieces: for a body that comes byte by byte each would take 60 bytes.
    body = bytearray()
    async for piece in pieces or arriving(response):
        if len(body) + len(piece) > limit:
            body.clear()  # the error refers to this frame, and may be kept for a while
            raise RemoteFailed(
                f"{shown(response.url)} answered more than {limit} bytes.", limit=limit
            )
        body += piece
    return bytes(body)


class Lines:
    """Iterate the lines of an open answer, except blank ones and an incomplete last one.

    Raises RemoteFailed if a line exceeds `limit` bytes. `pieces` as for `read_whole`. It needs no
    close.
    """

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        limit: int,
        pieces: AsyncIterator[bytes] | None = None,
    ) -> None:
        self._where = shown(response.url)
        self._pieces = pieces or arriving(response)
        self._limit = limit
        self._held = bytearray()
        self._lines: Iterator[bytes] = iter(())

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        # Yield to the loop, as many lines may wait; here, where a cancel loses none of them.
        await asyncio.sleep(0)
        while True:
            for line in self._lines:
                if len(line) > self._limit:
                    raise self._too_long()
                if line.strip():
                    return line
            first, *rest = (await self._pieces.__anext__()).split(b"\n")
            self._held += first
            if len(self._held) > self._limit:
                raise self._too_long()
            if rest:
                *whole, last = bytes(self._held), *rest
                self._held[:] = last
                self._lines = iter(whole)

    def _too_long(self) -> RemoteFailed:
        return RemoteFailed(f"{self._where} sent a line of more than {self._limit} bytes.")


class _Arriving:
    """The iterator of `arriving`. Not a generator, so it needs no close."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        content = response.content
        self._where = shown(response.url)
        self._joined = content.iter_any() if response.content_length is None else None
        self._content = content
        self._unpacked: Iterator[bytes] = iter(())
        try:
            self._unpacker = Unpacker(response.headers.get("Content-Encoding"))
        except PackedError as error:
            raise self._refusal(error) from None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while True:
            try:
                piece = next(self._unpacked, None)
                if piece is None:
                    came = await self._next()
                    self._unpacked = self._unpacker.feed(came)
                    continue
            except StopAsyncIteration:
                self._end()
                raise
            except PackedError as error:
                raise self._refusal(error) from None
            if not self._unpacker.is_plain:  # unpacking takes time: yield to the loop
                await asyncio.sleep(0)
            return piece

    async def _next(self) -> bytes:
        if self._joined is not None:
            return await self._joined.__anext__()
        piece, between = await self._content.readchunk()
        while between and not piece:
            piece, between = await self._content.readchunk()
        if not piece:
            raise StopAsyncIteration
        return piece

    def _end(self) -> None:
        try:
            self._unpacker.end()
        except PackedError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: PackedError) -> RemoteFailed:
        return RemoteFailed(f"The answer of {self._where} {error}.")
