"""Consoles on servers of their own: configured by the site, without a disk, killed, read only."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from jupyter_bridge.wire import console as wire
from tests.conftest import Server, start_server
from tests.support.console_client import Bridge, bridge_of, frame, said

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def serving(folder: Path, *options: str, **env: str) -> Iterator[Server]:
    server = start_server(folder, *options, env={"PYTHONPATH": str(REPOSITORY), **env})
    try:
        yield server
    finally:
        server.stop()


async def test_a_manager_named_in_the_configuration_is_subclassed(tmp_path: Path) -> None:
    """What the site's class does to a terminal it still does, and the terminal is recorded from its
    first byte, also one that the host's own API opens."""
    name = "tests.support.site_manager.SiteManager"
    with serving(tmp_path, f"--TerminalsExtensionApp.terminal_manager_class={name}") as server:
        async with bridge_of(server) as bridge:
            body = {"shell_command": ["/bin/sh", "-c", "echo FIRST $SITE; exec cat"]}
            async with bridge.session.post(
                f"{server.url}api/terminals", json=body, headers=server.headers
            ) as answer:
                name = (await answer.json())["name"]
            bridge.mine.append(name)
            text = await bridge.text(f"tail/{name}?until=FIRST.*%5Cn&timeout=60")
            assert text == "FIRST ours\r\n"
            _, console = await bridge.ask("GET", f"consoles/{name}")
            assert console["first_offset"] == 0


async def test_a_server_killed_in_the_middle_of_output(tmp_path: Path) -> None:
    """kill -9, and another server: what was recorded is an exact beginning, at most a second short;
    the console is ended, its epoch the same, and an offset that was lost is a conflict."""
    with serving(tmp_path) as server:
        async with bridge_of(server) as bridge:
            # A hundred lines a turn, and a pause that lets the recorder's second be over in time.
            script = "i=0; while :; do i=$((i+1)); seq $((i*100-99)) $((i*100)); sleep 0.02; done"
            name = await bridge.open(script, name="flood")
            _, begun = await bridge.ask("GET", "consoles/flood")
            loop = asyncio.get_running_loop()
            async with bridge.socket(f"tail/{name}?offset=0&follow=true") as socket:
                heard: list[tuple[float, int]] = []
                until = loop.time() + 3.0
                while loop.time() < until or len(heard) < 10:
                    output = await frame(socket, wire.OutputFrame)
                    heard.append((loop.time(), output.offset + len(output.data)))
                server.process.send_signal(signal.SIGKILL)
                server.process.wait()
            bridge.mine.clear()
    last_time, last = heard[-1]
    due = max((end for when, end in heard if when < last_time - 1.0), default=0)
    with serving(tmp_path) as server:
        async with bridge_of(server) as bridge:
            _, console = await bridge.ask("GET", "consoles/flood")
            assert console["state"] == "ended"
            assert "exit_code" not in console or console["exit_code"] is None
            assert console["epoch"] == begun["epoch"]
            assert console["end_offset"] >= due > 0
            text = await bridge.text("tail/flood?offset=0")
            whole = "".join(f"{number}\r\n" for number in range(1, len(text)))
            assert text == whole[: len(text)]
            assert len(text) == console["end_offset"]
            path = f"tail/flood?offset={last + 10**6}&epoch={begun['epoch']}"
            status, problem = await bridge.ask("GET", path)
            assert (status, problem["end_offset"]) == (409, console["end_offset"])
            bridge.mine.append("flood")


async def recorded_in_memory(server: Server, size: int) -> None:
    """A terminal says more than there is room for; it is all there, and the log told it once."""
    async with bridge_of(server) as bridge:
        for _ in range(2):
            name = await bridge.open(f"stty -opost; yes 0123456 | head -c {size}; echo; exec cat")
            lines = size // 8
            text = await bridge.text(f"tail/{name}?offset=0&until=%5Cn%5Cn&timeout=60")
            assert text == "0123456\n" * lines + "\n"
            status, _ = await bridge.ask("POST", f"send/{name}?newline=1", data=b"on")
            assert status == 204
            await bridge.text(f"tail/{name}?until=on&timeout=60")
    told = [
        line for line in server.log.read_text().splitlines() if "cannot be saved to disk" in line
    ]
    assert len(told) == 1, server.log.read_text()


async def test_a_folder_that_cannot_be_made_leaves_memory(tmp_path: Path) -> None:
    """Where the data folder's place is taken by a file, recording goes on and says so once."""
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with serving(tmp_path, f"--BridgeApp.console_dir={taken}/consoles") as server:
        await recorded_in_memory(server, 80_000)
    assert taken.read_text() == "a file"


async def test_recording_that_is_switched_off_writes_nothing(tmp_path: Path) -> None:
    """record_terminals=False: consoles work from memory, and no file holds what they said."""
    kept = tmp_path / "kept"
    options = ("--BridgeApp.record_terminals=False", f"--BridgeApp.console_dir={kept}")
    with serving(tmp_path, *options) as server:
        async with bridge_of(server) as bridge:
            name = await bridge.open("echo SAID; exit 4")
            ended = await bridge.ended(name)
            assert ended["exit_code"] == 4
            assert await bridge.text(f"tail/{name}?offset=0") == "SAID\r\n"
    assert not kept.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_leaves_memory(tmp_path: Path, small_disk: Path) -> None:
    """When the disk is full what is there stays readable, the rest is in memory, told once."""
    with serving(tmp_path, f"--BridgeApp.console_dir={small_disk}/consoles") as server:
        await recorded_in_memory(server, 1_000_000)


async def test_who_may_only_read_only_looks(tmp_path: Path) -> None:
    """With `read` alone: list, tail and watch; open, type, join, steal, run and end are refused."""
    kept = tmp_path / "root" / "a.log"
    kept.parent.mkdir()
    kept.write_text("line\n")
    with serving(
        tmp_path,
        "--ServerApp.authorizer_class=tests.support.denying.Denying",
        TEST_ALLOWED="read",
    ) as server:
        async with aiohttp.ClientSession() as session:
            bridge = Bridge(server, session)
            assert await bridge.text("tail/file:a.log") == "line\n"
            async with bridge.socket("interact/file:a.log?mode=watch") as socket:
                assert await said(socket, b"line\n") == b"line\n"
                await socket.send_bytes(wire.to_client_frame(wire.Input(b"x")))
                assert (await frame(socket, wire.Trouble)).problem["error"] == "denied"
            for mode in ("join", "steal"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                    await bridge.socket(f"interact/file:a.log?mode={mode}")
                assert refused.value.status == 403
            changes: list[tuple[str, str, Any]] = [
                ("POST", "consoles", {}),
                ("DELETE", "consoles/file:a.log", None),
                ("POST", "send/file:a.log", None),
                ("POST", "run", {"command": "true"}),
                ("POST", "run", {"command": "true", "console": "file:a.log"}),
                ("DELETE", "runs/x", None),
                ("POST", "runs/x/input", None),
            ]
            for method, path, body in changes:
                status, problem = await bridge.ask(method, path, json=body)
                assert (status, problem["error"]) == (403, "denied"), (method, path)
            status, consoles = await bridge.ask("GET", "consoles")
            assert status == 200
            assert [console["name"] for console in consoles] == ["file:a.log"]
