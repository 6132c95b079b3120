"""tail and interact over websockets: frames, text, who types and who watches."""

from __future__ import annotations

import random
import re

import pytest

from jupyter_bridge.wire import console as wire
from tests.conftest import Server
from tests.support.console_client import bridge_of, frame, frames, output, said


async def test_frames_tell_everything(bridge_server: Server) -> None:
    """Start first, output at its offsets, then the exit; the socket closes with 1000."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("seq 20000; exit 5")
        await bridge.ended(name)
        async with bridge.socket(f"tail/{name}?offset=0") as socket:
            found = await frames(socket)
            assert socket.close_code == 1000
        assert isinstance(found[0], wire.Start)
        assert found[0].about["kind"] == "terminal"
        end = found[0].offset
        assert isinstance(found[-1], wire.Ended)
        assert found[-1] == wire.Ended(end, {"code": 5, "signal": None})
        at = 0
        for step in found:
            if isinstance(step, wire.OutputFrame):
                assert step.offset == at
                at += len(step.data)
        assert at == end
        assert output(found) == b"".join(b"%d\r\n" % i for i in range(1, 20001))


async def test_text_frames_never_cut_a_character(bridge_server: Server) -> None:
    """Without a subprotocol the output is text; a character cut by the pty arrives whole."""
    async with bridge_of(bridge_server) as bridge:
        script = "stty -opost; for i in 1 2 3; do printf '\\303'; sleep 0.05; printf '\\251'; done"
        name = await bridge.open(script)
        async with bridge.socket(f"tail/{name}?offset=0&follow=true", v1=False) as socket:
            text = [message.data async for message in socket]
            assert socket.close_code == 1000
        assert "".join(text) == "ééé"


async def test_raw_input_and_resize_reach_the_terminal(bridge_server: Server) -> None:
    """Bytes are typed as they are; the terminal takes the writer's size."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("exec sh -i", env={"PS1": "$ ", "ENV": None})
        async with bridge.socket(f"interact/{name}") as socket:
            await said(socket, b"$ ")
            await socket.send_bytes(wire.to_client_frame(wire.Resize(37, 111)))
            await socket.send_bytes(wire.to_client_frame(wire.Input(b"stty size\r")))
            await said(socket, b"37 111")
            await socket.send_bytes(
                wire.to_client_frame(wire.Input(b"(echo sta''rted; sleep 99)\r"))
            )
            await said(socket, b"started\r\n")
            await socket.send_bytes(wire.to_client_frame(wire.Input(b"\x03")))
            await said(socket, b"$ ")


async def test_a_watcher_neither_types_nor_resizes(bridge_server: Server) -> None:
    """`watch` sees all and changes nothing; typing is told as denied and the socket stays."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("exec sh -i", env={"PS1": "$ ", "ENV": None})
        async with bridge.socket(f"interact/{name}?mode=watch") as watcher:
            await said(watcher, b"$ ")
            await watcher.send_bytes(wire.to_client_frame(wire.Resize(11, 22)))
            await watcher.send_bytes(wire.to_client_frame(wire.Input(b"echo BAD\r")))
            trouble = await frame(watcher, wire.Trouble)
            assert trouble.problem["error"] == "denied"
            async with bridge.socket(f"interact/{name}?lines=0") as writer:
                await writer.send_bytes(wire.to_client_frame(wire.Input(b"stty size\r")))
                got = await said(watcher, b"\n$ ")
        assert b"BAD" not in got
        assert b"11 22" not in got
        assert re.search(rb"\d+ \d+", got)


async def test_stealing_makes_the_others_watchers_and_tells_them(bridge_server: Server) -> None:
    """Everybody sees who is here and in which mode; who was stolen from can no longer type."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("cat")
        async with bridge.socket(f"interact/{name}") as first:
            one = await frame(first, wire.Viewers)
            assert [viewer["mode"] for viewer in one.viewers] == ["join"]
            assert one.viewers[0]["you"] is True
            async with bridge.socket(f"interact/{name}?mode=steal") as thief:
                two = await frame(first, wire.Viewers)
                assert [viewer["mode"] for viewer in two.viewers] == ["watch", "steal"]
                _, console = await bridge.ask("GET", f"consoles/{name}")
                assert [viewer["mode"] for viewer in console["viewers"]] == ["watch", "steal"]
                await first.send_bytes(wire.to_client_frame(wire.Input(b"mine\n")))
                assert (await frame(first, wire.Trouble)).problem["error"] == "busy"
                await thief.send_bytes(wire.to_client_frame(wire.Input(b"his\n")))
                assert b"mine" not in await said(first, b"his\r\nhis")
            left = await frame(first, wire.Viewers)
            assert [viewer["mode"] for viewer in left.viewers] == ["watch"]


@pytest.mark.parametrize(
    "junk", [b"", b"z", b"r1", b"r\0\0\0\0", random.Random(64).randbytes(64).replace(b"i", b"")]
)
async def test_junk_frames_end_the_socket_with_a_problem(
    bridge_server: Server, junk: bytes
) -> None:
    """Bytes that are no frame: a Problem frame, close code 4400, and the console is untouched."""
    if junk[:1] in (b"i", b"r") and len(junk) == 5 and junk[1:] != bytes(4):
        junk = b"z" + junk
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("cat")
        async with bridge.socket(f"interact/{name}") as socket:
            await socket.send_bytes(junk)
            assert (await frame(socket, wire.Trouble)).problem["error"] == "bad-request"
            await socket.receive()
            assert socket.close_code == 4400
        async with bridge.socket(f"interact/{name}") as socket:
            await socket.send_str("text")
            assert (await frame(socket, wire.Trouble)).problem["error"] == "bad-request"
        async with bridge.socket(f"tail/{name}?follow=true") as socket:
            await socket.send_bytes(b"ihello")
            assert (await frame(socket, wire.Trouble)).problem["error"] == "denied"
        _, console = await bridge.ask("GET", f"consoles/{name}")
        assert (console["state"], console["end_offset"]) == ("live", 0)
