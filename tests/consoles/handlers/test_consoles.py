"""list, create, end, send, recording."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from jupyter_bridge.wire import console as wire
from tests.conftest import Server
from tests.support.console_client import bridge_of, frames, output


async def test_a_terminal_of_the_host_is_a_console(bridge_server: Server) -> None:
    """A terminal opened through the host's API is listed, tailed from its first byte, and ended."""
    async with bridge_of(bridge_server) as bridge:
        body = {"shell_command": ["/bin/sh", "-c", "echo FIRST; exec cat"]}
        async with bridge.session.post(
            f"{bridge_server.url}api/terminals", json=body, headers=bridge_server.headers
        ) as answer:
            name = (await answer.json())["name"]
        bridge.mine.append(name)
        text = await bridge.text(f"tail/{name}?until=FIRST&timeout=60")
        assert text == "FIRST"
        _, consoles = await bridge.ask("GET", "consoles")
        console = next(one for one in consoles if one["name"] == name)
        assert console["kind"] == "terminal"
        assert console["state"] == "live"
        assert console["viewers"] == []
        assert "exit_code" not in console
        status, _ = await bridge.ask("DELETE", f"consoles/{name}")
        assert status == 204
        ended = await bridge.ended(name)
        assert ended["exit_code"] is not None
        assert await bridge.text(f"tail/{name}") == "FIRST\r\n"
        status, _ = await bridge.ask("DELETE", f"consoles/{name}?purge=1")
        assert status == 204
        status, problem = await bridge.ask("GET", f"tail/{name}")
        assert (status, problem["error"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"name": "a/b"}, 400, "name"),
        ({"name": "new"}, 400, "name"),
        ({"rows": 0}, 400, "rows"),
        ({"cols": "wide"}, 400, "cols"),
        ({"cwd": "/no/such/folder"}, 400, "cwd"),
        ({"env": {"A=B": "1"}}, 400, "env"),
        ({"shell_command": []}, 400, "shell_command"),
        ({"colour": "red"}, 400, None),
        ({"shell_command": ["/no/such/shell"]}, 500, None),
    ],
)
async def test_a_terminal_that_cannot_be_is_a_problem(
    bridge_server: Server, body: Any, status: int, field: str | None
) -> None:
    """A wrong field is named, a shell that is not there is start-failed, nothing is left behind."""
    async with bridge_of(bridge_server) as bridge:
        _, before = await bridge.ask("GET", "consoles")
        got, problem = await bridge.ask("POST", "consoles", json=body)
        assert got == status, problem
        assert field is None or problem["field"] == field
        _, after = await bridge.ask("GET", "consoles")
        assert len(after) == len(before)


async def test_a_taken_name_is_a_conflict(bridge_server: Server) -> None:
    """Two live consoles never share a name."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("cat", name="twice")
        status, problem = await bridge.ask("POST", "consoles", json={"name": name})
        assert (status, problem["error"]) == (409, "conflict")


async def test_a_console_that_is_not_there_refuses_the_handshake(bridge_server: Server) -> None:
    """404 with a Problem, before the websocket opens; the same for curl."""
    async with bridge_of(bridge_server) as bridge:
        for path in ("tail/nope", "interact/nope", "tail/kernel:nope", "tail/nowhere:node1"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await bridge.socket(path)
            assert refused.value.status == 404
        for method, path in (
            ("GET", "consoles/nope"),
            ("DELETE", "consoles/nope"),
            ("POST", "send/nope"),
            ("GET", "recording/nope"),
            ("GET", "tail/nope"),
        ):
            status, problem = await bridge.ask(method, path)
            assert (status, problem["error"]) == (404, "not-found")


async def test_nothing_reads_what_is_typed_after_the_end(bridge_server: Server) -> None:
    """An ended console is read as before; typing there is `gone`."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("echo bye")
        await bridge.ended(name)
        status, problem = await bridge.ask("POST", f"send/{name}", data=b"x")
        assert (status, problem["error"]) == (410, "gone")
        async with bridge.socket(f"interact/{name}") as socket:
            found = await frames(socket)
        assert output(found) == b"bye\r\n"
        assert isinstance(found[-1], wire.Ended)


async def test_send_types_as_is(bridge_server: Server) -> None:
    """Bytes that are no text are typed as they are."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("stty raw -echo; echo ready; head -c 4 | od -An -tx1")
        await bridge.text(f"tail/{name}?until=ready&timeout=60")
        status, _ = await bridge.ask("POST", f"send/{name}", data=b"\x00\xff\x1b\x03")
        assert status == 204
        await bridge.text(f"tail/{name}?until=00%20ff%201b%2003&timeout=60")


@pytest.mark.skipif(shutil.which("asciinema") is None, reason="asciinema is not installed")
async def test_asciinema_plays_a_recording(bridge_server: Server, tmp_path: Path) -> None:
    """The player itself, unchanged, says what the console said."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("stty -echo; echo one; sleep 0.1; printf 'zw\\303\\266lf'; exit 0")
        await bridge.ended(name)
        file = tmp_path / "x.cast"
        file.write_bytes((await bridge.text(f"recording/{name}")).encode())
    player = await asyncio.create_subprocess_exec(
        *("script", "-qec", f"asciinema cat {file}", "/dev/null"),  # it wants a terminal
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    said, _ = await asyncio.wait_for(player.communicate(), 30)
    assert player.returncode == 0
    assert said.decode() == "one\r\nzwölf"


async def test_a_recording_is_an_asciicast(bridge_server: Server) -> None:
    """asciicast v2: a header, then output events whose text is what was said."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("stty -echo; echo one; read x; echo two\033[6n; exit 0")
        await bridge.text(f"tail/{name}?until=one&timeout=60")
        heard = time.monotonic()
        await asyncio.sleep(0.2)  # times are noted ten times a second
        pause = time.monotonic() - heard
        await bridge.ask("POST", f"send/{name}?newline=1")
        console = await bridge.ended(name)
        lines = (await bridge.text(f"recording/{name}")).splitlines()
        header, *events = [json.loads(line) for line in lines]
        assert header["version"] == 2
        assert header["width"] == 80
        assert abs(header["timestamp"] - time.time()) < 3600
        assert "".join(event[2] for event in events) == "one\r\ntwo\r\n"
        assert events[-1][0] - events[0][0] >= pause - 0.01
        assert [event[0] for event in events] == sorted(event[0] for event in events)
        part = (await bridge.text(f"recording/{name}?from=5&to=8")).splitlines()
        assert "".join(json.loads(line)[2] for line in part[1:]) == "two"
        assert console["exit_code"] == 0
