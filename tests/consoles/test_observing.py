"""What an operator sees of consoles: metrics by name, events by name; what a proxy sees: a sign of
life. In this process, where the clock of the sign can be set."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jupyter_bridge.observe.events import SCHEMAS
from jupyter_bridge.wire import console as wire
from tests.conftest import Server
from tests.support.console_client import Bridge, bridge_of, frame
from tests.support.waiting import PATIENCE


@pytest.fixture
def jp_base_url() -> str:
    """A plain one: the usual `/a%40b/` is sent as `/a@b/` by the client used here."""
    return "/base/"


@asynccontextmanager
async def bridge_in(app: Any) -> AsyncIterator[Bridge]:
    """A client of the server in this process; the bridge is stopped in the end."""
    nothing: Any = None
    token = app.identity_provider.token
    server = Server(app.connection_url, token, nothing, nothing, nothing, nothing)
    async with bridge_of(server) as bridge:
        yield bridge
    for part in list(app.extension_manager.extension_apps["jupyter_bridge"]):
        await part.stop_extension()


def figures(text: str) -> dict[str, float]:
    """Name (with its labels) to value, of the page that Prometheus reads."""
    lines = [line for line in text.splitlines() if line.startswith("jupyter_bridge_")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


async def test_the_metrics_count_what_consoles_did(bridge_server: Server) -> None:
    """Live consoles, viewers, bytes said and sent, lag, gaps and the seconds of runs."""

    async def metrics(bridge: Bridge) -> dict[str, float]:
        url = f"{bridge_server.url}metrics"
        async with bridge.session.get(url, headers=bridge_server.headers) as answer:
            return figures(await answer.text())

    async with bridge_of(bridge_server) as bridge:
        before = await metrics(bridge)
        name = await bridge.open("printf 12345; exec cat")
        async with bridge.socket(f"tail/{name}?offset=0&follow=true") as socket:
            assert (await frame(socket, wire.OutputFrame)).data
            during = await metrics(bridge)
        log = bridge_server.root / "shrinks.log"
        log.write_text("a long first line\n")
        async with bridge.socket("tail/file:shrinks.log?offset=0&follow=true") as socket:
            await frame(socket, wire.OutputFrame)
            log.write_text("b\n")
            await frame(socket, wire.GapFrame)
        status, _ = await bridge.ask("POST", "run", json={"command": "true"})
        assert status == 200
        after = await metrics(bridge)

    def more(name: str, then: dict[str, float]) -> float:
        return then[name] - before.get(name, 0)

    assert more("jupyter_bridge_consoles", during) == 1
    assert more("jupyter_bridge_console_viewers", during) == 1
    assert more('jupyter_bridge_console_bytes_total{kind="terminal"}', during) == 5
    assert more("jupyter_bridge_console_sent_bytes_total", during) == 5
    assert more("jupyter_bridge_console_lag_bytes_count", during) >= 1
    assert more("jupyter_bridge_console_gaps_total", after) == 1
    assert more('jupyter_bridge_run_seconds_count{status="done"}', after) == 1


async def test_running_stealing_and_ending_are_events(jp_serverapp: Any, jp_fetch: Any) -> None:
    """Each names the console and who did it, and nothing that was typed or said."""
    heard: list[tuple[str, dict[str, Any]]] = []

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        heard.append((schema_id.split("/")[-2], data))

    for event in ("console_run", "console_steal", "console_end"):
        schema = SCHEMAS[event]["$id"]
        jp_serverapp.event_logger.add_listener(schema_id=schema, listener=listen)
    async with bridge_in(jp_serverapp) as here:
        name = await here.open(shell_command=["/bin/sh", "-i"], name="work")
        body = {"command": "echo hunter2", "console": name, "queue": True}
        status, run = await here.ask("POST", "run", json=body)
        assert (status, run["output"]) == (200, "hunter2\n")
        async with here.socket(f"interact/{name}?mode=steal") as socket:
            await frame(socket, wire.Viewers)
        await here.ask("DELETE", f"consoles/{name}")
        await here.ended(name)
    await jp_serverapp.event_logger.gather_listeners()
    assert [event for event, _ in heard] == ["console_run", "console_steal", "console_end"]
    assert {data["console"] for _, data in heard} == {"work"}
    assert heard[0][1]["run"] == run["run"]
    assert all(data["user"] for event, data in heard if event != "console_end")
    assert "hunter2" not in json.dumps([data for _, data in heard])


async def test_a_silent_tail_shows_that_it_lives(
    jp_serverapp: Any, jp_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NDJSON has an empty line after each silence, which a proxy takes for traffic."""
    monkeypatch.setattr("jupyter_bridge.web.handler.KEEP_ALIVE", 0.05)
    async with bridge_in(jp_serverapp) as here:
        name = await here.open("echo said; exec cat")
        async with here.session.get(
            here.url(f"tail/{name}?offset=0&follow=true&format=ndjson"), headers=here.server.headers
        ) as answer:
            lines: list[bytes] = []
            while lines.count(b"\n") < 3:
                lines.append(await asyncio.wait_for(answer.content.readline(), PATIENCE))
        said = [json.loads(line) for line in lines if line != b"\n"]
        assert "".join(line["data"] for line in said) == "said\r\n"
