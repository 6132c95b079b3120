import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from jupyter_bridge.wire import console as wire
from tests.conftest import Server

PATIENCE = 60.0


class Bridge:
    """A client of the bridge's raw routes; ends the consoles that it opened."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session
        self.mine: list[str] = []

    def url(self, path: str) -> str:
        return f"{self.server.url}bridge/{path}"

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = {**self.server.headers, **options.pop("headers", {})}
        async with self.session.request(
            method, self.url(path), headers=headers, **options
        ) as answer:
            body = await answer.read()
            try:
                return answer.status, json.loads(body) if body else None
            except ValueError:
                return answer.status, body.decode()

    async def open(self, script: str | None = None, **options: Any) -> str:
        if script is not None:
            options["shell_command"] = ["/bin/sh", "-c", script]
        status, answer = await self.ask("POST", "consoles", json=options)
        assert status == 201, answer
        self.mine.append(answer["name"])
        return str(answer["name"])

    async def end_all(self) -> None:
        for name in self.mine:
            await self.ask("DELETE", f"consoles/{name}?purge=1")

    async def text(self, path: str, **headers: str) -> str:
        status, body = await self.ask("GET", path, headers=headers)
        assert status == 200, body
        return body if isinstance(body, str) else json.dumps(body) if body is not None else ""

    def socket(self, path: str, *, v1: bool = True, headers: dict[str, str] | None = None) -> Any:
        return self.session.ws_connect(
            self.url(path),
            headers={**self.server.headers, **(headers or {})},
            protocols=(wire.SUBPROTOCOL,) if v1 else (),
            max_msg_size=0,
        )

    async def ended(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            _, console = await self.ask("GET", f"consoles/{name}")
            if console["state"] == "ended":
                return dict(console)
            await asyncio.sleep(0.02)
        raise AssertionError(f"{name} has not ended")


@asynccontextmanager
async def bridge_of(server: Server) -> AsyncIterator[Bridge]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session:
        bridge = Bridge(server, session)
        try:
            yield bridge
        finally:
            await bridge.end_all()


async def frames(socket: Any) -> list[wire.ServerFrame]:
    """Every frame until the socket closes."""
    found: list[wire.ServerFrame] = []
    async for message in socket:
        assert message.type is aiohttp.WSMsgType.BINARY, message
        frame = wire.from_server_frame(message.data)
        assert frame is not None
        found.append(frame)
    return found


async def frame(socket: Any, kind: type) -> Any:
    """The next frame of this kind."""
    while True:
        message = await asyncio.wait_for(socket.receive(), PATIENCE)
        assert message.type is aiohttp.WSMsgType.BINARY, message
        found = wire.from_server_frame(message.data)
        if isinstance(found, kind):
            return found


async def said(socket: Any, text: bytes) -> bytes:
    """Output frames until this was said."""
    got = b""
    while text not in got:
        got += (await frame(socket, wire.Output)).data
    return got


def output(found: list[wire.ServerFrame]) -> bytes:
    return b"".join(step.data for step in found if isinstance(step, wire.Output))


# -- list, create, end ---------------------------------------------------------------------------


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


# -- tail over HTTP ------------------------------------------------------------------------------


async def test_tail_takes_lines_offset_and_since(bridge_server: Server) -> None:
    """lines=N, offset=N and since= each begin where they say, headers tell where that is."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("seq 1000; printf unfinished; exec sleep 1000")
        await bridge.text(f"tail/{name}?until=unfinished&timeout=60")
        assert await bridge.text(f"tail/{name}?lines=2") == "1000\r\nunfinished"
        assert await bridge.text(f"tail/{name}?lines=0") == ""
        assert (await bridge.text(f"tail/{name}")).startswith("952\r\n")
        assert (await bridge.text(f"tail/{name}?offset=0")).startswith("1\r\n2\r\n")
        assert (await bridge.text(f"tail/{name}?since=3600")).startswith("1\r\n2\r\n")
        assert await bridge.text(f"tail/{name}?since=2100-01-01T00:00:00Z") == ""
        assert (await bridge.text(f"tail/{name}?since=2020-01-01T00:00:00%2B01:00"))[:3] == "1\r\n"
        async with bridge.session.get(
            bridge.url(f"tail/{name}?lines=1"), headers=bridge_server.headers
        ) as answer:
            _, console = await bridge.ask("GET", f"consoles/{name}")
            assert int(answer.headers["Bridge-Offset"]) == console["end_offset"] - 10
            assert answer.headers["Bridge-Epoch"] == console["epoch"]
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert await answer.text() == "unfinished"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("lines=-1", 400),
        ("lines=many", 400),
        ("offset=-5", 400),
        ("offset=99999999", 409),
        ("offset=0&epoch=other", 409),
        ("epoch=other", 400),
        ("lines=1&offset=1", 400),
        ("since=yesterday", 400),
        ("until=%28", 400),
        ("until=%28a%2B%29%2B", 400),
        ("timeout=-1", 400),
        ("strip=html", 400),
        ("format=xml", 400),
        ("follow=maybe", 400),
    ],
)
async def test_a_tail_that_cannot_be_is_a_problem(
    bridge_server: Server, query: str, status: int
) -> None:
    """Every bad argument is a Problem, over HTTP and as a refused handshake alike."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("cat")
        got, problem = await bridge.ask("GET", f"tail/{name}?{query}")
        assert got == status, problem
        assert problem["message"] == problem["reason"]
        if status == 409:
            assert {"epoch", "end_offset"} <= set(problem)
        for route in ("tail", "interact"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await bridge.socket(f"{route}/{name}?{query}")
            assert refused.value.status == status


async def test_until_waits_and_stops_right_behind_the_match(bridge_server: Server) -> None:
    """A script waits for a line without sleeping: the answer ends with what it waited for."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("read x; printf '\\033[1mrea\\033[0mdy now'; exec sleep 1000")
        waiting = asyncio.ensure_future(
            bridge.text(f"tail/{name}?lines=0&until=ready&timeout=60&strip=ansi")
        )
        await asyncio.sleep(0.05)
        await bridge.ask("POST", f"send/{name}?newline=1")
        assert (await waiting).endswith("ready")
        text = await bridge.text(f"tail/{name}?until=r.a.y&format=ndjson&timeout=60")
        lines = [json.loads(line) for line in text.splitlines() if line]
        match = lines[-1]["match"]
        last = lines[-2]
        assert last["offset"] + len(last["data"].encode()) == match["to"]
        assert "".join(line.get("data", "") for line in lines).endswith("rea\x1b[0mdy")


