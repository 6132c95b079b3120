"""connections/outbound.py: how the bytes of an open answer arrive."""

from __future__ import annotations

import asyncio
import os

import pytest
from aiohttp import web

from jupyter_bridge.connections.outbound import Outbound, arriving
from jupyter_bridge.connections.policy import Policy
from jupyter_bridge.problems import Denied

CONTENT = os.urandom(3 << 20)
# asyncio receives no more than this at a time.
RECEIVED = 256 << 10


def read(*, length: bool, code: str | None = None) -> list[bytes]:
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

    async def main() -> list[bytes]:
        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        outbound = Outbound(Policy(allow_loopback=True))
        try:
            pieces = []
            async with outbound.stream("GET", f"http://127.0.0.1:{runner.addresses[0][1]}/") as got:
                assert (got.content_length is not None) is length
                await asyncio.sleep(0.2)
                async for piece in arriving(got):
                    pieces.append(piece)
            return pieces
        finally:
            await outbound.close()
            await runner.cleanup()

    return asyncio.run(main())


def test_an_answer_of_known_length_arrives_as_the_network_made_it() -> None:
    """What waited is not joined: no piece is larger than what is received at a time."""
    pieces = read(length=True)
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) <= RECEIVED


@pytest.mark.parametrize("code", ["gzip", "deflate"])
def test_a_packed_answer_of_known_length_arrives_unpacked(code: str) -> None:
    """Its length is that of what is sent, and its bytes are those that were meant."""
    assert b"".join(read(length=True, code=code)) == CONTENT


def test_an_answer_without_a_length_arrives_joined() -> None:
    """10,000 bytes sent at a time are not 300 pieces."""
    pieces = read(length=False)
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) > RECEIVED


def test_apart() -> None:
    """In a thread and loop of its own the same addresses are refused, and nothing stays open."""

    async def main() -> None:
        here = asyncio.get_running_loop()
        outbound = Outbound(Policy(allow_loopback=False))

        async def work(twin: Outbound) -> None:
            assert asyncio.get_running_loop() is not here
            assert twin is not outbound
            await twin.ask("GET", "http://127.0.0.1:1/")

        with pytest.raises(Denied):
            await outbound.apart(work)
        await outbound.close()

    asyncio.run(main())
