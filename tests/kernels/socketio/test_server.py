"""socket.io, spoken by python-socketio's client and by bare HTTP polling."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import socketio

from tests.conftest import Server
from tests.kernels.handlers.test_channels import COMM, OWNER, config
from tests.support.kernel_client import Bridge, expect_problem, is_status
from tests.support.waiting import PATIENCE, until
from tests.web.test_request_base import log_in

BOTH = pytest.mark.parametrize("transport", ["websocket", "polling"])


class Client:
    """One connection; events by namespace."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.http: aiohttp.ClientSession | None = None
        self._make()

    def _make(self, session: aiohttp.ClientSession | None = None) -> None:
        self.io = socketio.AsyncClient(reconnection=False, http_session=session)
        self.heard: dict[str, asyncio.Queue[Any]] = {}
        self.io.on("msg", self._on_msg, namespace="*")
        self.io.on("problem", self._on_problem, namespace="*")

    async def close(self) -> None:
        await self.io.disconnect()
        await self.io.wait()
        if self.http is not None:
            await self.http.close()

    def _on_msg(self, namespace: str, message: Any) -> None:
        self.queue(namespace).put_nowait(message)

    def _on_problem(self, namespace: str, problem: Any) -> None:
        self.queue(namespace).put_nowait({"problem": problem})

    def queue(self, namespace: str) -> asyncio.Queue[Any]:
        return self.heard.setdefault(namespace, asyncio.Queue())

    async def connect(self, *namespaces: str, transport: str = "websocket", **how: Any) -> None:
        how.setdefault("headers", self.bridge.headers)
        if transport == "polling":
            # Its own headers the client sends with the handshake alone; a session's, always.
            self.http = aiohttp.ClientSession(headers=how.pop("headers"))
            self._make(self.http)
        await self.io.connect(
            self.bridge.server.url,
            socketio_path=how.pop("path", "bridge/socket.io"),
            namespaces=list(namespaces),
            transports=[transport],
            wait_timeout=int(PATIENCE),
            **how,
        )

    async def send(self, namespace: str, msg_type: str, content: Any, **more: Any) -> str:
        msg_id = uuid.uuid4().hex
        header = {"msg_id": msg_id, "msg_type": msg_type, "session": "io", "version": "5.3"}
        message = {"header": {**header, "username": "", "date": "2026-01-01T00:00:00Z"}}
        await self.io.emit(
            "msg",
            {"parent_header": {}, "metadata": {}, "content": content, **message, **more},
            namespace=namespace,
        )
        return msg_id

    async def execute(self, namespace: str, code: str, **content: Any) -> str:
        body = {"code": code, "silent": False, "allow_stdin": False, **content}
        return await self.send(namespace, "execute_request", body)

    async def receive(self, namespace: str) -> Any:
        return await asyncio.wait_for(self.queue(namespace).get(), PATIENCE)

    async def until(self, namespace: str, msg_type: str) -> list[Any]:
        got = []
        while True:
            got.append(await self.receive(namespace))
            if "problem" in got[-1] and msg_type != "problem":
                raise AssertionError(got[-1])
            if "problem" in got[-1] or got[-1]["header"]["msg_type"] == msg_type:
                return got


@asynccontextmanager
async def client(bridge: Bridge) -> AsyncIterator[Client]:
    made = Client(bridge)
    try:
        yield made
    finally:
        await made.close()


async def forgotten(bridge: Bridge, kernel: str) -> None:
    async def none() -> bool:
        return bool((await bridge.relay(kernel))["clients"] == 0)

    await until(none, "leaving every seat")


@BOTH
async def test_execute(bridge: Bridge, kernel: str, transport: str) -> None:
    """Per-channel namespaces of one connection are one client: shell, iopub, and stdin."""
    shell, iopub, stdin = (f"/{c}/{kernel}" for c in ("shell", "iopub", "stdio"))
    async with client(bridge) as io:
        await io.connect(shell, iopub, stdin, transport=transport)
        msg_id = await io.execute(shell, "print(input('Who?'))", allow_stdin=True)
        (request,) = await io.until(stdin, "input_request")
        assert request["content"]["prompt"] == "Who?"
        await io.send(
            *(stdin, "input_reply", {"status": "ok", "value": "me"}),
            parent_header=request["header"],
        )
        (reply,) = await io.until(shell, "execute_reply")
        assert reply["parent_header"]["msg_id"] == msg_id
        assert reply["content"]["status"] == "ok"
        streams = [
            m for m in await io.until(iopub, "stream") if m["header"]["msg_type"] == "stream"
        ]
        assert streams[0]["content"]["text"] == "me\n"
        assert streams[0].keys() >= {"header", "parent_header", "metadata", "content", "buffers"}
    await forgotten(bridge, kernel)


