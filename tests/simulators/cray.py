"""A double of a Cray console service, which behaves as the original does.

Each node has a log, written by its console manager. `/tail/{node}` is `tail -n N [-F]` of the log.
`/interact/{node}` sends each message, with a newline, to the node, which echoes it. Frames are
text, cut at any byte. The tenant is checked only if the header is sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web


@dataclass
class Node:
    """One node: the log of its console manager, and the followers of the log."""

    log: bytes = b""
    typed: list[str] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: int = 0

    def say(self, data: bytes) -> None:
        self.log += data
        self.grown.set()
        self.grown = asyncio.Event()

    def rotate(self) -> None:
        """Rotate the log: followers continue, but a new client sees only the new log."""
        self.log = b""
        self.say(b"")


class CrayDouble:
    """`async with CrayDouble(["x1"]) as service: service.url …`."""

    def __init__(self, nodes: list[str], token: str = "good", piece: int = 7) -> None:
        self.nodes = {name: Node() for name in nodes}
        self.token = token
        self.tenants = {"blue": set(nodes)}
        self.piece = piece
        self.dead = False
        # Whether `interact` reads nothing; the number of lines that it read, if they are only
        # counted, each in a turn of the loop.
        self.deaf = False
        self.typed_in_turns: int | None = None
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.sockets: set[web.WebSocketResponse] = set()
        self.url = ""

    async def __aenter__(self) -> CrayDouble:
        app = web.Application()
        base = "/apis/console-operator/v1"
        app.router.add_get(f"{base}/health", self._health)
        app.router.add_get(f"{base}/tail/{{node}}", self._tail)
        app.router.add_get(f"{base}/interact/{{node}}", self._interact)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}{base}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self.cut()
        await self._runner.cleanup()

    def cut(self) -> None:
        """Drop all connections, as a network fault does."""
        for socket in list(self.sockets):
            transport = socket._req.transport if socket._req is not None else None
            if transport is not None:
                transport.abort()

    def _gate(self, request: web.Request) -> None:
        self.seen.append((request.path, dict(request.headers)))
        if self.dead:
            raise web.HTTPServiceUnavailable
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise web.HTTPUnauthorized
        node = request.match_info.get("node")
        if node is not None and node not in self.nodes:
            raise web.HTTPNotFound
        tenant = request.headers.get("Cray-Tenant-Name")
        if node is not None and tenant and node not in self.tenants.get(tenant, set()):
            raise web.HTTPForbidden

    async def _health(self, request: web.Request) -> web.Response:
        self._gate(request)
        return web.json_response({"consoles": "OK"})

    async def _open(self, request: web.Request) -> web.WebSocketResponse:
        self._gate(request)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.add(socket)
        return socket

    async def _send(self, socket: web.WebSocketResponse, data: bytes) -> None:
        writer: Any = socket._writer
        for at in range(0, len(data), self.piece):
            await writer.send_frame(data[at : at + self.piece], WSMsgType.TEXT)

    async def _tail(self, request: web.Request) -> web.WebSocketResponse:
        socket = await self._open(request)
        node = self.nodes[request.match_info["node"]]
        count = int(request.headers.get("Cray-Console-Lines") or 10)
        follow = request.headers.get("Cray-Console-Follow") == "True"
        lines = node.log.splitlines(keepends=True)
        start = len(node.log) - sum(map(len, lines[-count:])) if count else len(node.log)
        try:
            while True:
                grown = node.grown
                if start > len(node.log):
                    start = 0
                data, start = node.log[start:], len(node.log)
                await self._send(socket, data)
                if not follow:
                    break
                await grown.wait()
            await socket.close()
        except OSError:
            pass
        finally:
            self.sockets.discard(socket)
        return socket

    async def _interact(self, request: web.Request) -> web.WebSocketResponse:
        socket = await self._open(request)
        node = self.nodes[request.match_info["node"]]
        node.sessions += 1
        try:
            transport: Any = request.transport
            transport.max_size = 16 << 10  # aiohttp parses all that it receives in one turn
            if self.deaf:
                transport.pause_reading()
                await asyncio.Event().wait()
            await self._send(socket, b"<ConMan> Connection to console opened.\r\n")
            async for message in socket:
                if self.typed_in_turns is not None:
                    self.typed_in_turns += 1
                    await asyncio.sleep(0)
                    continue
                line = message.data + "\n"
                node.typed.append(line)
                echo = line.replace("\n", "\r\n").encode()
                await self._send(socket, echo)
                node.say(echo)
        except OSError:
            pass
        finally:
            node.sessions -= 1
            self.sockets.discard(socket)
        return socket
