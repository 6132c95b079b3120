import asyncio
import json
from pathlib import Path

import pytest

from jupyter_bridge.client import BridgeClient, connect
from jupyter_bridge.client.console_stream import ConsoleStream
from jupyter_bridge.problems import BadRequest, Conflict, NotFound
from jupyter_bridge.wire.console import Ended, Matched, OutputFrame, Start, Trouble
from tests.conftest import Server, start_server
from tests.support.cable import Cable
from tests.support.waiting import PATIENCE, until


async def test_consoles_are_opened_tailed_typed_into_and_ended(bridge_server: Server) -> None:
    """The verbs of the routes, as methods; a frame is an object."""
    async with BridgeClient(bridge_server.url, bridge_server.token) as bridge:
        consoles = bridge.consoles
        mine = await consoles.open(shell_command=["/bin/cat"], rows=30, cols=90)
        try:
            assert mine.name in [console.name for console in await consoles.list()]
            await consoles.send(mine, "hello", newline=True)
            line = consoles.tail(mine, until="hello\r?\nhello", timeout=PATIENCE)
            frames = [frame async for frame in line]
            assert isinstance(frames[0], Start)
            assert isinstance(frames[-1], Matched)
            assert line.offset == frames[-1].to
            for follow in (False, True):
                part = consoles.tail(mine, offset=0, to=3, follow=follow)
                outputs = [frame async for frame in part if isinstance(frame, OutputFrame)]
                assert b"".join(frame.data for frame in outputs) == b"hel"
            async with consoles.interact(mine, mode="watch", lines=0) as watcher:
                await watcher.write(b"x")
                async for frame in watcher:
                    if isinstance(frame, Trouble):
                        break
                assert isinstance(frame, Trouble)
                assert frame.problem["error"] == "denied"
            with pytest.raises(Conflict):
                async for _ in consoles.tail(mine, offset=10**9):
                    pass
        finally:
            await consoles.end(mine)
        assert (await consoles.get(mine)).state == "ended"
        cast = b"".join([part async for part in consoles.recording(mine)])
        assert json.loads(cast.splitlines()[0])["version"] == 2
        await consoles.end(mine, purge=True)
        with pytest.raises(NotFound):
            await consoles.get(mine)
        with pytest.raises(NotFound):
            async for _ in consoles.recording(mine):
                pass


async def test_what_consoles_said_is_searched(bridge_server: Server) -> None:
    """The hits of all consoles or one, as objects; the server's Problem is raised."""
    async with BridgeClient(bridge_server.url, bridge_server.token) as bridge:
        script = ["/bin/sh", "-c", "echo 'sought: 1'; echo 'sought: 2'; exec sleep 1000"]
        mine = await bridge.consoles.open(shell_command=script)
        try:
            async for _ in bridge.consoles.tail(mine, until="2", timeout=PATIENCE):
                pass
            search = bridge.consoles.search
            hits = (await search("sought: ", since=3600)).hits
            assert [(hit.console, hit.line) for hit in hits if hit.console == mine.name] == [
                (mine.name, "sought: 1"),
                (mine.name, "sought: 2"),
            ]
            assert hits[-1].line[hits[-1].start : hits[-1].end] == "sought: "
            first = await search("s.*t: [0-9]$", regex=True, console=mine, limit=1)
            assert (first.hits[0].offset, first.truncated) == (0, True)
            assert (await search("s.*t", console=mine)).hits == []
            for text, expected in (("(", BadRequest), ("x", NotFound)):
                with pytest.raises(expected):
                    await search(text, regex=True, console="nobody")
        finally:
            await bridge.consoles.end(mine, purge=True)


async def test_a_followed_tail_survives_the_server(tmp_path: Path) -> None:
    """The server stops and another starts on its port: the tail goes on where it was, exactly."""
    server = start_server(tmp_path)
    port = server.url.rstrip("/").rpartition(":")[2]
    try:
        async with BridgeClient(server.url, server.token) as bridge:
            script = "seq 5000; printf 'ready\\n'; exec sleep 1000"
            mine = await bridge.consoles.open("mine", shell_command=["/bin/sh", "-c", script])
            line = bridge.consoles.tail(mine, offset=0, follow=True)
            got, frame = b"", None
            while b"ready\r\n" not in got:
                frame = await asyncio.wait_for(line.__anext__(), PATIENCE)
                got += frame.data if isinstance(frame, OutputFrame) else b""
            # Not on this loop: the server waits a while for who does not close a websocket.
            await asyncio.to_thread(server.stop)
            env = {"JUPYTER_TOKEN": server.token}
            server = await asyncio.to_thread(start_server, tmp_path, port=int(port), env=env)
            async for frame in line:
                got += frame.data if isinstance(frame, OutputFrame) else b""
            assert isinstance(frame, Ended)
            assert frame.exit == {"code": None, "signal": None}
            assert got == b"".join(b"%d\r\n" % i for i in range(1, 5001)) + b"ready\r\n"
            assert (await bridge.consoles.get("mine")).epoch == mine.epoch
    finally:
        server.stop()