async def test_until_that_never_comes_is_a_timeout(bridge_server: Server) -> None:
    """Nothing came: 504. Something came: the answer breaks off, which curl takes for a failure."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("echo something; exec sleep 1000")
        await bridge.text(f"tail/{name}?until=something&timeout=60")
        status, problem = await bridge.ask("GET", f"tail/{name}?lines=0&until=x&timeout=0.2")
        assert (status, problem["error"]) == (504, "timeout")
        with pytest.raises(aiohttp.ClientPayloadError):
            await bridge.ask("GET", f"tail/{name}?until=xyz&timeout=0.2")
        text = await bridge.text(f"tail/{name}?until=xyz&timeout=0.2&format=ndjson")
        assert json.loads(text.splitlines()[-1])["problem"]["error"] == "timeout"
        assert await bridge.text(f"tail/{name}?follow=true&timeout=0.2") == "something\r\n"


async def test_ndjson_tells_bytes_exactly_and_the_exit(bridge_server: Server) -> None:
    """What is not UTF-8 comes as base64; the last line is the exit."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("stty -opost; printf 'a\\377b'; exit 3")
        await bridge.ended(name)
        text = await bridge.text(f"tail/{name}", Accept="application/x-ndjson")
        assert [json.loads(line) for line in text.splitlines()] == [
            {"offset": 0, "base64": "Yf9i"},
            {"exit": {"code": 3, "signal": None}},
        ]
        assert await bridge.text(f"tail/{name}") == "a\ufffdb"


