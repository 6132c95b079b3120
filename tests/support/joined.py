"""Servers joined by connections: a server with the bridge, and its remotes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import Server, start_server
from tests.support.asking import RawRoutes
from tests.support.waiting import until

# The limit of all waits, long enough for a loaded machine. Seconds.
PATIENCE = 90.0
NEAR = "--BridgeApp.allow_loopback=True"


def start_plain(folder: Path, *, env: dict[str, str] | None = None, port: int = 0) -> Server:
    """Start a server whose Python finds an empty package instead of the bridge."""
    stub = folder / "stub" / "jupyter_bridge"
    stub.mkdir(parents=True, exist_ok=True)
    (stub / "__init__.py").write_text("def _jupyter_server_extension_points():\n    return []\n")
    return start_server(folder, env={"PYTHONPATH": str(stub.parent), **(env or {})}, port=port)


@pytest.fixture(scope="session")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the bridge, which may connect to this machine."""
    server = start_server(tmp_path_factory.mktemp("near"), NEAR)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A second server with the bridge."""
    server = start_server(tmp_path_factory.mktemp("far"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A second server without the bridge."""
    server = start_plain(tmp_path_factory.mktemp("plain"))
    yield server
    server.stop()


class Caller(RawRoutes):
    """A client of one server's raw routes; what it connected it removes at the end."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        super().__init__(server, session)
        self._connections: list[str] = []

    async def get(self, path: str, **options: Any) -> Any:
        status, body = await self.ask("GET", path, **options)
        assert status == 200, (status, body)
        return body

    async def post(self, path: str, **options: Any) -> Any:
        status, body = await self.ask("POST", path, **options)
        assert status < 300, (status, body)
        return body

    def socket(self, path: str, *protocols: str, **headers: str) -> Any:
        return self.session.ws_connect(
            self.url(path),
            headers={**self.server.headers, **headers},
            protocols=protocols,
            max_msg_size=0,
        )

    async def connect(self, name: str, url: str, token: str, **fields: Any) -> None:
        """Add a connection and wait until it is connected."""
        body = {"name": name, "kind": "jupyter", "url": url, "token": token, **fields}
        await self.post("bridge/conns", json=body)
        self._connections.append(name)
        await self.until(name, lambda model: model["state"] == "connected")

    async def until(self, name: str, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the connection's model is so."""
        model: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal model
            model = dict((await self.get(f"bridge/conn/{name}"))["connection"])
            return true(model)

        await until(look, lambda: f"it, with {model},")
        return model

    async def tail(self, name: str, text: str) -> str:
        """Return a console's output up to a match of `text` (a regular expression)."""
        return str(
            await self.get(
                f"bridge/tail/{name}",
                params={
                    "lines": "1000",
                    "follow": "true",
                    # Escaped, because servers strip white space from the ends of arguments.
                    "until": text.replace("\r", "\\r").replace("\n", "\\n"),
                    "timeout": str(PATIENCE / 2),
                },
            )
        )

    async def close(self) -> None:
        for name in self._connections:
            with contextlib.suppress(aiohttp.ClientError):  # the test has stopped the server
                await self.ask("DELETE", f"bridge/conn/{name}")


@asynccontextmanager
async def caller(server: Server) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        found = Caller(server, session)
        try:
            yield found
        finally:
            await found.close()


@asynccontextmanager
async def cut_off(server: Server) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """Return a URL of the server through which all connections can be cut at once."""
    port = int(server.url.rstrip("/").rpartition(":")[2])
    writers: set[asyncio.StreamWriter] = set()
    tasks: set[asyncio.Task[None]] = set()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        writers.update({writer, to_writer})
        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
        writers.discard(writer)

    def on_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(forward(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def cut() -> None:
        for writer in list(writers):
            writer.transport.abort()

    proxy = await asyncio.start_server(on_client, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/", cut
    finally:
        proxy.close()
        cut()
        if tasks:
            await asyncio.wait(tasks)
