"""Hostile remotes for connections: decompression bombs, floods, refusals."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Answering = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
JSON = "Content-Type: application/json\r\n"


@asynccontextmanager
async def remote(answering: Answering) -> AsyncIterator[str]:
    """Run a server that answers each request by `answering(path, writer)`; yields its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                size = [x for x in head.lower().split("\r\n") if x.startswith("content-length:")]
                if size:
                    await reader.readexactly(int(size[0].partition(":")[2]))
                await answering(head.split()[1], writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass  # Python 3.11 logs a traceback for the cancelled task of a connection
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


def answer(writer: asyncio.StreamWriter, body: object, status: int = 200, more: str = "") -> None:
    """Send one answer; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\n{JSON}{more}Content-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)


def bomb(piece: bytes = b"[],", megabytes: int = 120) -> bytes:
    """An unfinished JSON list of so many megabytes, about 1,000 times smaller as gzip."""
    return gzip.compress(b"[" + piece * (megabytes * 1_000_000 // len(piece)), 9)


def bombing(packed: bytes) -> Answering:
    """A Jupyter server that accepts every login, and answers every list with the bomb."""

    async def answering(path: str, writer: asyncio.StreamWriter) -> None:
        if path.startswith("/api/me"):
            answer(writer, {"identity": {"username": "jo"}})
        elif path.startswith("/api/status"):
            answer(writer, {})
        elif path.startswith(("/hub/", "/bridge/")):
            answer(writer, {"message": "not found"}, 404)
        else:
            answer(writer, packed, more="Content-Encoding: gzip\r\n")

    return answering


async def flooding_hub(path: str, writer: asyncio.StreamWriter) -> None:
    """A hub with endless progress messages that try to forge lines of the log."""
    known = {
        "/hub/api/": {"version": "5.2.1"},
        "/hub/api/user": {"name": "jo"},
        "/hub/api/users/jo": {"name": "jo", "servers": {}},
    }
    if path in known:
        answer(writer, known[path])
    elif path.endswith("/progress"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        number = 0
        while True:
            number += 1
            message = (
                f"{number}\n[C 2026-01-01 00:00:00.000 ServerApp] forged\x1b]0;x\x07" + "y" * 900
            )
            event = json.dumps({"progress": number % 100, "message": message})
            writer.write(f"data: {event}\n\n".encode())
            await writer.drain()
    else:
        answer(writer, {}, 202)


async def refusing(path: str, writer: asyncio.StreamWriter) -> None:
    """An openBIS that refuses every login."""
    answer(writer, {"jsonrpc": "2.0", "id": "1", "result": None})