@BOTH
async def test_channels_and_buffers(bridge: Bridge, kernel: str, transport: str) -> None:
    """The multiplexed namespace names channels, and binary buffers arrive as they were."""
    channels = f"/channels/{kernel}"
    buffers = [bytes(range(256)), b"\x00"]
    async with client(bridge) as io:
        await io.connect(channels, transport=transport)
        await io.execute(channels, COMM)
        reply = (await io.until(channels, "execute_reply"))[-1]
        assert reply["channel"] == "shell"
        comm = {"comm_id": uuid.uuid4().hex, "data": {}}
        await io.send(channels, "comm_open", {**comm, "target_name": "bridge-echo"})
        await io.send(channels, "comm_msg", comm, buffers=buffers, channel="shell")
        echo = (await io.until(channels, "comm_msg"))[-1]
    assert [bytes(b) for b in echo["buffers"]] == buffers
    assert echo["channel"] == "iopub"


async def test_order(bridge: Bridge, kernel: str) -> None:
    """Many messages in a row keep their order, both ways."""
    shell, iopub = f"/shell/{kernel}", f"/iopub/{kernel}"
    async with client(bridge) as io:
        await io.connect(shell, iopub)
        ids = [await io.execute(shell, f"print({i})") for i in range(60)]
        replies = [(await io.until(shell, "execute_reply"))[-1] for _ in ids]
        assert [r["parent_header"]["msg_id"] for r in replies] == ids
        texts = ""
        while texts.count("\n") < 60:
            texts += (await io.until(iopub, "stream"))[-1]["content"]["text"]
        assert texts == "".join(f"{i}\n" for i in range(60))


async def test_whole_path_as_namespace(bridge: Bridge, kernel: str) -> None:
    """kernel-relay's clients connect at /socket.io with their whole path as the namespace."""
    namespace = f"/bridge/shell/{kernel}"
    async with client(bridge) as io:
        await io.connect(namespace, path="socket.io")
        await io.send(namespace, "kernel_info_request", {})
        assert await io.until(namespace, "kernel_info_reply")


@BOTH
async def test_token_in_auth(
    bridge: Bridge, bridge_server: Server, kernel: str, transport: str
) -> None:
    """A connection without credentials may show `auth: {token}` to a namespace."""
    shell = f"/shell/{kernel}"
    async with client(bridge) as io:
        await io.connect(
            shell, headers={}, auth={"token": bridge_server.token}, transport=transport
        )
        await io.execute(shell, "1")
        assert await io.until(shell, "execute_reply")


@pytest.mark.parametrize("auth", [None, {"token": "wrong"}, {"token": 7}, {}])
async def test_refused_without_a_user(bridge: Bridge, kernel: str, auth: Any) -> None:
    """Without credentials, or with a wrong token, a namespace is refused."""
    async with client(bridge) as io:
        with pytest.raises(socketio.exceptions.ConnectionError):
            await io.connect(f"/shell/{kernel}", headers={}, auth=auth)
    await forgotten(bridge, kernel)


async def test_stranger_is_closed(bridge: Bridge) -> None:
    """A connection that shows nothing is closed after a few seconds."""
    url = bridge.server.url + "bridge/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        opened = await asyncio.wait_for(socket.receive(), PATIENCE)
        assert opened.data[0] == "0"
        while True:
            got = await asyncio.wait_for(socket.receive(), PATIENCE)
            if got.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                break


async def test_wrong_token_in_the_header(bridge: Bridge) -> None:
    """A wrong token at the handshake is 403, not a login page."""
    answer = await bridge.get(
        "/socket.io/?EIO=4&transport=polling", headers={"Authorization": "token wrong"}
    )
    expect_problem(answer, 403, "denied")


