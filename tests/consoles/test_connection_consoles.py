"""The consoles of connections, through the routes of a real server, on real servers."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from jupyter_bridge.consoles.connection_consoles import STALE_SECONDS
from jupyter_bridge.wire import console as wire
from tests.conftest import Server, start_server
from tests.simulators.cray import CrayDouble
from tests.support.joined import NEAR, Caller, caller, cut_off
from tests.support.waiting import until


@pytest.fixture(params=["far", "plain"])
def there(request: pytest.FixtureRequest) -> Server:
    """The other server: one with the bridge, one without."""
    server: Server = request.getfixturevalue(request.param)
    return server


async def open_there(here: Caller, **body: Any) -> str:
    status, console = await here.ask("POST", "bridge/consoles?conn=lab", json=body)
    assert status == 201, console
    return str(console["name"])


async def listed(here: Caller, name: str, *, state: str | None) -> dict[str, Any] | None:
    """The console in the list, once it is there in this state (None: once it is gone)."""
    found: dict[str, Any] | None = None

    async def is_so() -> bool:
        nonlocal found
        models = await here.get("bridge/consoles")
        found = next((model for model in models if model["name"] == name), None)
        return (found["state"] if found else None) == state

    await until(is_so, lambda: f"{name} as {state}, but {found},")
    return found


async def test_a_terminal_there_is_a_console_here(near: Server, there: Server) -> None:
    """Listed, tailed, typed into, played back, ended; its journal outlives it."""
    async with caller(near) as here, caller(there) as other:
        await here.connect("lab", there.url, there.token)
        # Somebody opens it over there; here it is listed before anybody has looked at it.
        node = (await other.post("api/terminals", json={}))["name"]
        model = await listed(here, f"lab:{node}", state="live")
        assert model is not None
        assert model["kind"] == "remote"
        assert (await here.get(f"bridge/consoles/lab:{node}"))["state"] == "live"
        assert f"lab:{node}" in [m["name"] for m in await here.get("bridge/consoles?conn=lab")]
        status, _ = await here.ask(
            "POST", f"bridge/send/lab:{node}", data=b"echo gr\xc3\xbcn-$((40+2))\n"
        )
        assert status == 204
        assert "grün-42" in await here.tail(f"lab:{node}", "grün-42")
        async with here.socket(f"bridge/interact/lab:{node}?lines=0", wire.SUBPROTOCOL) as socket:
            await socket.send_bytes(wire.to_client_frame(wire.Resize(33, 101)))
            await socket.send_bytes(wire.to_client_frame(wire.Input(b"stty size; echo s''een\n")))
            said = b""
            while b"seen" not in said:
                frame = wire.from_server_frame(await socket.receive_bytes())
                said += frame.data if isinstance(frame, wire.OutputFrame) else b""
            assert b"33 101" in said
        cast = await here.get(f"bridge/recording/lab:{node}")
        assert "grün-42" in "".join(json.loads(line)[2] for line in cast.splitlines()[1:])
        status, _ = await here.ask("DELETE", f"bridge/consoles/lab:{node}")
        assert status == 204
        assert node not in [model["name"] for model in await other.get("api/terminals")]
        await listed(here, f"lab:{node}", state="ended")
        assert "grün-42" in await here.get(f"bridge/tail/lab:{node}?lines=1000")


async def test_a_console_goes_on_where_it_was_left(near: Server, there: Server) -> None:
    """After a logout and a login its offsets go on: nothing twice, nothing lost, no gap."""
    async with caller(near) as here, caller(there) as other:
        await here.connect("lab", there.url, there.token)
        name = await open_there(here)
        await here.post(f"bridge/send/{name}", data=b"echo on''e\n")
        await here.tail(name, "one\r\n")
        status, _ = await here.ask("PUT", "bridge/conn/lab", json={"action": "logout"})
        assert status == 200
        await listed(here, name, state="ended")
        async with other.socket(f"terminals/websocket/{name[4:]}") as socket:
            await socket.send_str(json.dumps(["stdin", "echo tw''o\r"]))
            while "two\\r\\n" not in await socket.receive_str():
                pass
        status, _ = await here.ask("PUT", "bridge/conn/lab", json={"action": "login"})
        assert status == 200
        await here.post(f"bridge/send/{name}", data=b"echo thr''ee\n")
        said = await here.tail(name, "three\r\n")
        assert [said.count(f"{word}\r\n") for word in ("one", "two", "three")] == [1, 1, 1]
        assert "are not held here" not in said
        await here.ask("DELETE", f"bridge/consoles/{name}?purge=1")


async def test_a_new_terminal_of_an_old_name_begins_anew(near: Server, there: Server) -> None:
    """The ended one is kept beside it, under its name and epoch."""
    async with caller(near) as here:
        await here.connect("lab", there.url, there.token)
        name = await open_there(here, name="again")
        await here.post(f"bridge/send/{name}", data=b"echo fir''st\n")
        await here.tail(name, "first\r\n")
        old = (await here.get(f"bridge/consoles/{name}"))["epoch"]
        await here.ask("DELETE", f"bridge/consoles/{name}")
        assert await open_there(here, name="again") == name
        await here.post(f"bridge/send/{name}", data=b"echo sec''ond\n")
        assert "first" not in await here.tail(name, "second\r\n")
        assert "first" in await here.get(f"bridge/tail/{name}~{old}?lines=100")
        await here.ask("DELETE", f"bridge/consoles/{name}?purge=1")


async def test_what_is_not_there_is_told(near: Server, there: Server) -> None:
    """No such connection, no such terminal, no consoles at all, nobody logged in."""
    async with caller(near) as here:
        await here.connect("lab", there.url, there.token)
        await here.post(
            "bridge/conns", json={"name": "store", "kind": "folder", "url": str(near.root)}
        )
        for path, expected in (
            ("tail/nowhere:1", 404),
            ("tail/lab:no-such-terminal", 404),
            ("tail/store:1", 501),
            ("consoles?conn=nowhere", 404),
            ("consoles?conn=store", 501),
        ):
            status, problem = await here.ask("GET", f"bridge/{path}")
            assert (status, path) == (expected, path), problem
            assert problem["message"]
        assert "lab:no-such-terminal" not in [c["name"] for c in await here.get("bridge/consoles")]
        await here.ask("PUT", "bridge/conn/lab", json={"action": "logout"})
        # Not lab:1, which another test may have left behind: what is kept can still be read.
        status, problem = await here.ask("GET", "bridge/tail/lab:no-such-terminal")
        assert (status, problem["error"]) == (409, "needs-login")
        await here.ask("DELETE", "bridge/conn/store")


async def test_a_dead_remote_holds_up_no_list(near: Server, far: Server) -> None:
    """What it offered is listed from memory while it does not answer at all."""
    async with caller(near) as here:
        await here.connect("lab", far.url, far.token)
        name = await open_there(here)
        await here.post(f"bridge/send/{name}", data=b"echo be''fore\n")
        await here.tail(name, "before\r\n")
        os.kill(far.process.pid, signal.SIGSTOP)
        try:
            # Long enough for the list to be old, and the remote to be asked for a new one.
            late = time.monotonic() + STALE_SECONDS + 0.5
            while time.monotonic() < late:
                names = [model["name"] for model in await here.get("bridge/consoles")]
                assert name in names
                await asyncio.sleep(0.05)
            assert "before" in await here.get(f"bridge/tail/{name}?lines=10")
        finally:
            os.kill(far.process.pid, signal.SIGCONT)
        await here.post(f"bridge/send/{name}", data=b"echo af''ter\n")
        await here.tail(name, "after\r\n")
        await here.ask("DELETE", f"bridge/consoles/{name}?purge=1")


async def test_nodes_are_consoles_that_resume(near: Server) -> None:
    """A console service's nodes: fan-out, resume by offset, whole characters."""
    async with CrayDouble(["x1000c0"]) as service, caller(near) as here:
        node = service.nodes["x1000c0"]
        await here.connect("cray", service.url, "good", kind="console", nodes=["x1000c0"])
        assert await listed(here, "cray:x1000c0", state="live")
        node.say("boot grün\n".encode())
        await here.tail("cray:x1000c0", "boot grün\n")
        node.say(b"next\n")
        said = await asyncio.gather(*(here.tail("cray:x1000c0", "next\n") for _ in range(5)))
        assert set(said) == {"boot grün\nnext\n"}
        end = (await here.get("bridge/consoles/cray:x1000c0"))["end_offset"]
        node.say(b"later\n")
        await here.tail("cray:x1000c0", "later\n")
        assert await here.get(f"bridge/tail/cray:x1000c0?offset={end}") == "later\n"
        await here.post("bridge/send/cray:x1000c0", data=b"ls\n")
        await until(lambda: node.typed == ["ls\n"], lambda: f"typing, but {node.typed},")


