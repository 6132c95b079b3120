"""The attacker's access to a server: raw HTTP and websocket frames, valid or not."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import anyio

# How much of an answer is read, bytes; the attacks need no more.
KEEP = 1 << 20
TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


class Reply(NamedTuple):
    """A server's answer: its status (0: none, it closed or took too long) and its body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


NO_REPLY = Reply(0, {}, b"")


@dataclass
class Socket:
    """A websocket with hand-made frames."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, payload: bytes, opcode: int = TEXT, **how: Any) -> None:
        self.writer.write(frame(payload, opcode, **how))
        await self.writer.drain()


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    masked: bool = True,
    reserved: int = 0,
    claims: int | None = None,
) -> bytes:
    """Return a client's frame with a zero mask; `claims` is its declared length."""
    size = len(payload) if claims is None else claims
    mask = 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | (reserved & 7) << 4 | opcode & 15])
    if size < 126:
        head += bytes([mask | size])
    elif size < 1 << 16:
        head += bytes([mask | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([mask | 127]) + (size & (1 << 64) - 1).to_bytes(8, "big")
    return head + (bytes(4) if masked else b"") + payload


class Target:
    """The server at `url`, with or without its token; `sent` counts the requests."""

    def __init__(self, url: str, token: str, root: str = "") -> None:
        at = urlsplit(url)
        self.host, self.port, self.base = str(at.hostname), at.port or 80, at.path
        self.url = url
        self.token = token
        self.root = Path(root)
        self.sent = 0

    def head(self, method: str, path: str, headers: dict[str, str], *, login: bool) -> bytes:
        """Return a request's head; a path without a leading slash is below the base URL."""
        path = path if path.startswith("/") else f"{self.base}{path}"
        proof = {"Authorization": f"token {self.token}"} if login else {}
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in {**proof, **headers}.items()]
        return "\r\n".join((*lines, "", "")).encode("latin-1", "replace")

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        login: bool = True,
        patience: float = 20.0,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send a request on a new connection; a body that is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else b"" if body is None else _json(body)
        more = {"Connection": "close", "Content-Length": str(len(content)), **(headers or {})}
        return await self.exchange(
            self.head(method, path, more, login=login) + content, patience=patience
        )

    async def exchange(self, data: bytes, *, patience: float = 20.0) -> Reply:
        """Send these bytes and read the answer within `patience` seconds."""
        reply = NO_REPLY
        with anyio.move_on_after(patience):
            async with self.connection() as (reader, writer):
                self.sent += 1
                try:
                    writer.write(data)
                    await writer.drain()
                except OSError:
                    pass  # it closed early; the answer may say why
                reply = await read_reply(reader)
        return reply

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=1 << 20)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    @asynccontextmanager
    async def socket(
        self, path: str, *, login: bool = True, protocol: str = "", **headers: str
    ) -> AsyncIterator[Socket]:
        """Open a websocket; ConnectionError if it is refused."""
        async with self.connection() as (reader, writer):
            self.sent += 1
            handshake = {**shaking(protocol), **headers}
            writer.write(self.head("GET", path, handshake, login=login))
            with anyio.fail_after(20):
                head = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in head.split(b"\r\n")[0]:
                raise ConnectionError(head.decode("latin-1"))
            yield Socket(reader, writer)

    # -- what the inputs need --------------------------------------------------------------------

    async def made(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that must succeed, and return the JSON of its answer."""
        reply = await self.ask(method, path, body, patience=60)
        if not 200 <= reply.status < 300:
            raise ConnectionError(f"{method} {path}: {reply.status} {reply.body!r}")
        return reply.json() if reply.body else None

    @asynccontextmanager
    async def kernel(self, code: str = "1") -> AsyncIterator[str]:
        """A kernel that has run `code`; shut down at the end."""
        kernel = str((await self.made("POST", "bridge/spawn/python3", {}))["id"])
        try:
            await self.made("POST", f"bridge/execute/{kernel}", {"code": code})
            yield kernel
        finally:
            with anyio.CancelScope(shield=True):
                await self.ask("POST", f"bridge/shutdown/{kernel}", {})

    @asynccontextmanager
    async def console(self, *command: str) -> AsyncIterator[str]:
        """A console that runs this command; ended and purged at the end."""
        body = {"shell_command": list(command)}
        name = str((await self.made("POST", "bridge/consoles", body))["name"])
        try:
            yield name
        finally:
            with anyio.CancelScope(shield=True):
                await self.ask("DELETE", f"bridge/consoles/{name}?purge=1")


def shaking(protocol: str = "") -> dict[str, str]:
    """Return the headers of a websocket's handshake."""
    asked = {"Sec-WebSocket-Protocol": protocol} if protocol else {}
    return {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **asked,
    }


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """Read an answer up to the limit; NO_REPLY if the server closes without an answer."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
        return NO_REPLY
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
    }
    status = int(first.split()[1])
    body = bytearray()
    wanted = min(KEEP, int(headers.get("content-length") or KEEP))
    while len(body) < wanted:
        try:
            piece = await reader.read(wanted - len(body))
        except OSError:
            break
        if not piece:
            break
        body += piece
    return Reply(status, headers, bytes(body))
