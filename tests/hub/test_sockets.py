"""Websockets and socket.io through a real hub's proxy."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from jupyter_bridge.wire import console as wire
from tests.conftest import Server
from tests.kernels.conftest import connect
from tests.kernels.handlers.test_channels import COMM
from tests.kernels.socketio.test_server import BOTH, Client
from tests.support.console_client import bridge_of, frame, said
from tests.support.hub import ACCESS, RunningHub, needs_hub
from tests.support.hub_browser import Session, log_in
from tests.support.kernel_client import V1, Bridge, expect_problem, is_type, text_of

__all__ = ["connect"]  # a fixture

pytestmark = [needs_hub, pytest.mark.timeout(300)]

SEATS = ("channels", "shell", "iopub", "stdin", "stdio", "control")


@pytest.fixture(scope="module")
def server(hub: RunningHub) -> Server:
    return hub.server_of("mia")


@pytest.fixture(scope="module")
def browser(hub: RunningHub, server: Server) -> Session:
    return asyncio.run(log_in(hub, "mia"))


@pytest.fixture
def bridge(server: Server, connect: Callable[..., Bridge]) -> Bridge:
    """mia, with a token of hers."""
    return connect(server)


@pytest.mark.parametrize("v1", [True, False])
@pytest.mark.parametrize("how", ["token", "cookie", "subprotocol"])
async def test_channels(
    server: Server,
    browser: Session,
    bridge: Bridge,
    connect: Callable[..., Bridge],
    v1: bool,
    how: str,
) -> None:
    """Both protocols pass the proxy, binary buffers too, with each kind of credentials."""
    buffers = (bytes(range(256)), b"", b"\xff\x00\xff")
    origin = "/".join(server.url.split("/")[:3])
    client = {
        "token": lambda: bridge,
        "cookie": lambda: connect(server, {"Cookie": browser.cookie, "Origin": origin}),
        "subprotocol": lambda: connect(server, {}),
    }[how]()
    protocols = [V1] if v1 else []
    if how == "subprotocol":
        protocols.append(f"v1.token.websocket.jupyter.org.{server.token}")
    async with (
        bridge.kernel() as kernel_id,
        client.seat(kernel_id, v1=v1, protocols=tuple(protocols)) as seat,
    ):
        assert text_of(await seat.run("print('through the proxy')")) == "through the proxy\n"
        await seat.run(COMM)
        comm = uuid.uuid4().hex
        opened = {"comm_id": comm, "target_name": "bridge-echo", "data": {}}
        await seat.send("comm_open", opened)
        await seat.send("comm_msg", {"comm_id": comm, "data": {}}, buffers=buffers)
        echo = (await seat.until(is_type("comm_msg")))[-1]
        assert tuple(bytes(b) for b in echo["buffers"]) == buffers


@BOTH
@pytest.mark.parametrize("how", ["token", "auth", "cookie"])
async def test_socketio(
    server: Server, browser: Session, bridge: Bridge, transport: str, how: str
) -> None:
    """socket.io runs through the proxy over both transports, with each kind of credentials."""
    options: dict[str, Any] = {
        "token": {},
        "auth": {"headers": {}, "auth": {"token": server.token}},
        "cookie": {"headers": {"Cookie": browser.cookie, "X-XSRFToken": browser.xsrf}},
    }[how]
    path = server.url.split("/", 3)[3] + "bridge/socket.io"
    async with bridge.kernel() as kernel_id:
        shell, iopub = f"/shell/{kernel_id}", f"/iopub/{kernel_id}"
        client = Client(bridge)
        try:
            await client.connect(shell, iopub, transport=transport, path=path, **options)
            await client.execute(shell, "print('far')")
            assert (await client.until(iopub, "stream"))[-1]["content"]["text"] == "far\n"
            assert (await client.until(shell, "execute_reply"))[-1]["content"]["status"] == "ok"
        finally:
            await client.close()


async def test_a_page_of_another_user_is_nobody(browser: Session, bridge: Bridge) -> None:
    """A script of this hub's origin has the cookie but not the XSRF token: it polls as nobody."""
    script = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
    headers = {"Cookie": browser.cookie, **script}
    path = f"{bridge.server.url}bridge/socket.io/?EIO=4&transport=polling"
    async with bridge.kernel() as kernel_id, aiohttp.ClientSession() as session:
        async with session.get(path, headers=headers) as got:
            sid = (await got.text()).split('"sid":"')[1].split('"')[0]
        # Without any credentials: a connection of mia's would be refused here.
        async with session.post(f"{path}&sid={sid}", data=f"40/iopub/{kernel_id},") as put:
            assert put.status == 200
        async with session.get(f"{path}&sid={sid}", headers=headers) as answer:
            assert '"denied"' in await answer.text()