async def test_a_bridge_between_bridges(near: Server, far: Server, plain: Server) -> None:
    """A kernel's console, and a connection's, of the other bridge are consoles here, too."""
    async with caller(near) as here, caller(far) as other:
        await here.connect("lab", far.url, far.token)
        kernel = (await other.post("bridge/spawn/python3"))["id"]
        await other.post(f"bridge/execute/{kernel}", json={"code": "1"})
        name = f"lab:kernel:{kernel}"
        await here.post(f"bridge/send/{quote(name)}", data=b"print('far', 6 * 7)\n")
        assert "far 42" in await here.tail(name, "far 42\n")
        await other.ask("DELETE", f"bridge/shutdown/{kernel}")
        await listed(here, name, state="ended")


async def test_a_journal_outlives_the_server_and_goes_on(tmp_path: Path, far: Server) -> None:
    """A server that comes back after a kill -9 goes on where it was, and has what was missed."""
    folder = tmp_path / "near"
    near = start_server(folder, NEAR)
    try:
        async with caller(near) as here:
            await here.connect("lab", far.url, far.token)
            name = await open_there(here)
            await here.post(f"bridge/send/{name}", data=b"echo on''e\n")
            await here.tail(name, "one\r\n")
            disk = folder / "data"
            await until(lambda: any(b"one\r\n" in f.read_bytes() for f in disk.rglob("0*.log")))
            near.process.kill()
            near.process.wait()
        async with caller(far) as other:
            await other.post(f"bridge/send/{name[4:]}", data=b"echo tw''o\n")
            await other.tail(name[4:], "two\r\n")
        near = start_server(folder, NEAR)
        async with caller(near) as here:
            await here.connect("lab", far.url, far.token)
            said = await here.tail(name, "two\r\n")
            assert (said.count("one\r\n"), said.count("two\r\n")) == (1, 1)
            assert "are not held here" not in said
            await here.ask("DELETE", f"bridge/consoles/{name}?purge=1")
    finally:
        near.stop()


