"""What kernels are doing: shown in their models, told as events over the host's own websocket."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.kernels.host.state_events import SILENCE, TELL_HZ
from tests.conftest import Server
from tests.support.kernel_client import (
    Bridge,
    Message,
    is_status,
    is_type,
    tells,
    told,
    waits_for,
)
from tests.support.waiting import PATIENCE, until

# What follows an event sooner is told later, and not at all where it is over by then; seconds. A
# quick kernel restarts within it.
PACE = 2 / TELL_HZ


async def start(bridge: Bridge, name: str = "python3") -> str:
    """A kernel as JupyterLab starts one: the bridge has no relay for it."""
    answer = await bridge.post("/api/kernels", {"name": name}, host=True)
    assert answer.status == 201
    return str(answer.json["id"])


def status(state: str, request: str) -> Callable[[Message], bool]:
    """That what was asked has begun, or is over."""
    return lambda message: (
        is_status(message, state) and message["parent_header"]["msg_id"] == request
    )


async def show(bridge: Bridge, kernel_id: str) -> Any:
    """The kernel's model, alike in the list and alone."""
    one = (await bridge.get(f"/kernels/{kernel_id}")).json
    listed = [k for k in (await bridge.get("/kernels")).json if k["id"] == kernel_id]
    assert listed
    return one


async def test_executing(bridge: Bridge, kernel: str) -> None:
    """A busy kernel shows since when and the first 200 characters of the code; an idle one not."""
    code = "import time; time.sleep(600)  # " + "ü" * 1000
    async with bridge.seat(kernel) as seat:
        before = datetime.now(timezone.utc)
        request = await seat.execute(code)
        await seat.until(is_type("execute_input"))
        model = await show(bridge, kernel)
        assert model["execution_state"] == "busy"
        assert model["executing"]["code"] == code[:200]
        since = datetime.fromisoformat(model["executing"]["since"].replace("Z", "+00:00"))
        assert -0.01 < (since - before).total_seconds() < PATIENCE
        await bridge.post(f"/interrupt/{kernel}", {})
        await seat.until(status("idle", request))
        await until(lambda: _is_idle(bridge, kernel))
        assert "executing" not in await show(bridge, kernel)


async def _is_idle(bridge: Bridge, kernel: str) -> bool:
    return bool((await show(bridge, kernel))["execution_state"] == "idle")


async def test_busy_without_code(bridge: Bridge, kernel: str) -> None:
    """What is silent, or not code at all, is not said; nor the code that ran before it."""
    await bridge.execute(kernel, "'before'")
    async with bridge.seat(kernel) as seat:
        # It says when it has begun: an interrupt before that may be lost on the kernel.
        code = "print('begun', flush=True)\nimport time; time.sleep(600)"
        request = await seat.execute(code, silent=True)
        await seat.until(is_type("stream"))
        await until(lambda: _is_busy(bridge, kernel))
        executing = (await show(bridge, kernel))["executing"]
        assert executing.keys() == {"since"}
        await bridge.post(f"/interrupt/{kernel}", {})
        await seat.until(status("idle", request))


async def _is_busy(bridge: Bridge, kernel: str) -> bool:
    return bool((await show(bridge, kernel))["execution_state"] == "busy")


async def test_a_kernel_of_the_host_is_told_of(bridge: Bridge, tmp_path: Path) -> None:
    """A kernel that the bridge has nothing to do with: its start, its work, its end."""
    async with told(bridge, "kernel_state") as heard:
        kernel_id = await start(bridge)
        await tells(heard, kernel_id=kernel_id, state="starting")
        url = bridge.url(f"/api/kernels/{kernel_id}/channels", host=True)
        async with bridge.session.ws_connect(url, headers=bridge.headers) as socket:
            await tells(heard, kernel_id=kernel_id, state="idle")
            header = {"msg_id": "1", "msg_type": "execute_request", "session": "s"}
            header |= {"username": "", "date": "2026-01-01T00:00:00Z", "version": "5.3"}
            gate = tmp_path / "gate"
            content = {"code": waits_for(gate), "silent": False}
            await socket.send_json(
                {
                    "channel": "shell",
                    "header": header,
                    "parent_header": {},
                    "metadata": {},
                    "content": content,
                }
            )
            await tells(heard, kernel_id=kernel_id, state="busy")
            executing = (await show(bridge, kernel_id))["executing"]
            assert executing.keys() == {"since"}
            assert (await show(bridge, kernel_id))["relay"]["last_seq"] == 0
            gate.touch()
            await tells(heard, kernel_id=kernel_id, state="idle")
        answer = await bridge.delete(f"/api/kernels/{kernel_id}", host=True)
        assert answer.status == 204
        event = await tells(heard, kernel_id=kernel_id, state="gone")
        assert event.keys() >= {"schema_id", "kernel_id", "state"}