async def test_consoles(server: Server) -> None:
    """tail and interact pass the proxy, frames and texts, and the size of the window."""
    async with bridge_of(server) as bridge:
        name = await bridge.open("exec sh -i", env={"PS1": "$ ", "ENV": None})
        async with bridge.socket(f"interact/{name}") as typing:
            await said(typing, b"$ ")
            await typing.send_bytes(wire.to_client_frame(wire.Resize(37, 111)))
            async with bridge.socket(f"tail/{name}?offset=0&follow=true") as watching:
                assert (await frame(watching, wire.Start)).about["name"] == name
                await typing.send_bytes(wire.to_client_frame(wire.Input(b"stty size\r")))
                await said(watching, b"37 111")
        async with bridge.socket(f"interact/{name}?lines=0", v1=False) as lines:
            await lines.send_str("echo of-$((6*7))")
            text = ""
            while "of-42" not in text:
                text += (await lines.receive()).data


async def test_run(server: Server) -> None:
    """A command's output and status come through, as one answer and as a stream."""
    async with bridge_of(server) as bridge:
        body = {"command": "echo $JUPYTERHUB_USER; exit 3"}
        status, run = await bridge.ask("POST", "run", json=body)
        assert (status, run["output"], run["exit_code"]) == (200, "mia\n", 3)
        headers = {**server.headers, "Accept": "application/x-ndjson"}
        async with bridge.session.post(bridge.url("run"), json=body, headers=headers) as answer:
            assert answer.content_type == "application/x-ndjson"
            last = json.loads((await answer.text()).strip().splitlines()[-1])
            assert (last["event"], last["data"]["exit_code"]) == ("done", 3)


@pytest.mark.parametrize("who", ["nobody", "another user", "no scope", "a foreign page"])
async def test_refused(
    hub: RunningHub, browser: Session, bridge: Bridge, connect: Callable[..., Bridge], who: str
) -> None:
    """Whoever may not use the server gets no websocket and no socket.io namespace of it."""
    token = {
        "another user": lambda: hub.user_token("tom", ACCESS),
        "no scope": lambda: hub.user_token("mia", ["read:users:name!user"]),
    }.get(who, lambda: "")()
    headers = {"Authorization": f"token {token}"} if token else {}
    if who == "a foreign page":
        headers = {"Cookie": browser.cookie, "Origin": "http://evil.example"}
    stranger = connect(bridge.server, headers)
    async with bridge.kernel() as kernel_id:
        for seat in SEATS:
            expect_problem(await stranger.handshake(f"/{seat}/{kernel_id}"), 403, "denied")
        async with bridge_of(bridge.server) as consoles:
            name = await consoles.open("sleep 99")
            for way in ("tail", "interact"):
                expect_problem(await stranger.handshake(f"/{way}/{name}"), 403, "denied")
        path = f"{bridge.server.url}bridge/socket.io/?EIO=4&transport=polling"
        async with aiohttp.ClientSession() as session, session.get(path, headers=headers) as got:
            if headers:
                assert got.status == 403
                return
            # Without credentials an engine may wait for a namespace's token, and for nothing else.
            assert got.status == 200
            sid = (await got.text()).split('"sid":"')[1].split('"')[0]
            bare = f"{path}&sid={sid}"
            async with session.post(bare, data=f'40/shell/{kernel_id},{{"token":"wrong"}}') as put:
                assert put.status == 200
            async with session.get(bare) as answer:
                text = await answer.text()
                assert text.startswith(f"44/shell/{kernel_id},"), text
                assert '"denied"' in text
