"""A hostile remote: a real HTTP server on which every answer is an attack."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web

MANY = b"[" + b"[]," * (40 << 20) + b"[]]"  # 120 MB
BOMB = gzip.compress(MANY, 9)
PLAIN_MANY = b"[" + b"[]," * (2 << 20) + b"[]]"  # 6 MiB, within the limit of a list
DEEP = b"[" * 200_000 + b"]" * 200_000
DEEP_OBJECTS = b'{"result":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}"
# Many empty gzip members: each needs a new decompressor.
MEMBERS = gzip.compress(b"[") + gzip.compress(b"") * 5000 + gzip.compress(b"]")

# Bodies with their Content-Encoding.
BODIES: dict[str, tuple[bytes, str]] = {
    "gzip of 120 MB": (BOMB, "gzip"),
    "deflate of 120 MB": (zlib.compress(MANY, 9), "deflate"),
    "gzip in gzip": (gzip.compress(BOMB), "gzip, gzip"),
    "gzip of many members": (MEMBERS, "gzip"),
    "damaged gzip": (b"\x1f\x8b" + bytes(1000), "gzip"),
    "half a gzip": (gzip.compress(bytes(range(256)) * 40)[:-400], "gzip"),
    "another packing": (b"[]", "br"),
    "millions of lists": (PLAIN_MANY, ""),
    "200,000 deep": (DEEP, ""),
    "objects 900 deep": (DEEP_OBJECTS, ""),
    "a number": (b"7", ""),
    "a text": (b'"x"', ""),
    "a list of numbers": (b"[1, 2, 3]", ""),
    "fields of wrong types": (
        b'{"id": 5, "name": [], "result": {"objects": 5, "totalCount": "x"}, "parts": 1,'
        b'"identity": 7, "kernelspecs": [[]], "servers": 3, "version": {}, "status": []}',
        "",
    ),
    "a list of fields of wrong types": (b'[{"id": 5, "name": {}, "title": []}]', ""),
    "a number of 5,000 digits": (b'{"result":' + b"9" * 5000 + b"}", ""),
    "no JSON": (b"<html>", ""),
    "no UTF-8": (b'{"result": "\xff\xfe"}', ""),
    "half a pair": (b'"\\ud800', ""),
    "nothing": (b"", ""),
}
# Faults before and after the body.
HEADS: dict[str, bytes] = {
    "a header of 1 MB": b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n",
    "100,000 headers": b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 100_000 + b"\r\n",
    "100,000 cookies": b"HTTP/1.1 200 OK\r\n" + b"Set-Cookie: a=b\r\n" * 100_000 + b"\r\n",
    "100,000 trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n"
    + b"X: x\r\n" * 100_000,
    "a chunk's extension of 1 MB": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;"
    + b"x" * (1 << 20),
    "a length of 5,000 digits": b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "no HTTP": b"SSH-2.0-x\r\n" * 10,
}
ENDLESS = ("endless", "endless in gzip", "bytes without end", "heads without end")
ALL = [*BODIES, *HEADS, *ENDLESS]


class Hostile:
    """Answers every request in the way `how`; `sent` counts the bytes of all bodies."""

    def __init__(self) -> None:
        self.how = "nothing"
        self.sent = 0
        self.asked = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        await request.read()
        if self.how in BODIES:
            body, coding = BODIES[self.how]
            headers = {"Content-Encoding": coding} if coding else {}
            return web.Response(body=body, headers=headers, content_type="application/json")
        if self.how in ("endless", "endless in gzip"):
            return await self._endless(request, packed=self.how != "endless")
        assert request.transport is not None
        transport = request.transport
        with suppress(ConnectionError):
            if self.how in HEADS:
                transport.write(HEADS[self.how])
                await asyncio.sleep(0.1)
            elif self.how == "bytes without end":
                transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n[")
                await self._drip(transport, b"[")
            else:
                transport.write(b"HTTP/1.1 200 OK\r\n")
                await self._drip(transport, b"HTTP/1.1 100 Continue\r\n\r\n")
        transport.abort()
        return web.Response()

    async def _drip(self, transport: asyncio.Transport, piece: bytes) -> None:
        while not transport.is_closing():
            transport.write(piece)
            await asyncio.sleep(0.02)

    async def _endless(self, request: web.Request, *, packed: bool) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip"} if packed else {}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        pack = zlib.compressobj(wbits=31)
        piece = b'{"id":"a"},' * 6000
        with suppress(ConnectionError):
            await response.write(pack.compress(b"[") if packed else b"[")
            while True:
                data = pack.compress(piece) if packed else piece
                self.sent += len(data)
                await response.write(data)
                await asyncio.sleep(0)
        return response


@asynccontextmanager
async def hostile() -> AsyncIterator[tuple[Hostile, str]]:
    """Run a hostile server on loopback; yields it and its URL."""
    remote = Hostile()
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", remote.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield remote, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def worst_tick(work: Callable[[], Awaitable[None]]) -> float:
    """Measure the longest time for which other tasks of this loop had to wait, seconds.

    Only the CPU time of this thread counts, so that other load on the machine does not.
    """
    worst = 0.0

    async def tick() -> None:
        nonlocal worst
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.001)
            worst = max(worst, time.thread_time() - before)

    ticking = asyncio.ensure_future(tick())
    try:
        await asyncio.sleep(0)
        await work()
    finally:
        ticking.cancel()
        await asyncio.wait({ticking})
    return worst