async def test_a_line_waits_while_it_is_broken(bridge_server: Server) -> None:
    """What is typed while there is no line comes when there is one, once; closing does not wait."""
    async with BridgeClient(bridge_server.url, bridge_server.token) as direct:
        mine = await direct.consoles.open(shell_command=["/bin/sh", "-c", "stty -echo; exec cat"])
        try:
            with Cable(bridge_server.url) as cable:
                async with BridgeClient(cable.url, bridge_server.token) as bridge:
                    line = await bridge.consoles.interact(mine).open()
                    await line.write(b"one\n")
                    assert await said(line, b"one\r\n") == b"one\r\n"
                    cable.cut()
                    reading = asyncio.ensure_future(said(line, b"two\r\n"))
                    await until(lambda: cable.refused, "a refused try")
                    writing = asyncio.ensure_future(line.write(b"two\n"))
                    await asyncio.sleep(0)
                    assert not writing.done()
                    cable.mend()
                    await asyncio.wait_for(writing, PATIENCE)
                    assert await asyncio.wait_for(reading, PATIENCE) == b"two\r\n"
                    cable.cut()
                    refused = cable.refused
                    reading = asyncio.ensure_future(said(line, b"three"))
                    await until(lambda: cable.refused > refused, "a refused try")
                    writing = asyncio.ensure_future(line.write(b"three\n"))
                    await until(lambda: cable.refused > refused + 3, "a few refused tries")
                    await line.close()
                    assert await asyncio.wait_for(reading, PATIENCE) == b""
                    with pytest.raises(Conflict):
                        await asyncio.wait_for(writing, PATIENCE)
        finally:
            await direct.consoles.end(mine, purge=True)


async def test_the_present_stays_where_it_was(bridge_server: Server) -> None:
    """A line that breaks before anything came goes on from the present that it began at."""
    async with BridgeClient(bridge_server.url, bridge_server.token) as direct:
        mine = await direct.consoles.open(
            shell_command=["/bin/sh", "-c", "stty -echo; echo old; exec cat"]
        )
        try:
            async with direct.consoles.tail(mine, until="old") as line:
                await said(line, b"old")
            with Cable(bridge_server.url) as cable:
                async with BridgeClient(cable.url, bridge_server.token) as bridge:
                    line = bridge.consoles.tail(mine, lines=0, follow=True)
                    assert isinstance(await asyncio.wait_for(line.__anext__(), PATIENCE), Start)
                    cable.cut()
                    reading = asyncio.ensure_future(said(line, b"missed"))
                    await until(lambda: cable.refused, "a refused try")
                    await direct.consoles.send(mine, "missed\n")
                    async with direct.consoles.tail(mine, until="missed") as seen:
                        await said(seen, b"missed")
                    cable.mend()
                    got = await asyncio.wait_for(reading, PATIENCE)
                    assert got.split() == [b"missed"]
                    await line.close()
        finally:
            await direct.consoles.end(mine, purge=True)


async def said(line: ConsoleStream, text: bytes) -> bytes:
    """What a line says until it has said this, or ends."""
    got = b""
    async for frame in line:
        got += frame.data if isinstance(frame, OutputFrame) else b""
        if text in got:
            break
    return got


def test_plain_calls_do_the_same(bridge_server: Server) -> None:
    """`connect()` has the consoles without an event loop."""
    with connect(bridge_server.url, bridge_server.token) as bridge:
        mine = bridge.consoles.open(shell_command=["/bin/sh", "-c", "read x; echo got $x"])
        with bridge.consoles.interact(mine) as line:
            line.resize(20, 70)
            line.write(b"it\n")
            said = b"".join(frame.data for frame in line if isinstance(frame, OutputFrame))
        assert said.endswith(b"got it\r\n")
        cast = b"".join(bridge.consoles.recording(mine))
        assert b"got it" in cast
        bridge.consoles.end(mine, purge=True)
        assert mine.name not in [console.name for console in bridge.consoles.list()]
