"""Listings of many files: what they take of the server's memory and of its loop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from bench.harness import PeakMemory
from tests.conftest import Server, start_server
from tests.support.kernel_client import Bridge

MANY = 50_000


async def test_two_large_listings_at_once(tmp_path: Path) -> None:
    """They take less than 64 MB, also with a name that is not UTF-8; it was 87 MB."""
    server = await asyncio.to_thread(start_server, tmp_path)
    bridge = Bridge(server, server.headers)
    try:
        await _listed_twice(server, bridge)
    finally:
        await bridge.close()
        await asyncio.to_thread(server.stop)


async def _listed_twice(server: Server, bridge: Bridge) -> None:
    wide = server.root / "tree" / "wide"
    wide.mkdir(parents=True)
    for number in range(MANY):
        (wide / f"{number}.txt").touch()
    (wide / os.fsdecode(b"b\xff")).touch()
    assert (await bridge.post("/conns", {"name": "tree", "url": str(wide.parent)})).status == 201

    async def one() -> list[int]:
        browsed = await bridge.get("/conn/tree/browse/wide")
        whole = await bridge.get("/dataset/tree/wide")
        return [len(browsed.json), len(whole.json["files"])]

    with PeakMemory(server.process.pid) as memory:
        found = await asyncio.gather(one(), one())
    assert list(found) == [[MANY + 1, MANY + 1]] * 2
    assert memory.growth < 64_000_000
