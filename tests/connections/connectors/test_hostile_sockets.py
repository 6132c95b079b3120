"""Websockets, streams and folders of a hostile remote: the loop goes on, the log stays short."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from aiohttp import web

from jupyter_bridge.aio.changes import Changes
from jupyter_bridge.connections.connectors.cray import ConsoleService
from jupyter_bridge.connections.connectors.jupyter.connector import JupyterServer
from jupyter_bridge.connections.connectors.jupyter.hub import Hub
from jupyter_bridge.connections.connectors.ssh.session import SftpSession
from jupyter_bridge.connections.listing import MAX_ENTRIES
from jupyter_bridge.problems import Problem, RemoteFailed, Unavailable
from jupyter_bridge.wire.websocket import build_frame
from tests.connections.connectors.test_hostile import _jupyter, make
from tests.simulators.hostile_remote import worst_tick
from tests.support.waiting import PATIENCE

FRAMES = 100_000
# A hundred thousand frames in one turn would take more than a second.
MOST_TICK = 1.0
V1 = "v1.kernel.websocket.jupyter.org"
CONSOLE = "v1.console.bridge"
WORDS = [json.dumps(["stdout", "x"]), json.dumps(["nothing"])]


@asynccontextmanager
async def flooding(
    frames: list[str | bytes], count: int, protocols: tuple[str, ...] = ()
) -> AsyncIterator[str]:
    """A server that sends these frames, `count` in all, on every websocket, and then waits."""
    flood = b"".join(build_frame(frames[number % len(frames)]) for number in range(count))

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.json_response({})
        socket = web.WebSocketResponse(protocols=protocols)
        await socket.prepare(request)
        assert request.transport is not None
        # At once: this server shares its loop with what is measured.
        request.transport.write(flood)
        async for _ in socket:  # so that the client need not wait until it is closed
            pass
        return socket

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def terminal(url: str, folder: Path, came: Callable[[int], None]) -> Any:
    one = make(JupyterServer, url, folder)
    source = await _jupyter(one, url).console("1")  # type: ignore[arg-type]
    await source.open(lambda data: came(len(data)), lambda lost: None, lambda exit_: None)
    return one, source


async def node(url: str, folder: Path, came: Callable[[int], None]) -> Any:
    one = make(ConsoleService, url, folder)
    source = await one.console("n1")  # type: ignore[attr-defined]
    await source.open(lambda data: came(len(data)), lambda lost: None, lambda exit_: None)
    return one, source


async def kernel(url: str, folder: Path, came: Callable[[int], None]) -> Any:
    one = make(JupyterServer, url, folder)
    upstream = await _jupyter(one, url).kernel("k")  # type: ignore[arg-type]
    await upstream.open(lambda channel, messages: came(1), lambda reason: None)
    return one, upstream


MESSAGE = json.dumps({"header": {"msg_id": "a", "msg_type": "status"}, "channel": "iopub"})


@pytest.mark.parametrize(
    ("openers", "frames"),
    [
        (terminal, WORDS),
        (node, ["x"]),
        (kernel, [MESSAGE]),
        (kernel, ["no message"]),
    ],
    ids=["terminal", "node", "kernel", "kernel that sends no messages"],
)
async def test_a_burst_of_frames_gives_the_loop_back(
    openers: Any, frames: list[str | bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """100,000 small frames hold up nobody, and what cannot be read is told once."""
    caplog.set_level(logging.DEBUG)
    readable = frames != ["no message"]

    came = 0

    def count(size: int) -> None:
        nonlocal came
        came += size

    async with flooding(frames, FRAMES) as url:

        async def work() -> None:
            one, opened = await openers(url, tmp_path, count)
            with anyio.move_on_after(PATIENCE if readable else 1):
                while came < FRAMES // len(frames):
                    await asyncio.sleep(0.01)
            await opened.close()
            await one.context.outbound.close()

        tick = await worst_tick(work)
    assert tick < MOST_TICK
    assert came >= FRAMES // len(frames) if readable else came == 0
    assert len([record for record in caplog.records if record.name == "test"]) <= 10


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", "[5]", '["stdout", {}]', '["stdout", 5]', "[" * 50_000, "null", '"stdout"'],
)
async def test_a_terminals_frame_that_cannot_be_read(
    frame: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It breaks that connection, with one line in the log and no traceback."""
    monkeypatch.setattr("jupyter_bridge.connections.connectors.jupyter.terminal.PAST_SECONDS", 0.5)
    caplog.set_level(logging.DEBUG)
    async with flooding([frame], 5) as url:
        one, source = await terminal(url, tmp_path, lambda size: None)
        await source.close()
        await one.context.outbound.close()
    lines = [record for record in caplog.records if record.name == "test"]
    assert len(lines) <= 20
    assert not any(record.exc_info for record in lines)
    assert all(len(record.getMessage()) < 600 for record in lines)