async def test_foreign_origin(bridge: Bridge, bridge_server: Server) -> None:
    """A foreign origin with a cookie is 403, polling and websocket alike, also to read."""
    cookies = await log_in(bridge_server)
    cookie = "; ".join(f"{k}={v}" for k, v in cookies.items())
    browser = {"Authorization": "", "Cookie": cookie}
    query = "/socket.io/?EIO=4&transport="
    evil = {**browser, "Origin": "http://evil.example"}
    expect_problem(await bridge.get(f"{query}polling", headers=evil), 403, "denied")
    expect_problem(await bridge.handshake(f"{query}websocket", **evil), 403, "denied")
    own = {**browser, "Origin": bridge_server.url.rstrip("/")}
    opened = await bridge.get(f"{query}polling", headers=own)
    assert opened.status == 200
    sid = json.loads(opened.body[1:])["sid"]
    blind = await bridge.post(f"{query}polling&sid={sid}", data=b"40", headers=browser)
    expect_problem(blind, 403, "denied")
    anonymous = await bridge.get(f"{query}polling&sid={sid}", headers={})
    expect_problem(anonymous, 403, "denied")


@pytest.mark.parametrize("namespace", ["/", "/heartbeat/{id}", "/shell/no-such", "/shell"])
async def test_unknown_namespace(bridge: Bridge, kernel: str, namespace: str) -> None:
    """A namespace that is no channel of a kernel is refused."""
    async with client(bridge) as io:
        with pytest.raises(socketio.exceptions.ConnectionError):
            await io.connect(namespace.format(id=kernel))


@pytest.mark.parametrize(
    "message", [None, "text", [], {"header": 7}, {"header": {}}, {"content": {}}]
)
async def test_malformed_message(bridge: Bridge, kernel: str, message: Any) -> None:
    """An event that is no Jupyter message gets a `problem`, and the namespace ends."""
    shell = f"/shell/{kernel}"
    async with client(bridge) as io:
        await io.connect(shell)
        await io.io.emit("msg", message, namespace=shell)
        problem = (await io.until(shell, "problem"))[-1]["problem"]
        assert problem["error"] == "bad-request"
    await forgotten(bridge, kernel)


async def test_sending_on_iopub(bridge: Bridge, kernel: str) -> None:
    """Nothing can be sent on iopub; the kernel's line is not hurt."""
    iopub = f"/iopub/{kernel}"
    async with client(bridge) as io:
        await io.connect(iopub)
        await io.execute(iopub, "1")
        assert (await io.until(iopub, "problem"))[-1]["problem"]["error"] == "bad-request"
    assert (await bridge.execute(kernel, "1", timeout=20))["status"] == "ok"


async def test_observer(servers: Callable[..., Server], connect: Callable[..., Bridge]) -> None:
    """Each namespace is authorized: who may only read has iopub, and may not send there."""
    rule = "return action == 'read' or handler.request.headers.get('X-Role') == 'owner'"
    bridge = connect(servers(files=config(rule)))
    kernel_id = str((await bridge.post("/spawn/python3", {}, headers=OWNER)).json["id"])
    channels = f"/channels/{kernel_id}"
    async with client(bridge) as io:
        await io.connect(channels)
        await bridge.post(f"/execute/{kernel_id}", {"code": "print(1)"}, headers=OWNER)
        assert await io.until(channels, "stream")
        await io.execute(channels, "1")
        assert (await io.until(channels, "problem"))[-1]["problem"]["error"] == "denied"
    async with client(bridge) as io:
        with pytest.raises(socketio.exceptions.ConnectionError):
            await io.connect(f"/shell/{kernel_id}")
    await bridge.delete(f"/shutdown/{kernel_id}", headers=OWNER)


async def test_shutdown(bridge: Bridge) -> None:
    """A kernel's end is told as status dead and a problem, and ends the namespace."""
    kernel_id = await bridge.spawn()
    iopub = f"/iopub/{kernel_id}"
    async with client(bridge) as io:
        await io.connect(iopub)
        await bridge.delete(f"/shutdown/{kernel_id}")
        *_, last, problem = await io.until(iopub, "problem")
        assert is_status(last, "dead")
        assert problem["problem"]["error"] == "gone"


async def test_large_message(bridge: Bridge, kernel: str) -> None:
    """Messages of several MB pass in both directions."""
    shell, iopub = f"/shell/{kernel}", f"/iopub/{kernel}"
    async with client(bridge) as io:
        await io.connect(shell, iopub)
        await io.execute(shell, f"print(len('{'x' * (3 << 20)}')); print('y' * {3 << 20})")
        text = ""
        while len(text) < 3 << 20:
            text += (await io.until(iopub, "stream"))[-1]["content"]["text"]
        assert text == f"{3 << 20}\n" + "y" * (3 << 20) + "\n"
