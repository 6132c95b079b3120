"""Outbound: how the bytes of an open answer arrive, and how those of a request leave."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import psutil
import pytest
from aiohttp import web

from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import IN_ONE_GO, Outbound, RequestBody
from jupyter_bridge.problems import Conflict, Denied
from jupyter_bridge.transport.http import arriving

CONTENT = os.urandom(3 << 20)
# asyncio receives no more than this at a time.
RECEIVED = 256 << 10


@asynccontextmanager
async def remote(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[tuple[Outbound, str]]:
    """A server that gives this answer to everything, and the way to it."""
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    outbound = Outbound(AddressPolicy(allow_loopback=True))
    try:
        yield outbound, f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await outbound.close()
        await runner.cleanup()


async def read(*, length: bool, code: str | None = None) -> list[bytes]:
    """The pieces of an answer with CONTENT, the first of them taken when more of it waits."""

    async def answer(_: web.Request) -> web.Response:
        if length:
            response = web.Response(body=CONTENT)
            if code:
                response.enable_compression(web.ContentCoding(code))
            return response

        async def parts() -> object:
            for start in range(0, len(CONTENT), 10_000):
                yield CONTENT[start : start + 10_000]

        return web.Response(body=parts())

    async with remote(answer) as (outbound, url), outbound.stream("GET", url) as got:
        assert (got.content_length is not None) is length
        before = -1
        while got.content.total_bytes > before:  # until no more of it fits
            before = got.content.total_bytes
            await asyncio.sleep(0.05)
        return [piece async for piece in arriving(got)]


async def test_an_answer_of_known_length_arrives_as_the_network_made_it() -> None:
    """What waited is not joined: no piece is larger than what is received at a time."""
    pieces = await read(length=True)
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) <= RECEIVED


@pytest.mark.parametrize("code", ["gzip", "deflate"])
async def test_a_packed_answer_of_known_length_arrives_unpacked(code: str) -> None:
    """Its length is that of what is sent, and its bytes are those that were meant."""
    assert b"".join(await read(length=True, code=code)) == CONTENT


async def test_an_answer_without_a_length_arrives_joined() -> None:
    """10,000 bytes sent at a time are not 300 pieces."""
    pieces = await read(length=False)
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) > RECEIVED


@pytest.mark.parametrize("size", [0, 1, IN_ONE_GO, IN_ONE_GO + 1, len(CONTENT)])
@pytest.mark.parametrize("made", [False, True], ids=["whole", "in pieces"])
async def test_a_body_arrives_with_its_length(size: int, made: bool) -> None:
    """However it is given, and however large it is."""

    async def answer(request: web.Request) -> web.Response:
        got = await request.read()
        return web.json_response([request.content_length, got == CONTENT[:size]])

    body = RequestBody(size, iter((CONTENT[: size // 2], CONTENT[size // 2 : size])))
    async with remote(answer) as (outbound, url):
        done = await outbound.ask("POST", url, body=body if made else CONTENT[:size])
    assert json.loads(done.body) == [size, True]


@pytest.mark.parametrize("size", [10, len(CONTENT)])
async def test_what_making_a_body_raises_is_told(size: int) -> None:
    """And not that the line broke, which would be tried again."""

    def pieces() -> Iterator[bytes]:
        yield CONTENT[: size // 2]
        raise Conflict("It changed.")

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    async with remote(answer) as (outbound, url):
        with pytest.raises(Conflict, match="It changed"):
            await outbound.ask("POST", url, body=RequestBody(size, pieces()))


async def test_apart() -> None:
    """In a thread and loop of its own the same addresses are refused, and nothing stays open."""
    here = asyncio.get_running_loop()
    outbound = Outbound(AddressPolicy(allow_loopback=False))

    async def work(twin: Outbound) -> None:
        assert asyncio.get_running_loop() is not here
        assert twin is not outbound
        await twin.ask("GET", "http://127.0.0.1:1/")

    with pytest.raises(Denied):
        await outbound.apart(work)
    await outbound.close()


async def test_closing_ends_what_is_unsent() -> None:
    """A remote that has answered, and takes no more of the body, keeps no line of ours open."""
    taken: list[asyncio.StreamWriter] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

    server = await asyncio.start_server(refuse, "127.0.0.1", 0, limit=4096)
    outbound = Outbound(AddressPolicy(allow_loopback=True))
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        assert (await outbound.ask("PUT", url, body=bytes(64 << 20))).status == 503
        assert lines_to(url) == 1
        await outbound.close()
        assert lines_to(url) == 0
    finally:
        for writer in taken:
            writer.transport.abort()
        await asyncio.sleep(0)
        server.close()


def lines_to(url: str) -> int:
    """How many sockets of this process lead there."""
    port = int(url.rstrip("/").rpartition(":")[2])
    mine = psutil.Process().net_connections("tcp")
    return sum(1 for line in mine if line.raddr and line.raddr.port == port)
