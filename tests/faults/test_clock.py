"""A clock that is set, forward and back by more than a year, under a server that runs."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.conftest import start_server
from tests.support.console_client import Bridge, bridge_of

REPOSITORY = Path(__file__).parents[2]
DAY = 24 * 3600
# How far the server's clock is off, in seconds, one after the other.
JUMPS = (400 * DAY, -400 * DAY, 0)


async def use(bridge: Bridge, name: str, kernel: str) -> None:
    """A command, code, a console and its lists, with the durations that they tell."""
    begun = time.monotonic()
    status, ran = await bridge.ask("POST", "run", json={"command": "echo ran", "timeout": 60})
    assert (status, ran["output"], ran["exit_code"]) == (200, "ran\n", 0)
    assert 0 <= ran["seconds"] <= time.monotonic() - begun
    begun = time.monotonic()
    status, done = await bridge.ask(
        "POST", f"execute/{kernel}", json={"code": "6 * 7", "timeout": 60}
    )
    assert (status, done["status"]) == (200, "ok")
    assert 0 <= done["seconds"] <= time.monotonic() - begun
    # What was answered just now can be read again: nothing has expired by a clock that was set.
    for path in (f"runs/{ran['run']}", f"executions/{done['execution']}"):
        status, again = await bridge.ask("GET", path)
        assert status == 200, again
    _, before = await bridge.ask("GET", f"consoles/{name}")
    status, _ = await bridge.ask("POST", f"send/{name}?newline=1", data=b"word")
    assert status == 204
    path = f"tail/{name}?offset={before['end_offset']}&follow=true&until=word%5Cr%5Cn&timeout=60"
    assert "word" in await bridge.text(path)
    status, _ = await bridge.ask("GET", f"tail/{name}?since=60")
    assert status == 200


@pytest.mark.timeout(180)
async def test_a_clock_that_jumps(tmp_path: Path) -> None:
    """400 days forward, 800 back, and home: no timeout fires, nothing expires, nothing is lost, and
    a recording's times never go back."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    server = start_server(
        tmp_path,
        "--ServerApp.jpserver_extensions=tests.support.clock=True",
        env={"PYTHONPATH": str(REPOSITORY), "TEST_CLOCK": str(clock)},
    )
    try:
        async with bridge_of(server) as bridge:
            name = await bridge.open("stty -echo; exec cat")
            status, kernel = await bridge.ask("POST", "spawn/python3")
            assert status == 201, kernel
            await use(bridge, name, kernel["id"])
            for jump in JUMPS:
                beside = clock.with_suffix(".new")
                beside.write_text(str(jump))
                beside.replace(clock)  # the server reads it at any time
                await use(bridge, name, kernel["id"])
                _, told = await bridge.ask("GET", f"consoles/{name}")
                assert told["first_offset"] == 0
                away = datetime.now(timezone.utc) + timedelta(seconds=jump)
                active = datetime.fromisoformat(told["last_activity"].replace("Z", "+00:00"))
                assert abs(active - away) < timedelta(hours=1)  # the clock really was set
            text = await bridge.text(f"tail/{name}?offset=0")
            assert text.count("word") == 1 + len(JUMPS)
            recording = await bridge.text(f"recording/{name}")
            times = [json.loads(line)[0] for line in recording.splitlines()[1:]]
            assert times == sorted(times)
            assert times[-1] > 300 * DAY
            await bridge.ask("DELETE", f"shutdown/{kernel['id']}")
        await asyncio.sleep(0)
        log = server.log.read_text()
        assert "Traceback" not in log, log
    finally:
        server.stop()
