"""A client of the consoles' routes, without the client library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from jupyter_bridge.wire import console as wire
from tests.conftest import Server
from tests.support.asking import RawRoutes
from tests.support.waiting import PATIENCE, until


class Bridge(RawRoutes):
    """A client of the bridge's raw routes; ends the consoles that it opened."""

    base = "bridge/"

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        super().__init__(server, session)
        self.mine: list[str] = []

    async def open(self, script: str | None = None, **options: Any) -> str:
        if script is not None:
            options["shell_command"] = ["/bin/sh", "-c", script]
        status, answer = await self.ask("POST", "consoles", json=options)
        assert status == 201, answer
        self.mine.append(answer["name"])
        return str(answer["name"])

    async def end_all(self) -> None:
        for name in self.mine:
            await self.ask("DELETE", f"consoles/{name}?purge=1")

    async def text(self, path: str, **headers: str) -> str:
        status, body = await self.ask("GET", path, headers=headers)
        assert status == 200, body
        return body if isinstance(body, str) else json.dumps(body) if body is not None else ""

    def socket(self, path: str, *, v1: bool = True, headers: dict[str, str] | None = None) -> Any:
        return self.session.ws_connect(
            self.url(path),
            headers={**self.server.headers, **(headers or {})},
            protocols=(wire.SUBPROTOCOL,) if v1 else (),
            max_msg_size=0,
        )

    async def transfer(self, name: str, *states: str) -> dict[str, Any]:
        """The transfer, once it is in one of these states."""

        async def found() -> dict[str, Any] | None:
            _, transfer = await self.ask("GET", f"transfers/{name}")
            return dict(transfer) if transfer["state"] in states else None

        return dict(await until(found, f"the end of {name}"))

    async def ended(self, name: str) -> dict[str, Any]:
        async def found() -> dict[str, Any] | None:
            _, console = await self.ask("GET", f"consoles/{name}")
            return dict(console) if console["state"] == "ended" else None

        return dict(await until(found, f"the end of {name}"))


@asynccontextmanager
async def bridge_of(server: Server) -> AsyncIterator[Bridge]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        bridge = Bridge(server, session)
        try:
            yield bridge
        finally:
            await bridge.end_all()


async def frames(socket: Any) -> list[wire.ServerFrame]:
    """Return all frames until the websocket closes."""
    found: list[wire.ServerFrame] = []
    async for message in socket:
        assert message.type is aiohttp.WSMsgType.BINARY, message
        frame = wire.from_server_frame(message.data)
        assert frame is not None
        found.append(frame)
    return found


async def frame(socket: Any, kind: type) -> Any:
    """Return the next frame of this type."""
    while True:
        message = await asyncio.wait_for(socket.receive(), PATIENCE)
        assert message.type is aiohttp.WSMsgType.BINARY, message
        found = wire.from_server_frame(message.data)
        if isinstance(found, kind):
            return found


async def said(socket: Any, text: bytes) -> bytes:
    """Return the output frames up to this text."""
    got = b""
    while text not in got:
        got += (await frame(socket, wire.OutputFrame)).data
    return got


def output(found: list[wire.ServerFrame]) -> bytes:
    return b"".join(step.data for step in found if isinstance(step, wire.OutputFrame))
