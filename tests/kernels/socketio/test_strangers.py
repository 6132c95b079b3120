"""What somebody without a login can make the server do: very little, by whatever way in."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from jupyter_bridge.kernels.socketio import visitors
from tests.conftest import Server
from tests.kernels.socketio.test_conformance import (
    CLOSED,
    POLLING,
    WEBSOCKET,
    opened,
    payload,
    polling,
)
from tests.support.kernel_client import Bridge
from tests.support.waiting import PATIENCE
from tests.web.test_request_base import log_in

# How long anybody else may wait for an answer meanwhile on a loaded machine; each of these took
# many seconds, or for ever.
BOUND = 5.0
NESTED = "[" + "[]," * 3_000_000 + "[]]"
DEEP = "[" * 9_000_000

PAYLOADS = {
    "many packets": "\x1e".join(["40/a,"] * 100_000),
    "many empty packets": "\x1e" * 9_000_000,
    "nested lists": f"40/a,{NESTED}",
    "deep lists": f"40/a,{DEEP}",
    "nested lists in the engine's packet": f"3{NESTED}",
    "deep lists in the engine's packet": f"4{DEEP}",
    "an event before any namespace": '42/a,["msg",{}]',
    "a binary event": '451-/a,["msg",{}]',
    "a namespace without an end": "40/" + "a" * 9_000_000,
    "two CONNECTs": "40/a,\x1e40/b,",
    "many pongs": "\x1e".join(["3"] * 100),
    "a ping": "2",
    "a probe": "2probe",
}


@asynccontextmanager
async def others_are_answered(bridge: Bridge) -> AsyncIterator[None]:
    """Somebody else asks all the time, and never waits longer than BOUND."""
    worst, done = 0.0, asyncio.Event()

    async def ask() -> None:
        nonlocal worst
        while not done.is_set():
            began = time.monotonic()
            assert (await bridge.get("/")).status == 200
            worst = max(worst, time.monotonic() - began)
            await asyncio.sleep(0.02)

    asking = asyncio.create_task(ask())
    try:
        yield
    finally:
        done.set()
        await asking
    assert worst < BOUND


class Nobody:
    """A connection without credentials."""

    def __init__(self, bridge: Bridge, session: aiohttp.ClientSession, sid: str = "") -> None:
        self.bridge, self.session, self.sid = bridge, session, sid

    async def ask(self, method: str, body: bytes | None = None, **headers: str) -> int:
        """The status; 0 where the server hung up before it had taken everything."""
        url = self.bridge.url(f"{POLLING}&sid={self.sid}" if self.sid else POLLING)
        try:
            async with self.session.request(
                method, url, data=io.BytesIO(body) if body else None, headers=headers
            ) as answer:
                said = await answer.read()
        except aiohttp.ClientError:
            return 0
        if not self.sid and answer.status == 200:
            self.sid = payload(said.decode(), "0")["sid"]
        return answer.status


@asynccontextmanager
async def nobody(bridge: Bridge) -> AsyncIterator[Nobody]:
    async with aiohttp.ClientSession() as session:
        made = Nobody(bridge, session)
        assert await made.ask("GET") == 200
        yield made


@pytest.mark.parametrize("text", PAYLOADS.values(), ids=PAYLOADS.keys())
async def test_posting(bridge: Bridge, text: str) -> None:
    """Whatever a stranger posts beside one CONNECT ends the connection, is no error of the
    server's, and holds nobody up.
    """
    async with nobody(bridge) as one, others_are_answered(bridge):
        assert await one.ask("POST", text.encode()) in (400, 413, 0)
        assert await one.ask("GET") == 400


@pytest.mark.parametrize("text", PAYLOADS.values(), ids=PAYLOADS.keys())
async def test_posting_with_a_login(bridge: Bridge, text: str) -> None:
    """The same of a user holds nobody up either, and is no error of the server's."""
    async with polling(bridge) as one, others_are_answered(bridge):
        made = Nobody(bridge, bridge.session, one.sid)
        assert await made.ask("POST", text.encode(), **bridge.headers) in (200, 400)


