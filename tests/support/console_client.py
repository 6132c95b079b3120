"""A client of the consoles' raw routes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from jupyter_bridge.wire import console as wire
from tests.conftest import Server

PATIENCE = 60.0


class Bridge:
    """A client of the bridge's raw routes; ends the consoles that it opened."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.mine: list[str] = []

    def url(self, path: str) -> str:
        return f"{self.server.url}bridge/{path}"

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = {**self.server.headers, **options.pop("headers", {})}
        async with self.session.request(
            method, self.url(path), headers=headers, **options
        ) as answer:
            body = await answer.read()
            try:
                return answer.status, json.loads(body) if body else None
            except ValueError:
                return answer.status, body.decode()

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

    async def ended(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            _, console = await self.ask("GET", f"consoles/{name}")
            if console["state"] == "ended":
                return dict(console)
            await asyncio.sleep(0.02)
        raise AssertionError(f"{name} has not ended")


@asynccontextmanager
async def bridge_of(server: Server) -> AsyncIterator[Bridge]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        bridge = Bridge(server, session)
        try:
            yield bridge
        finally:
            await bridge.end_all()


async def frames(socket: Any) -> list[wire.ServerFrame]:
    """Every frame until the socket closes."""
    found: list[wire.ServerFrame] = []
    async for message in socket:
        assert message.type is aiohttp.WSMsgType.BINARY, message
        frame = wire.from_server_frame(message.data)
        assert frame is not None
        found.append(frame)
    return found


async def frame(socket: Any, kind: type) -> Any:
    """The next frame of this kind."""
    while True:
        message = await asyncio.wait_for(socket.receive(), PATIENCE)
        assert message.type is aiohttp.WSMsgType.BINARY, message
        found = wire.from_server_frame(message.data)
        if isinstance(found, kind):
            return found


async def said(socket: Any, text: bytes) -> bytes:
    """Output frames until this was said."""
    got = b""
    while text not in got:
        got += (await frame(socket, wire.OutputFrame)).data
    return got


def output(found: list[wire.ServerFrame]) -> bytes:
    return b"".join(step.data for step in found if isinstance(step, wire.OutputFrame))
