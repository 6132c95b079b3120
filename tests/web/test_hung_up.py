"""Clients that ask for a websocket and hang up before it is open."""

from __future__ import annotations

import asyncio

from tests.conftest import Server
from tests.hostile.target import Target, shaking
from tests.support.waiting import until


async def test_nothing_is_left_of_who_hangs_up(bridge_server: Server) -> None:
    """No error is told, and nobody stays among the viewers of a console or a kernel."""
    target = Target(bridge_server.url, bridge_server.token)
    start = len(bridge_server.log.read_bytes())
    async with target.kernel() as kernel, target.console("/bin/cat") as name:
        paths = [f"bridge/tail/{name}?follow=true", f"bridge/interact/{name}"]
        paths += [f"bridge/channels/{kernel}", f"bridge/iopub/{kernel}"]

        async def hang_up(number: int) -> None:
            path = paths[number % len(paths)]
            async with target.connection() as (_, writer):
                writer.write(target.head("GET", path, shaking(), login=True))
                await writer.drain()
                await asyncio.sleep(number % 10 / 1000)

        for number in range(0, 200, 20):
            await asyncio.gather(*(hang_up(n) for n in range(number, number + 20)))

        async def nobody_stays() -> bool:
            viewers = (await target.made("GET", f"bridge/consoles/{name}"))["viewers"]
            clients = (await target.made("GET", f"bridge/kernels/{kernel}"))["relay"]["clients"]
            return (viewers, clients) == ([], 0)

        await until(nobody_stays, "leaving")
    log = bridge_server.log.read_bytes()[start:].decode()
    assert "Internal error" not in log
    assert "Traceback" not in log
