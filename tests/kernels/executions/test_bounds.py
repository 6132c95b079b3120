"""What clients send is kept within bounds while it waits, and forgotten at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jupyter_bridge.kernels.routing import MAX_ID
from jupyter_bridge.models.executions import ExecuteBody
from tests.conftest import Server
from tests.support.kernel_client import Bridge, expect_problem
from tests.support.waiting import until

SMALL = """
from jupyter_bridge.consoles.run import store as runs
from jupyter_bridge.kernels.executions import store as executions
executions.MAX_RUNNING_BYTES = runs.MAX_RUNNING_BYTES = 500_000
executions.MAX_RUNNING = runs.MAX_RUNNING = 3
executions.TOTAL_EXECUTIONS = 2
"""
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def bounded(servers: Callable[..., Server], connect: Callable[..., Bridge]) -> Bridge:
    """A client of a server with little room."""
    return connect(servers(files={"config/jupyter_server_config.py": SMALL}))


async def test_executions(bounded: Bridge) -> None:
    """So many wait, in number and in bytes; one more is busy, and then there is room again."""
    async with bounded.kernel() as kernel:
        path = f"/execute/{kernel}"
        sleeps = {"code": "import time; time.sleep(60)"}
        first = (await bounded.post(path, sleeps, headers=ASYNC)).json["execution"]
        large = {"code": "pass", "inputs": ["x" * 600_000]}
        expect_problem(await bounded.post(path, large, headers=ASYNC), 409, "busy")
        for _ in range(2):
            assert (await bounded.post(path, {"code": "1"}, headers=ASYNC)).status == 202
        expect_problem(await bounded.post(path, {"code": "1"}, headers=ASYNC), 409, "busy")
        await bounded.delete(f"/executions/{first}")

        async def room() -> bool:
            return bool((await bounded.post(path, {"code": "1"}, headers=ASYNC)).status == 202)

        await until(room, "room")

        async def expired() -> bool:
            await bounded.post(path, {"code": "1"})
            return bool((await bounded.get(f"/executions/{first}")).status == 410)

        await until(expired, "expiry of the oldest")


async def test_runs(bounded: Bridge) -> None:
    """The same of shell commands."""
    body: dict[str, Any] = {"command": "cat", "console": "new", "stdin": "x" * 600_000}
    expect_problem(await bounded.post("/run", body, headers=ASYNC), 409, "busy")
    started = []
    for _ in range(3):
        answer = await bounded.post("/run", {"command": "sleep 60"}, headers=ASYNC)
        assert answer.status == 202
        started.append(answer.json["run"])
    expect_problem(await bounded.post("/run", {"command": "true"}, headers=ASYNC), 409, "busy")
    for run in started:
        await bounded.delete(f"/runs/{run}")


async def test_keys_and_names(bridge: Bridge, kernel: str) -> None:
    """An Idempotency-Key, a session's id and a message's id are names, and no longer than those."""
    long = {"Idempotency-Key": "k" * 300}
    for path, body in (
        (f"/execute/{kernel}", {"code": "1"}),
        ("/run", {"command": "true"}),
        (f"/interrupt/{kernel}", None),
    ):
        told = expect_problem(await bridge.post(path, body, headers=long), 400, "bad-request")
        assert told["field"] == "Idempotency-Key"
    refused = await bridge.handshake(f"/channels/{kernel}?session_id={'s' * 300}")
    assert expect_problem(refused, 400, "bad-request")["field"] == "session_id"
    assert MAX_ID >= 256


def test_an_emptied_body() -> None:
    """Neither code nor inputs are in what is kept of an execution."""
    body = ExecuteBody("code", inputs=["secret"], user_expressions={"a": "b"}, timeout=3)
    assert body.emptied() == ExecuteBody("", timeout=3)
    assert (body.size, body.emptied().size) == (12, 0)