# A Python kernel that does not tell what it is doing until it is asked something.
TACITURN = """
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import launch_new_instance

class Taciturn(IPythonKernel):
    def _publish_status(self, status, channel, parent=None):
        if parent or self.get_parent(channel):
            super()._publish_status(status, channel, parent)

launch_new_instance(kernel_class=Taciturn)
"""


@pytest.fixture(scope="module")
def taciturn(bridge_server: Server) -> Iterator[str]:
    """Its kernelspec's name."""
    folder = bridge_server.root.parent / "data/kernels/taciturn"
    folder.mkdir(parents=True)
    argv = [sys.executable, "-c", TACITURN, "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Taciturn", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    yield folder.name
    shutil.rmtree(folder)


async def test_a_kernel_that_says_nothing_is_asked(bridge: Bridge, taciturn: str) -> None:
    """To the host it would be starting for ever. No line to it stays open for that."""
    began = time.monotonic()
    kernel_id = await start(bridge, taciturn)
    assert (await show(bridge, kernel_id))["execution_state"] == "starting"
    await until(lambda: _is_idle(bridge, kernel_id))
    assert time.monotonic() - began > SILENCE - 1
    assert (await show(bridge, kernel_id))["relay"]["last_seq"] == 0
    assert (await bridge.delete(f"/shutdown/{kernel_id}")).status == 200


async def test_clients_and_restarts_are_told(bridge: Bridge) -> None:
    """Seats that come and go are `clients`; a restart, asked for or not, is `restarting`."""
    kernel_id = await bridge.spawn()
    async with told(bridge, "kernel_state") as heard:
        async with bridge.seat(kernel_id):
            await tells(heard, kernel_id=kernel_id, state="clients")
            assert (await show(bridge, kernel_id))["relay"]["clients"] == 1
        await tells(heard, kernel_id=kernel_id, state="clients")
        await asyncio.sleep(PACE)
        restarting = asyncio.ensure_future(bridge.post(f"/restart/{kernel_id}", {}))
        await tells(heard, kernel_id=kernel_id, state="restarting")
        assert (await restarting).status == 200
        await tells(heard, kernel_id=kernel_id, state="idle")
        answer = await bridge.execute(kernel_id, "import os; print(os.getpid())")
        await asyncio.sleep(PACE)
        os.kill(int(answer["outputs"][0]["text"]), signal.SIGKILL)
        await tells(heard, kernel_id=kernel_id, state="restarting")
        await tells(heard, kernel_id=kernel_id, state="idle")
        await bridge.delete(f"/shutdown/{kernel_id}")
        await tells(heard, kernel_id=kernel_id, state="gone")


async def test_a_flood_is_coalesced(bridge: Bridge, kernel: str) -> None:
    """200 executions in a row are told at most four times a second, and idle at the end."""
    async with told(bridge, "kernel_state") as heard, bridge.seat(kernel) as seat:
        began = time.monotonic()
        for number in range(200):
            last = await seat.execute(str(number))
        await seat.until(status("idle", last))
        states: list[str] = []

        def is_told() -> bool:
            states.extend(e["state"] for e in _drain(heard) if e["kernel_id"] == kernel)
            return [state for state in states if state != "clients"][-1:] == ["idle"]

        await until(is_told, "the end")
        await asyncio.sleep(PACE)  # for what would come behind it
        assert is_told()
        seconds = time.monotonic() - began
    # At once for the first, and one in each quarter of a second; the last one after the end.
    assert len(states) <= 3 + 4 * seconds
    await until(lambda: _is_idle(bridge, kernel))


def _drain(heard: asyncio.Queue[dict[str, Any]]) -> list[dict[str, Any]]:
    return [heard.get_nowait() for _ in range(heard.qsize())]
