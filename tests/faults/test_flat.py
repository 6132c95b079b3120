"""Much use, in fast motion: what the server holds afterwards is what it held before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import Server, start_server
from tests.support.console_client import Bridge, bridge_of
from tests.support.waiting import until

REPOSITORY = Path(__file__).parents[2]
SOCKETS = 1000
AT_ONCE = 50
# What Python's allocator and the host may keep; a leak of one console or one seat is far more.
MEMORY = 24 << 20
# What an ended console that is kept may cost in memory; measured: 22 kB.
KEPT = 32 << 10
# What is not ours to count: the keep-alive connections of this client, the host's own timers, and
# the threads that the event loop starts when they are first needed (four, and one a core).
SPARE = {"descriptors": 8, "tasks": 6, "threads": 6, "children": 0}


@asynccontextmanager
async def counted_server(folder: Path, *options: str) -> AsyncIterator[tuple[Server, Bridge]]:
    server = start_server(
        folder,
        "--ServerApp.jpserver_extensions=tests.support.counting=True",
        *options,
        env={"PYTHONPATH": str(REPOSITORY)},
    )
    try:
        async with bridge_of(server) as bridge:
            yield server, bridge
    finally:
        server.stop()


async def count(bridge: Bridge) -> dict[str, int]:
    async with bridge.session.get(f"{bridge.server.url}counted") as answer:
        counted: dict[str, int] = await answer.json(content_type=None)
        return counted


async def flat_again(bridge: Bridge, before: dict[str, int], memory: int = MEMORY) -> None:
    """Wait until nothing is held beyond what was; what lingers a while may do so."""
    spare = {**SPARE, "memory": memory}
    more: dict[str, int] = {}

    async def is_flat() -> bool:
        now = await count(bridge)
        more.clear()
        more.update({k: now[k] - before[k] for k in spare if now[k] - before[k] > spare[k]})
        await asyncio.sleep(0.1)  # counting costs the server time
        return not more

    await until(is_flat, lambda: f"returning to {before}, with {more} more,")


async def settled(bridge: Bridge) -> dict[str, int]:
    """What is held once that does not change any more."""
    counted: dict[str, int] = {}

    async def is_still() -> bool:
        nonlocal counted
        before, counted = counted, await count(bridge)
        await asyncio.sleep(0.25)
        return all(counted[key] == before.get(key) for key in ("requests", *SPARE))

    await until(is_still, lambda: f"rest, with {counted},")
    return counted


async def drop(bridge: Bridge, path: str, number: int) -> None:
    """Open a websocket, hear or say something or not, and be gone: with a farewell or without."""
    socket = await bridge.session.ws_connect(
        bridge.url(path), headers=bridge.server.headers, max_msg_size=0
    )
    if number % 2 and path.startswith(("tail", "interact")):
        await asyncio.wait_for(socket.receive(), 60)
    if number % 3 == 0:
        await socket.close()
    else:
        transport = socket._response.connection.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.abort()
        await socket.close()


@pytest.mark.timeout(300)
async def test_a_thousand_websockets(tmp_path: Path) -> None:
    """Opened and dropped, most without a farewell: descriptors, tasks, threads, memory are flat."""
    async with counted_server(tmp_path) as (_, bridge):
        name = await bridge.open("while :; do echo here; sleep 0.2; done", name="talker")
        status, kernel = await bridge.ask("POST", "spawn/python3")
        assert status == 201, kernel
        doors = [
            f"tail/{name}?follow=true",
            f"interact/{name}?mode=watch",
            f"interact/{name}?mode=join",
            f"channels/{kernel['id']}",
            f"iopub/{kernel['id']}",
        ]

        async def use(times: int) -> None:
            for start in range(0, times, AT_ONCE):
                await asyncio.gather(
                    *(drop(bridge, doors[n % len(doors)], n) for n in range(start, start + AT_ONCE))
                )

        await use(200)  # what is made once and kept, and the allocator's own growth
        before = await settled(bridge)
        await use(SOCKETS)
        await flat_again(bridge, before)
        _, console = await bridge.ask("GET", f"consoles/{name}")
        assert console["viewers"] == []
        _, told = await bridge.ask("GET", f"kernels/{kernel['id']}")
        assert told["relay"]["clients"] == 0
        await bridge.ask("DELETE", f"shutdown/{kernel['id']}")


async def use_consoles(bridge: Bridge, times: int) -> None:
    """So many terminals: opened, typed into, read, ended, forgotten; and a command on the way."""

    async def one(number: int) -> None:
        name = await bridge.open(shell_command=["/bin/sh", "-i"], name=f"day_{number}")
        status, _ = await bridge.ask("POST", f"send/{name}?newline=1", data=b"echo said wo''rd")
        assert status == 204
        text = await bridge.text(f"tail/{name}?offset=0&until=said%20word&timeout=60")
        assert "said word" in text
        body = {"console": name, "queue": True, "command": f"echo ran; exit {number % 256}"}
        status, ran = await bridge.ask("POST", "run", json=body)
        assert status == 200, ran
        assert (ran["output"], ran["exit_code"]) == ("ran\n", number % 256)
        status, _ = await bridge.ask("DELETE", f"consoles/{name}?purge=1")
        assert status in (200, 204), status
        bridge.mine.remove(name)

    for start in range(0, times, 10):
        await asyncio.gather(*(one(number) for number in range(start, min(start + 10, times))))


async def a_day(folder: Path, times: int) -> dict[str, Any]:
    async with counted_server(folder) as (_, bridge):
        # The allocator grows for the first thousand: that is no leak.
        await use_consoles(bridge, max(30, times // 10))
        before = await settled(bridge)
        await use_consoles(bridge, times)
        # Beside what is spare: what is remembered of each, which is bounded by what is kept.
        await flat_again(bridge, before)
        _, consoles = await bridge.ask("GET", "consoles")
        assert consoles == []
        return before


@pytest.mark.timeout(300)
async def test_a_hundred_consoles(tmp_path: Path) -> None:
    """Opened, used, ended and forgotten: nothing of them is left in the server."""
    await a_day(tmp_path, 100)
    kept = tmp_path / "data" / "bridge" / "consoles"
    assert list(kept.glob("*")) == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_day_of_consoles(tmp_path: Path) -> None:
    """10,000 consoles, and the server is as it was."""
    await a_day(tmp_path, 10_000)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_a_day_of_kept_consoles(tmp_path: Path) -> None:
    """10,000 ended consoles that are kept cost a bounded amount each, and no descriptor."""
    async with counted_server(tmp_path) as (_, bridge):
        await keep_consoles(bridge, range(100))  # the client's lines, which stay open
        before = await count(bridge)
        await keep_consoles(bridge, range(100, 10_100))
        bridge.mine.clear()
        await flat_again(bridge, before, memory=10_000 * KEPT)


async def keep_consoles(bridge: Bridge, numbers: range) -> None:
    """So many terminals that end, and are not forgotten."""
    for start in range(numbers.start, numbers.stop, 10):
        names = [f"kept_{number}" for number in range(start, start + 10)]
        await asyncio.gather(*(bridge.open("echo kept", name=name) for name in names))
        await asyncio.gather(*(bridge.ended(name) for name in names))


async def test_the_count_is_real(tmp_path: Path) -> None:
    """What these tests count does change while something is open."""
    async with counted_server(tmp_path) as (_, bridge):
        before = await settled(bridge)
        sockets: list[aiohttp.ClientWebSocketResponse] = []
        for _ in range(10):
            name = await bridge.open("exec cat")
            sockets.append(await bridge.socket(f"tail/{name}?follow=true"))

        more: dict[str, int] = {}

        async def is_counted() -> bool:
            during = await count(bridge)
            more.update({key: during[key] - before[key] for key in SPARE})
            return more["descriptors"] > 10 and more["tasks"] > 5 and more["children"] > 5

        await until(is_counted, lambda: f"counting them ({more})")
        for socket in sockets:
            await socket.close()