# -- streams -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([{"progress": n % 100, "message": "x\n" * 5000} for n in range(5000)], None),
        ([{"progress": 1e300, "message": "a"}, {"ready": True}], None),
        ([{"progress": -5}, {"ready": True}], None),
        ([{"progress": "50"}], RemoteFailed),
        ([{"message": 5}], RemoteFailed),
        ([[1]], RemoteFailed),
        ([{"message": "x" * 100_000}], RemoteFailed),
        ([{"failed": True, "message": "x" * 50_000}], Unavailable),
    ],
)
async def test_a_hubs_progress(
    events: list[Any],
    outcome: type[Problem] | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its messages are cut, and logged when they change and no oftener than once a second."""
    caplog.set_level(logging.INFO)

    async def stream(request: web.Request) -> web.Response:
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        return web.Response(text=text, content_type="text/event-stream")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stream)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    one: Any = make(JupyterServer, url, tmp_path)
    told: list[tuple[int, str]] = []
    log = Changes(logging.getLogger("hub"))

    def on_progress(percent: int, message: str) -> None:
        told.append((percent, message))
        log.info("%d %% %s", percent, message)

    hub = Hub(url, one.server)
    try:
        if outcome is None:
            await hub._follow(url, on_progress)
        else:
            with pytest.raises(outcome) as caught:
                await hub._follow(url, on_progress)
            assert len(caught.value.message) < 500
        assert all(0 <= percent <= 100 and len(said) <= 300 for percent, said in told)
    finally:
        await one.context.outbound.close()
        await runner.cleanup()
    lines = [record for record in caplog.records if record.name == "hub"]
    assert len(lines) <= 60


def test_changes_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The same line again is left out; others that come too soon are counted."""
    caplog.set_level(logging.INFO)
    log = Changes(logging.getLogger("far"), period=3600.0)
    for _ in range(1000):
        log.info("%s", "same")
    for number in range(1000):
        log.info("%s", number)
    log._next = 0.0
    log.info("%s", "y" * 10_000)
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "same"
    assert len(said) == 2
    assert len(said[1]) < 600
    assert said[1].endswith("(1000 lines were left out before this)")


# -- SFTP --------------------------------------------------------------------------------------


class Names:
    """Stands in for asyncssh's client: a server that lists a million names costs a minute."""

    def __init__(self, count: int, length: int = 8, mtime: int = 0) -> None:
        self.count, self.length, self.mtime = count, length, mtime
        self.given = 0

    async def scandir(self, path: str) -> AsyncIterator[Any]:
        attributes = SimpleNamespace(type=1, size=1, mtime=self.mtime)
        for number in range(self.count):
            self.given += 1
            if number % 100 == 0:  # a real one comes in packets of 100 names
                await asyncio.sleep(0)
            name = f"{number:0{self.length}}"
            yield SimpleNamespace(filename=name, longname=name, attrs=attributes)


def listing(names: Names) -> SftpSession:
    return SftpSession(SimpleNamespace(), names, "/")  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "length"), [(1_000_000, 8), (10_000, 200_000)])
async def test_an_endless_folder_is_refused(count: int, length: int) -> None:
    """A million entries, or names of 200 KB: as soon as it is too much, and not after."""
    names = Names(count, length)
    with pytest.raises(RemoteFailed, match="too many"):
        await listing(names).items("")
    assert names.given <= MAX_ENTRIES + 1
    assert names.given * length < 80 << 20


async def test_a_large_folder_gives_the_loop_back() -> None:
    """100,000 entries, with a time that is in no calendar."""
    found = []

    async def work() -> None:
        found.extend(await listing(Names(100_000, mtime=1 << 62)).items(""))

    assert await worst_tick(work) < MOST_TICK * 2
    assert len(found) == 100_000
    assert found[0].modified is None