async def test_a_command_runs_there(near: Server, far: Server) -> None:
    """Its exact output and exit status; its state stays; stdout and stderr apart; fresh shells."""
    async with caller(near) as here:
        await here.connect("lab", far.url, far.token)
        ran = await here.post("bridge/run", json={"console": "lab:new", "command": "cd /; X=7"})
        assert (ran["status"], ran["exit_code"], ran["cwd"]) == ("done", 0, "/")
        name = ran["console"]
        assert name.startswith("lab:")
        command = "echo grün $X; printf '\\377'; exit_with() { return 3; }; exit_with"
        ran = await here.post("bridge/run", json={"console": name, "command": command})
        assert (ran["exit_code"], ran["output"]) == (3, "grün 7\n\ufffd")
        exact = base64.b64decode(ran["output_base64"])
        assert exact == "grün 7\n".encode() + b"\xff"
        # The offsets are those of the console here.
        said = await here.get(f"bridge/tail/{name}?offset={ran['start_offset']}&format=ndjson")
        line = json.loads(said.splitlines()[0]) if isinstance(said, str) else said
        data = base64.b64decode(line["base64"]) if "base64" in line else line["data"].encode()
        assert data[: ran["end_offset"] - ran["start_offset"]] == exact.replace(b"\n", b"\r\n")
        split = {
            "console": name,
            "command": "cat; echo out; echo err >&2; false",
            "output": "split",
            "stdin": "in\n",
        }
        ran = await here.post("bridge/run", json=split)
        assert (ran["stdout"], ran["stderr"], ran["exit_code"]) == ("in\nout\n", "err\n", 1)
        again = await here.get(f"bridge/runs/{ran['run']}")
        assert again["stdout"] == "in\nout\n"
        fresh = {
            "console": "lab:",
            "command": "pwd; echo $E; exit 9",
            "cwd": "/tmp",
            "env": {"E": "5"},
        }
        ran = await here.post("bridge/run", json=fresh)
        assert (ran["status"], ran["exit_code"]) == ("session-closed", 9)
        assert ran["output"].startswith("/tmp\n5\n")
        await here.ask("DELETE", f"bridge/consoles/{name}?purge=1")


