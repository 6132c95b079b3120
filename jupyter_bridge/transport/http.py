"""What all outgoing HTTP has in common: an address as it is shown, and an answer's bytes.

The bytes are unpacked, and taken apart into lines, within bounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
from yarl import URL

from jupyter_bridge.problems import RemoteFailed
from jupyter_bridge.wire.bounded import PackedError, Unpacker


def shown(url: URL) -> str:
    """An address as it may be read by anybody: without login and query, where tokens are."""
    return str(url.with_query(None).with_fragment(None).with_user(None))


def never_redirected(
    refuse: Callable[[aiohttp.ClientResponse], Exception],
) -> aiohttp.TraceConfig:
    """Has `ws_connect`, which follows redirects and cannot be told not to, raise that instead."""

    async def stop(session: Any, context: Any, told: aiohttp.TraceRequestRedirectParams) -> None:
        told.response.close()
        raise refuse(told.response)

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(stop)
    return config


def arriving(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The bytes of an open answer, unpacked, each piece as the network made it.

    That is where their number was said: then what waits is not joined, which copies it once more.
    An answer without a length comes in the pieces that its server wrote, perhaps of a few KiB,
    which are worth joining. Raises RemoteFailed where unpacking comes to far too much.
    """
    return _Arriving(response)


async def read_whole(
    response: aiohttp.ClientResponse, limit: int, pieces: AsyncIterator[bytes] | None = None
) -> bytes:
    """The body, of at most `limit` bytes after unpacking; RemoteFailed as soon as it has more.

    `pieces` are those of a session that unpacks by itself, else `arriving(response)`.
    """
    # Not a list of pieces: of a body that comes byte by byte each would cost 60.
    body = bytearray()
    async for piece in pieces or arriving(response):
        if len(body) + len(piece) > limit:
            raise RemoteFailed(
                f"{shown(response.url)} answered more than {limit} bytes.", limit=limit
            )
        body += piece
    return bytes(body)


class Lines:
    """The lines of an open answer that are not blank; a last one that is cut off is none.

    RemoteFailed where one has more than `limit` bytes. `pieces` as for `read_whole`. Nobody has to
    close it who stops reading before the end.
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
        # Many may have come at once. Before one is taken: who is cancelled here loses none.
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
    """Not a generator: nobody has to close it who stops reading before the end."""

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
            if not self._unpacker.is_plain:  # unpacking takes its time
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
        return RemoteFailed(f"What {self._where} answers {error}.")