async def test_the_cray_headers_mean_lines_and_follow(bridge_server: Server) -> None:
    """A client of the HPE/Cray console service asks in its own words."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("seq 5; read x; echo six; exit 0")
        await bridge.text(f"tail/{name}?until=5&timeout=60")
        assert await bridge.text(f"tail/{name}", **{"Cray-Console-Lines": "2"}) == "4\r\n5\r\n"
        headers = {"Cray-Console-Lines": "1", "Cray-Console-Follow": "True"}
        async with bridge.socket(f"tail/{name}", v1=False, headers=headers) as socket:
            assert (await socket.receive()).data == "5\r\n"
            async with bridge.socket(f"interact/{name}", v1=False) as typist:
                await typist.send_str("a line without its newline")
                rest = [message.data async for message in socket]
        assert "".join(rest).endswith("six\r\n")
        for header in ({"Cray-Console-Lines": "x"}, {"Cray-Console-Follow": "x"}):
            status, _ = await bridge.ask("GET", f"tail/{name}", headers=header)
            assert status == 400


# -- websockets ----------------------------------------------------------------------------------


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
            if isinstance(step, wire.Output):
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
    "junk", [b"", b"z", b"r1", b"r\0\0\0\0", os.urandom(64).replace(b"i", b"")]
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


async def test_replayed_history_asks_a_terminal_nothing(bridge_server: Server) -> None:
    """Queries in history are left out, frames never span them; live ones come through."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open(
            "stty -echo; printf 'a\\033[6nb\\033]11;?\\007c'; read x; printf 'd\\033[6ne'; read x"
        )
        await bridge.text(f"tail/{name}?until=c&timeout=60")
        async with bridge.socket(f"interact/{name}?offset=0") as socket:
            pieces = [await frame(socket, wire.Output) for _ in range(3)]
            assert [(piece.offset, piece.data) for piece in pieces] == [
                (0, b"a"),
                (5, b"b"),
                (13, b"c"),
            ]
            await socket.send_bytes(wire.to_client_frame(wire.Input(b"\n")))
            assert b"d\x1b[6ne" in await said(socket, b"e")
        assert (await bridge.text(f"tail/{name}")).replace("\r\n", "") == "abcde"
        # Resumed inside of a query, its rest is left out, too.
        assert (await bridge.text(f"tail/{name}?offset=3")).startswith("bc")


async def test_send_types_as_is(bridge_server: Server) -> None:
    """Bytes that are no text are typed as they are."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("stty raw -echo; echo ready; head -c 4 | od -An -tx1")
        await bridge.text(f"tail/{name}?until=ready&timeout=60")
        status, _ = await bridge.ask("POST", f"send/{name}", data=b"\x00\xff\x1b\x03")
        assert status == 204
        await bridge.text(f"tail/{name}?until=00%20ff%201b%2003&timeout=60")


async def test_a_recording_plays_in_asciinema(bridge_server: Server) -> None:
    """asciicast v2: a header, then output events whose text is what was said."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("echo one; sleep 0.3; echo two\033[6n; exit 0")
        console = await bridge.ended(name)
        lines = (await bridge.text(f"recording/{name}")).splitlines()
        header, *events = [json.loads(line) for line in lines]
        assert header["version"] == 2
        assert header["width"] == 80
        assert abs(header["timestamp"] - time.time()) < 3600
        assert "".join(event[2] for event in events) == "one\r\ntwo\r\n"
        assert events[-1][0] >= 0.2
        assert [event[0] for event in events] == sorted(event[0] for event in events)
        part = (await bridge.text(f"recording/{name}?from=5&to=8")).splitlines()
        assert "".join(json.loads(line)[2] for line in part[1:]) == "two"
        assert console["exit_code"] == 0


# -- resuming ------------------------------------------------------------------------------------


async def test_a_thousand_disconnects_lose_and_repeat_nothing(bridge_server: Server) -> None:
    """Cut at any moment and resumed by offset, every byte comes exactly once."""
    count = 60
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open("seq 60000; exit 0")
        _, console = await bridge.ask("GET", f"consoles/{name}")
        got, cuts, done = b"", 0, False
        while not done:
            path = f"tail/{name}?offset={len(got)}&epoch={console['epoch']}&follow=true"
            async with bridge.socket(path) as socket:
                budget = (cuts * 7919) % 5 if cuts < count else None
                async for message in socket:
                    step = wire.from_server_frame(message.data)
                    if isinstance(step, wire.Output):
                        assert step.offset == len(got)
                        got += step.data
                    done = isinstance(step, wire.Ended)
                    if budget is not None and not done:
                        budget -= 1
                        if budget <= 0:
                            break
            cuts += 1
        assert got == b"".join(b"%d\r\n" % i for i in range(1, 60001))


# -- files and kernels ---------------------------------------------------------------------------


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
    """Outside the root, a link out of it, a folder, a FIFO, hidden, nothing: each is refused."""
    async with bridge_of(bridge_server) as bridge:
        root = bridge_server.root
        (root / "out").unlink(missing_ok=True)
        (root / "out").symlink_to("/etc/passwd")
        (root / "folder").mkdir(exist_ok=True)
        (root / ".hidden").write_text("x")
        if not (root / "pipe").exists():
            os.mkfifo(root / "pipe")
        for path, status in [
            ("../../etc/passwd", 400),
            ("/etc/passwd", 404),
            ("out", 404),
            ("folder", 400),
            ("pipe", 400),
            (".hidden", 404),
            ("nothing", 404),
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
        assert ended["exit_code"] is None
        await bridge.ask("DELETE", f"consoles/{name}?purge=1")
