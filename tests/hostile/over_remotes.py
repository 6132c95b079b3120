"""Connections to hostile remotes, which run in the attacker's process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anyio

from tests.hostile.inputs import LOOPBACK, at_once, hostile
from tests.hostile.remotes import bomb, bombing, flooding_hub, refusing, remote
from tests.hostile.target import Target


async def _bombed(target: Target, packed: bytes) -> AsyncIterator[None]:
    async with remote(bombing(packed)) as url:
        added = {"name": "bomb", "kind": "jupyter", "url": url, "token": "x" * 20}
        await target.made("POST", "bridge/conns", added)
        yield
        while True:
            for path in ("consoles", "kernels", "consoles", "kinds"):
                await target.ask("GET", f"bridge/{path}?conn=bomb", patience=60)


@hostile("a remote's answer of 117 KB, 120 MB unpacked: lists in a list", LOOPBACK)
async def bomb_of_lists(target: Target) -> AsyncIterator[None]:
    async for step in _bombed(target, bomb()):
        yield step


@hostile("a remote's answer of 120 MB unpacked: rows as they should be", LOOPBACK)
async def bomb_of_rows(target: Target) -> AsyncIterator[None]:
    async for step in _bombed(target, bomb(b'{"name":"1","id":"k","title":"x","state":"live"},')):
        yield step


@hostile("a hub's progress that never ends and forges the log", LOOPBACK)
async def log_flood(target: Target) -> AsyncIterator[None]:
    async with remote(flooding_hub) as url:
        yield

        async def one(number: int) -> None:
            name = f"hub{target.sent}"
            added = {"name": name, "kind": "jupyter", "url": url, "token": "x" * 20}
            with anyio.move_on_after(30):
                await target.ask("POST", "bridge/conns", added, patience=60)
            await target.ask("DELETE", f"bridge/conn/{name}")

        await at_once(1, one)


@hostile("passwords guessed, with a new connection for each", LOOPBACK)
async def guessing(target: Target) -> AsyncIterator[None]:
    async with remote(refusing) as url:
        yield

        async def one(number: int) -> None:
            name = f"guess{target.sent}"
            added = {"name": name, "kind": "openbis", "url": url, "username": "u"}
            await target.ask("POST", "bridge/conns", {**added, "password": f"guess-{name}"})
            await target.ask("DELETE", f"bridge/conn/{name}")
            await asyncio.sleep(0.01)

        await at_once(2, one)