FRAMES: dict[str, list[str | bytes]] = {
    "an event": ['42/a,["msg",{}]'],
    "something large": ["40/a," + "x" * 100_000],
    "nested lists": [f"40/a,{NESTED}"],
    "bytes": [b"\x01"],
    "a second CONNECT": ["40/a,", "40/b,"],
    "many frames": ["3"] * 20_000,
}


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES.keys())
async def test_frames(bridge: Bridge, frames: list[str | bytes]) -> None:
    """Frames of a stranger's websocket beside one CONNECT close it."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(bridge.url(WEBSOCKET)) as socket,
        others_are_answered(bridge),
    ):
        try:
            for frame in frames:
                await (
                    socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame)
                )
        except (aiohttp.ClientError, ConnectionError):
            return  # closed already
        while (await asyncio.wait_for(socket.receive(), PATIENCE)).type not in CLOSED:
            pass


async def test_how_many(servers: Callable[..., Server], connect: Callable[..., Bridge]) -> None:
    """There is room for so many strangers; a user finds room always."""
    bridge = connect(servers(files={}))
    async with aiohttp.ClientSession() as session:
        made = [Nobody(bridge, session) for _ in range(visitors.MAX_ANONYMOUS + 10)]
        statuses = [await one.ask("GET") for one in made]
        assert statuses == [200] * visitors.MAX_ANONYMOUS + [409] * 10
        async with opened(bridge), polling(bridge):
            pass


async def test_nothing_stays_of_them(
    servers: Callable[..., Server], connect: Callable[..., Bridge]
) -> None:
    """A connection that was sent away leaves no task, not even the one that would ping it."""
    bridge = connect(
        servers(
            "--ServerApp.jpserver_extensions=tests.support.counting=True",
            PYTHONPATH=str(Path(__file__).parents[3]),
        )
    )

    async def tasks() -> int:
        return int((await bridge.get("/counted", host=True)).json["tasks"])

    async with aiohttp.ClientSession() as session:
        before = 0
        for number in range(60):
            one = Nobody(bridge, session)
            assert await one.ask("GET") == 200
            assert await one.ask("POST", b"2") == 400
            if number == 9:
                before = await tasks()  # the engine's own task has begun
        assert await tasks() <= before + 2


async def test_a_token_makes_it_a_user_s(
    bridge: Bridge, bridge_server: Server, kernel: str
) -> None:
    """After one CONNECT with the token a connection may send what any other may."""
    async with nobody(bridge) as one:
        auth = json.dumps({"token": bridge_server.token})
        both = f"40/shell/{kernel},{auth}\x1e40/iopub/{kernel},{auth}"
        assert await one.ask("POST", both.encode()) == 200
        assert await one.ask("POST", f'42/shell/{kernel},["x","{"y" * 100_000}"]'.encode()) == 200
        assert await one.ask("GET", Authorization="token wrong") == 403


async def how_refused(
    bridge: Bridge, sid: str, headers: dict[str, str], cookies: dict[str, str]
) -> list[int]:
    """What a poll, a POST and a websocket's handshake with this id are answered."""
    path = f"{POLLING}&sid={sid}"
    async with aiohttp.ClientSession(cookies=cookies, headers=headers) as session:
        statuses = []
        for method, body in (("GET", None), ("POST", b'42/a,["msg",{}]')):
            async with session.request(method, bridge.url(path), data=body) as answer:
                statuses.append(answer.status)
        try:
            async with session.ws_connect(bridge.url(f"{WEBSOCKET}&sid={sid}")):
                statuses.append(101)
        except aiohttp.WSServerHandshakeError as error:
            statuses.append(error.status)
    return statuses


@pytest.mark.parametrize("who", ["nobody", "a wrong token", "another user"])
async def test_somebody_s_id(bridge: Bridge, bridge_server: Server, who: str) -> None:
    """An engine id without its owner is worth nothing, by any transport."""
    headers, cookies = {}, {}
    if who == "a wrong token":
        headers = {"Authorization": "token wrong"}
    elif who == "another user":
        cookies = dict(await log_in(bridge_server))
        headers = {"X-XSRFToken": cookies.get("_xsrf", "")}
    async with polling(bridge) as one:
        assert await how_refused(bridge, one.sid, headers, cookies) == [403, 403, 403]
        assert (await one.post("3")).status == 200


async def test_after_logout(bridge: Bridge, bridge_server: Server) -> None:
    """A browser's connection ends with its login."""
    cookies: dict[str, Any] = dict(await log_in(bridge_server))
    async with aiohttp.ClientSession() as session:
        path = bridge.url(POLLING)
        shown = "; ".join(f"{name}={value}" for name, value in cookies.items())
        async with session.get(path, headers={"Cookie": shown}) as answer:
            assert answer.status == 200
            sid = payload((await answer.text()), "0")["sid"]
        xsrf = {"Cookie": shown, "X-XSRFToken": cookies["_xsrf"]}
        async with session.post(f"{path}&sid={sid}", data=b"3", headers=xsrf) as answer:
            assert answer.status == 200
    without = {name: value for name, value in cookies.items() if name == "_xsrf"}
    refused = await how_refused(bridge, sid, {"X-XSRFToken": cookies["_xsrf"]}, without)
    assert refused == [403, 403, 403]


async def test_ids_are_not_logged(bridge: Bridge, bridge_server: Server) -> None:
    """The log has no engine ids."""
    async with polling(bridge) as one:
        assert (await bridge.call("PUT", f"{POLLING}&sid={one.sid}")).status == 405
        assert one.sid not in bridge_server.log.read_text()
    assert "sid=[secret]" in bridge_server.log.read_text()


BODIES = ["/bridge/interrupt/x", "/bridge/execute/x", "/bridge/channels/x", "/bridge/nothing"]


@pytest.mark.parametrize("route", BODIES)
async def test_bodies(bridge: Bridge, route: str) -> None:
    """A body without a login is answered 403 before it is read, whatever size it has."""
    url = bridge.url(route.removeprefix("/bridge"))
    async with aiohttp.ClientSession() as session, others_are_answered(bridge):
        async with session.post(url, data=io.BytesIO(b"a&" * (1 << 20))) as answer:
            assert answer.status == 403

        async def half() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.sleep(PATIENCE)

        began = time.monotonic()
        headers = {"Content-Length": str(400 << 20)}
        async with session.post(url, data=half(), headers=headers) as answer:
            assert answer.status == 403
        assert time.monotonic() - began < PATIENCE / 2


async def test_bodies_of_users(bridge: Bridge) -> None:
    """A user's body that is too large is answered 413, also where it does not say its size."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * (1 << 16)

    for body in (io.BytesIO(b" " * (4 << 20)), pieces()):
        sent = bridge.session.post(bridge.url("/run"), data=body, headers=bridge.headers)
        async with sent as answer:
            assert answer.status == 413
            assert (await answer.json())["limit"] == 1 << 20
