"""`console_state`: told over the host's own websocket, coalesced, without a word of the console."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.wire import console as wire
from tests.conftest import Server
from tests.consoles.conftest import house
from tests.kernels.conftest import bridge
from tests.support.console_client import bridge_of, frame
from tests.support.kernel_client import Bridge as Client
from tests.support.kernel_client import tells, told
from tests.support.waiting import PATIENCE, settle, until

__all__ = ["bridge"]  # a fixture


async def test_a_console_is_told_of(bridge_server: Server, bridge: Client) -> None:
    """It appears, is looked at, says something, ends, is forgotten; its words are in no event."""
    async with told(bridge, "console_state") as heard, bridge_of(bridge_server) as here:
        name = await here.open(shell_command=["/bin/cat"])
        this = {"console": name, "kind": "terminal"}
        events = [await tells(heard, **this, state="live")]
        async with here.socket(f"interact/{name}") as socket:
            await frame(socket, wire.Viewers)
            events.append(await tells(heard, **this, state="live"))
            await here.ask("POST", f"send/{name}?newline=1", data=b"hunter2")
            events.append(await tells(heard, **this, state="live"))
            listed = {c["name"]: c for c in (await here.ask("GET", "consoles"))[1]}
            assert listed[name]["last_line"] == "hunter2"
        status, _ = await here.ask("DELETE", f"consoles/{name}")
        assert status == 204
        events.append(await tells(heard, **this, state="ended"))
        await here.ask("DELETE", f"consoles/{name}?purge=1")
        events.append(await tells(heard, **this, state="gone"))
    assert "hunter2" not in json.dumps(events)


async def test_files_and_kernels_are_told_of(bridge_server: Server, bridge: Client) -> None:
    """Consoles that are opened by their name are told with their kind."""
    (bridge_server.root / "told.log").write_text("x\n")
    async with (
        told(bridge, "console_state") as heard,
        bridge_of(bridge_server) as here,
        here.socket("tail/file:told.log?follow=true") as socket,
    ):
        await frame(socket, wire.OutputFrame)
        await tells(heard, console="file:told.log", kind="file", state="live")


async def test_a_flood_costs_one_event_a_second(tmp_path: Path) -> None:
    """A console that says 64 MiB is told of at once, once a second, and at its end."""
    states: list[tuple[str, str, str]] = []
    async with house(
        tmp_path, keep=False, on_state=lambda *state: states.append(state)
    ) as consoles:
        command = "head -c 67108864 /dev/zero | tr '\\\\0' 'x'"
        began = time.monotonic()
        console = await consoles.create(
            TerminalOptions("1", shell_command=["/bin/sh", "-c", command])
        )
        await asyncio.wait_for(console.ended(), 4 * PATIENCE)
        seconds = time.monotonic() - began
        await until(lambda: ("1", "terminal", "ended") in states)
    assert console.end_offset == 64 << 20
    assert states[0] == ("1", "terminal", "live")
    assert states[-1] == ("1", "terminal", "ended")
    assert len(states) <= 3 + seconds


async def test_a_taken_name_is_told_of_twice(tmp_path: Path) -> None:
    """The old console goes on under its name and epoch, the new one under the name."""
    states: list[tuple[str, str, str]] = []
    async with house(tmp_path, on_state=lambda *state: states.append(state)) as consoles:
        old = await consoles.create(
            TerminalOptions("one", shell_command=["/bin/sh", "-c", "exit 3"])
        )
        await asyncio.wait_for(old.ended(), PATIENCE)
        await until(lambda: ("one", "terminal", "ended") in states)
        await consoles.create(TerminalOptions("one", shell_command=["/bin/cat"]))
        await until(lambda: (f"one~{old.epoch}", "terminal", "ended") in states)
        await until(lambda: states[-1] == ("one", "terminal", "live"))


async def test_what_is_loaded_is_not_news(tmp_path: Path) -> None:
    """Consoles that earlier servers left are there before anybody can hear of them."""
    async with house(tmp_path) as consoles:
        console = await consoles.create(TerminalOptions("one", shell_command=["/bin/echo", "hi"]))
        await asyncio.wait_for(console.ended(), PATIENCE)
    states: list[tuple[str, str, str]] = []
    async with house(tmp_path, on_state=lambda *state: states.append(state)) as consoles:
        assert consoles.get("one").state == "ended"
        await settle()
        assert states == []
