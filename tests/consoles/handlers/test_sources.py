"""Files and kernels as consoles, by their names."""

from __future__ import annotations

import asyncio
import os
import stat
import uuid
from urllib.parse import quote

import aiohttp

from jupyter_bridge.wire import console as wire
from tests.conftest import Server
from tests.support.console_client import bridge_of, frame, said
from tests.support.waiting import PATIENCE


async def test_a_file_below_the_root_is_a_console(bridge_server: Server) -> None:
    """Any text file is tailed and followed by its path; typing into it is unsupported."""
    async with bridge_of(bridge_server) as bridge:
        folder = bridge_server.root / "logs"
        folder.mkdir(exist_ok=True)
        log = folder / "a b.log"
        log.write_text("".join(f"line {i}\n" for i in range(100)))
        path = quote("file:logs/a b.log")
        assert await bridge.text(f"tail/{path}?lines=1") == "line 99\n"
        assert await bridge.text(f"tail/{quote('file:logs/a b.log', safe='')}?lines=1") == (
            "line 99\n"
        )
        async with bridge.socket(f"tail/{path}?lines=0&follow=true") as socket:
            start = await frame(socket, wire.Start)
            assert start.about["kind"] == "file"
            with log.open("a") as file:
                file.write("more\n")
            assert await said(socket, b"more\n") == b"more\n"
        status, problem = await bridge.ask("POST", f"send/{path}", data=b"x")
        assert (status, problem["error"]) == (501, "unsupported")
        status, problem = await bridge.ask("GET", f"tail/{path}?since=5")
        assert (status, problem["error"]) == (501, "unsupported")


async def test_a_file_that_may_not_be_read_is_a_problem(bridge_server: Server) -> None:
    """Outside the root, a link out of it, a folder, a FIFO, a device, hidden, nothing: refused."""
    async with bridge_of(bridge_server) as bridge:
        root = bridge_server.root
        (root / "out").unlink(missing_ok=True)
        (root / "out").symlink_to("/etc/passwd")
        (root / "folder").mkdir(exist_ok=True)
        (root / ".hidden").write_text("x")
        if not (root / "pipe").exists():
            os.mkfifo(root / "pipe")
        device = []
        try:
            os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            device = [("null", 400)]
        except PermissionError:
            pass  # root alone may, and not everywhere
        except FileExistsError:
            device = [("null", 400)]
        for path, status in [
            ("../../etc/passwd", 400),
            ("/etc/passwd", 404),
            ("out", 404),
            ("folder", 400),
            ("pipe", 400),
            (".hidden", 404),
            ("nothing", 404),
            *device,
            ("a%00b", 400),
        ]:
            got, problem = await bridge.ask("GET", f"tail/file:{quote(path, safe='%')}")
            assert got == status, (path, problem)


async def test_a_kernel_is_a_console(bridge_server: Server) -> None:
    """What a kernel prints, answers and raises is text; a line typed is executed, or is input."""
    async with bridge_of(bridge_server) as bridge:
        status, kernel = await bridge.ask("POST", "spawn/python3", json={})
        assert status == 201
        name = f"kernel:{kernel['id']}"
        try:
            async with bridge.socket(f"interact/{name}", v1=False) as socket:

                async def hears(text: str) -> str:
                    got = ""
                    while text not in got:
                        message = await asyncio.wait_for(socket.receive(), PATIENCE)
                        assert message.type is aiohttp.WSMsgType.TEXT, message
                        got += message.data
                    return got

                await socket.send_str("print('hel' + 'lo'); 6 * 7")
                got = await hears("Out[1]: 42\n")
                assert "In [1]: print('hel' + 'lo'); 6 * 7\nhello\n" in got
                await socket.send_str("1 / 0")
                assert "ZeroDivisionError" in await hears("division by zero")
                await socket.send_str("x = input('name? ')")
                await hears("\nname? ")  # the prompt itself, not the echo of the code
                await socket.send_str("Ada")
                await socket.send_str("x")
                await hears("'Ada'")
            text = await bridge.text(f"tail/{name}?lines=1")
            assert "Ada" in text
            _, consoles = await bridge.ask("GET", "consoles")
            assert [one["kind"] for one in consoles if one["name"] == name] == ["kernel"]
            status, problem = await bridge.ask("DELETE", f"consoles/{name}")
            assert (status, problem["error"]) == (501, "unsupported")
        finally:
            await bridge.ask("POST", f"shutdown/{kernel['id']}")
        ended = await bridge.ended(name)
        assert ended.get("exit_code") is None
        await bridge.ask("DELETE", f"consoles/{name}?purge=1")


async def test_a_file_that_comes_later_is_waited_for(bridge_server: Server) -> None:
    """With follow=true, over HTTP and websocket, its lines come as soon as it is there."""
    name = f"later-{uuid.uuid4().hex[:8]}.log"
    async with bridge_of(bridge_server) as bridge:
        status, problem = await bridge.ask("GET", f"tail/file:{name}")
        assert (status, problem["error"]) == (404, "not-found")
        asking = asyncio.ensure_future(bridge.text(f"tail/file:{name}?until=one&timeout=60"))
        async with bridge.socket(f"tail/file:{name}?follow=true") as socket:
            start = await frame(socket, wire.Start)
            assert start.about["missing"] is True
            assert (await bridge.ask("GET", f"tail/file:{name}"))[0] == 404
            (bridge_server.root / name).write_text("line one\n")
            assert await said(socket, b"\n") == b"line one\n"
        assert await asking == "line one"
        async with bridge.socket(f"tail/file:{name}?follow=true") as socket:
            assert "missing" not in (await frame(socket, wire.Start)).about
