"""A client that waits and gives up: nothing of its waiting is left in the server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import start_server
from tests.faults.test_flat import REPOSITORY, count, settled
from tests.support.console_client import Bridge, bridge_of
from tests.support.waiting import until

POLLS = 50
# A remote whose data set begins and never ends.
PLUGIN = """
import asyncio
from jupyter_bridge.connections.connector import Connector, Fields, Login
from jupyter_bridge.connections.roles import CanRead
from jupyter_bridge.models.datasets import Dataset, File

class Slow(Connector[Fields], CanRead):
    kind, title, fields_type = "slow", "Slow", Fields

    async def login(self):
        return Login()

    async def probe(self):
        pass

    async def dataset(self, perm_id):
        return Dataset(perm_id, [File("one", 1000)])

    async def read(self, perm_id, path, start=0, stop=None):
        yield b"x"
        await asyncio.sleep(3600)
"""
SSE = {"Accept": "text/event-stream"}
WAIT = {"Prefer": "wait=600"}
ONCE = {"Idempotency-Key": "once"}

# How somebody waits: verb, path, body, headers. Names in braces are what the test has begun.
WAITS: dict[str, tuple[str, str, Any, dict[str, str]]] = {
    "a transfer": ("GET", "transfers/{transfer}", None, WAIT),
    "a transfer's events": ("GET", "transfers/{transfer}", None, SSE),
    "all transfers' events": ("GET", "transfers", None, SSE),
    "a download": ("GET", "dataset/slow/x/got", None, {}),
    "a download, for a while": ("GET", "dataset/slow/x/got", None, WAIT),
    "an execution": ("GET", "executions/{execution}?wait=600", None, {}),
    "an execution's events": ("GET", "executions/{execution}", None, SSE),
    "code": ("POST", "execute/{kernel}", {"code": "1"}, ONCE),
    "code, for a while": ("POST", "execute/{kernel}", {"code": "1"}, {**ONCE, **WAIT}),
    "code, as events": ("POST", "execute/{kernel}", {"code": "1"}, {**ONCE, **SSE}),
    "a run": ("GET", "runs/{run}?wait=600", None, {}),
    "a run's events": ("GET", "runs/{run}", None, SSE),
    "a command": ("POST", "run", {"command": "sleep 3600"}, ONCE),
    "a command, for a while": ("POST", "run", {"command": "sleep 3600"}, {**ONCE, **WAIT}),
    "input for a queued run": ("POST", "runs/{queued}/input", "x" * 200_000, {}),
    "input that nobody reads": ("POST", "send/{stalled}", "x" * 200_000, {}),
    "a console": ("GET", "tail/{console}?follow=true", None, {}),
    "a console, as lines": ("GET", "tail/{console}?follow=true&format=ndjson", None, {}),
    "a console's prompt": ("GET", "tail/{console}?follow=true&until=never", None, {}),
}


async def give_up(
    bridge: Bridge, seconds: float, verb: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    """Ask, and hang up after so many seconds, before there is an answer or the end of one."""
    headers = {**bridge.server.headers, **headers}
    json = {} if body is None else {"json": body}
    # A connection of its own, so that it is closed.
    async with aiohttp.ClientSession() as session:
        asking = asyncio.ensure_future(_read(session, verb, bridge.url(path), headers, json))
        done, _ = await asyncio.wait({asking}, timeout=seconds)
        assert not done, asking.result()
        asking.cancel()
        await asyncio.wait({asking})


async def _read(
    session: aiohttp.ClientSession, verb: str, url: str, headers: dict[str, str], json: Any
) -> bytes:
    async with session.request(verb, url, headers=headers, **json) as answer:
        return await answer.read()


@pytest.mark.timeout(300)
async def test_whoever_gives_up_leaves_nothing(tmp_path: Path) -> None:
    """Fifty polls of each kind that waits, given up: no request and no task is left of them."""
    info = tmp_path / "plugins" / "slow-1.dist-info"
    info.mkdir(parents=True)
    (info.parent / "slow.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[jupyter_bridge.connectors]\nslow = slow:Slow\n")
    server = start_server(
        tmp_path,
        "--ServerApp.jpserver_extensions=tests.support.counting=True",
        env={"PYTHONPATH": f"{REPOSITORY}:{info.parent}"},
    )
    try:
        async with bridge_of(server) as bridge:
            names = await begin(bridge)
            for what, (verb, path, body, headers) in WAITS.items():
                polls = (verb, path.format(**names), body, headers)
                await give_up(bridge, 0.5, *polls)  # what it begins is begun once
                before = await settled(bridge)
                # Also so soon that the server has not read the request yet.
                await asyncio.gather(*(give_up(bridge, 0.01 * n, *polls) for n in range(POLLS)))
                # A download that was begun goes on: only the waiting for it must be gone.
                keys = ["requests"] if "download" in what else ["requests", "tasks"]
                await back_to(bridge, {key: before[key] for key in keys}, what)
    finally:
        server.stop()


async def back_to(bridge: Bridge, most: dict[str, int], what: str) -> None:
    """Wait until no more than `most` is held."""
    counted: dict[str, int] = {}

    async def is_back() -> bool:
        counted.update(await count(bridge))
        await asyncio.sleep(0.1)  # counting costs the server time
        return all(counted[key] <= most[key] for key in most)

    await until(is_back, lambda: f"the end of {what}, with {counted} instead of {most},")


async def begin(bridge: Bridge) -> dict[str, str]:
    """Something of every kind that goes on for long."""
    begun = {"Prefer": "respond-async"}

    async def ask(path: str, body: Any, status: int) -> Any:
        told, answer = await bridge.ask("POST", path, json=body, headers=begun)
        assert told == status, answer
        return answer

    await ask("conns", {"name": "slow", "kind": "slow", "url": "x"}, 201)
    job = {"connection": "slow", "direction": "download", "permId": "x", "path": "other"}
    kernel = (await ask("spawn/python3", {}, 201))["id"]
    code = {"code": "import time; time.sleep(3600)"}
    sleep, behind = {"command": "sleep 3600", "console": "bash"}, {"command": "cat"}
    await ask("consoles", {"name": "bash", "shell_command": ["/bin/bash"]}, 201)
    await ask("run", {**sleep, "queue": True}, 202)
    return {
        "queued": (await ask("run", {**sleep, **behind, "queue": True}, 202))["run"],
        "stalled": await bridge.open("stty raw -echo; exec sleep 3600", name="stalled"),
        "kernel": kernel,
        "transfer": (await ask("transfers", job, 202))["transfer"],
        "execution": (await ask(f"execute/{kernel}", code, 202))["execution"],
        "run": (await ask("run", {"command": "sleep 3600"}, 202))["run"],
        "console": await bridge.open("exec sleep 3600", name="silent"),
    }