async def test_a_command_there_is_stopped_and_typed_into(near: Server, far: Server) -> None:
    """Input reaches it, a timeout or a cancel ends it, a busy shell is told."""
    async with caller(near) as here:
        await here.connect("lab", far.url, far.token)
        name = await open_there(here)
        asking = {"console": name, "command": "read line; echo got $line", "queue": True}
        run = await here.post("bridge/run", json=asking, headers={"Prefer": "respond-async"})
        await running(here, run["run"])
        busy = {"console": name, "command": "true"}
        status, problem = await here.ask("POST", "bridge/run", json=busy)
        assert (status, problem["error"]) == (409, "busy")
        status, _ = await here.ask("POST", f"bridge/runs/{run['run']}/input", data=b"me\n")
        assert status == 204
        ended = await here.get(f"bridge/runs/{run['run']}?wait=60")
        assert ended["status"] == "done"
        assert "got me" in ended["output"]
        long = {"console": name, "command": "echo begun; sleep 600", "queue": True}
        cat = {"console": "lab:", "command": "cat; exit 5", "input": "pipe"}
        run = await here.post("bridge/run", json=cat, headers={"Prefer": "respond-async"})
        path = f"bridge/runs/{run['run']}/input?offset="
        assert (await here.ask("POST", f"{path}0", data=b"a\xff"))[0] == 204
        assert (await here.ask("POST", f"{path}2&end=1", data=b"b"))[0] == 204
        ended = await here.get(f"bridge/runs/{run['run']}?wait=60")
        assert (ended["output_base64"], ended["exit_code"]) == ("Yf9i", 5)
        ran = await here.post("bridge/run", json={**long, "timeout": 1})
        assert ran["status"] == "timeout"
        assert ran["output"].startswith("begun\n")
        run = await here.post("bridge/run", json=long, headers={"Prefer": "respond-async"})
        await running(here, run["run"])
        status, _ = await here.ask("DELETE", f"bridge/runs/{run['run']}")
        assert status == 202
        ended = await here.get(f"bridge/runs/{run['run']}?wait=60")
        assert (ended["status"], ended["exit_code"]) == ("cancelled", 130)
        # One that waits for the shell over there is taken out of its queue.
        await here.post(f"bridge/send/{name}", data=b"sleep 600\n")
        await here.tail(name, "sleep 600\r\n")
        run = await here.post("bridge/run", json=long, headers={"Prefer": "respond-async"})
        assert (await here.get(f"bridge/runs/{run['run']}?wait=1"))["status"] == "queued"
        status, _ = await here.ask("DELETE", f"bridge/runs/{run['run']}")
        assert status == 202
        ended = await here.get(f"bridge/runs/{run['run']}?wait=60")
        assert (ended["status"], ended["exit_code"], ended["output"]) == ("cancelled", None, "")
        await here.ask("DELETE", f"bridge/consoles/{name}?purge=1")


async def test_a_command_there_outlives_a_broken_line(near: Server, far: Server) -> None:
    """A server that does not answer for a while is asked again; nothing is lost or typed twice."""
    async with cut_off(far) as (address, cut), caller(near) as here:
        await here.connect("lab", address, far.token)
        name = await open_there(here)
        command = "for i in $(seq 100); do echo line-$i; sleep 0.02; done; echo en''d"
        body = {"console": name, "command": command, "queue": True}
        run = await here.post("bridge/run", json=body, headers={"Prefer": "respond-async"})
        for number in (5, 40, 70):
            await running(here, run["run"], f"line-{number}\n")
            cut()
        ended = await here.get(f"bridge/runs/{run['run']}?wait=60")
        expected = "".join(f"line-{number}\n" for number in range(1, 101)) + "end\n"
        assert (ended["status"], ended["output"]) == ("done", expected)
        await here.ask("DELETE", f"bridge/consoles/{name}?purge=1")


async def test_a_console_service_cannot_run(near: Server) -> None:
    """Nobody knows what reads a node's lines: that is told, with what to do, and nothing typed."""
    async with CrayDouble(["x1"]) as service, caller(near) as here:
        await here.connect("cray", service.url, "good", kind="console", nodes=["x1"])
        body = {"console": "cray:x1", "command": "echo nev''er"}
        status, problem = await here.ask("POST", "bridge/run", json=body)
        assert (status, problem["error"]) == (501, "unsupported")
        assert "send" in problem["message"]
        assert "until" in problem["message"]
        assert service.nodes["x1"].typed == []


async def running(here: Caller, run: str, text: str = "") -> None:
    """Wait until the run is under way, and has written `text`."""

    async def is_there() -> bool:
        model = await here.get(f"bridge/runs/{run}")
        return model["status"] == "running" and text in model["output"]

    await until(is_there, f"running, with {text!r}")
