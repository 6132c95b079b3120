"""A client for tests of kernels: HTTP, and websockets with Jupyter's own serialization."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import aiohttp
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
    serialize_binary_message,
    serialize_msg_to_ws_v1,
)

from tests.conftest import Server
from tests.support.waiting import PATIENCE

V1 = "v1.kernel.websocket.jupyter.org"
Message = dict[str, Any]


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:500]!r}>"


@dataclass
class Closed(Exception):
    """The server closed the websocket, after this Problem."""

    code: int | None
    problem: Any = None


@dataclass
class Seat:
    """A websocket to a kernel, with the subprotocol v1 or the default one."""

    socket: aiohttp.ClientWebSocketResponse[Any]
    v1: bool
    session: str
    seen: list[Message] = field(default_factory=list)

    async def send(
        self,
        msg_type: str,
        content: dict[str, Any] | None = None,
        *,
        channel: str | None = "shell",
        buffers: tuple[bytes, ...] = (),
        msg_id: str | None = None,
        parent: Message | None = None,
    ) -> str:
        """Send a message and return its id."""
        msg_id = msg_id or uuid.uuid4().hex
        header = {
            "msg_id": msg_id,
            "msg_type": msg_type,
            "session": self.session,
            "username": "tester",
            "date": datetime.now(timezone.utc).isoformat(),
            "version": "5.3",
        }
        message: Message = {
            "header": header,
            "parent_header": parent["header"] if parent else {},
            "metadata": {},
            "content": content or {},
            "buffers": list(buffers),
        }
        if self.v1:
            names = ("header", "parent_header", "metadata", "content")
            parts = [*(json.dumps(message[name]).encode() for name in names), *buffers]
            frame = serialize_msg_to_ws_v1(parts, channel)
            await self.socket.send_bytes(frame if isinstance(frame, bytes) else b"".join(frame))
        else:
            if channel is not None:
                message["channel"] = channel
            if buffers:
                await self.socket.send_bytes(serialize_binary_message(message))
            else:
                await self.socket.send_str(json.dumps(message))
        return msg_id

    async def execute(self, code: str, *, channel: str | None = "shell", **content: Any) -> str:
        return await self.send(
            "execute_request",
            {"code": code, "silent": False, "allow_stdin": False, **content},
            channel=channel,
        )

    async def receive(self, timeout: float = PATIENCE) -> Message:
        """Return the next message; raises Closed if the server closes the websocket."""
        got = await asyncio.wait_for(self.socket.receive(), timeout)
        if got.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
            raise Closed(self.socket.close_code)
        message = self._decode(got)
        if "error" in message and "header" not in message:
            last = await asyncio.wait_for(self.socket.receive(), timeout)
            assert last.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
            raise Closed(self.socket.close_code, message)
        self.seen.append(message)
        return message

    def _decode(self, got: aiohttp.WSMessage) -> Message:
        if got.type == aiohttp.WSMsgType.TEXT:
            return cast("Message", json.loads(got.data))
        if not self.v1:
            return cast("Message", deserialize_binary_message(got.data))
        channel, parts = deserialize_msg_from_ws_v1(got.data)
        names = ("header", "parent_header", "metadata", "content")
        message = {name: json.loads(bytes(part)) for name, part in zip(names, parts, strict=False)}
        return {**message, "channel": channel, "buffers": [bytes(part) for part in parts[4:]]}

    async def until(self, found: Callable[[Message], bool]) -> list[Message]:
        """Return all messages up to the first one for which `found` is true."""
        got = []
        while True:
            got.append(await self.receive())
            if found(got[-1]):
                return got

    async def run(self, code: str, **content: Any) -> list[Message]:
        """Execute code and return its messages in order, until reply and idle have arrived."""
        msg_id = await self.execute(code, **content)
        return await self.settle(msg_id)

    async def settle(self, msg_id: str) -> list[Message]:
        mine: list[Message] = []
        replied = idle = False
        while not (replied and idle):
            message = await self.receive()
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            mine.append(message)
            replied = replied or message["channel"] in ("shell", "control")
            idle = idle or is_status(message, "idle")
        return mine

    async def ended(self) -> Closed:
        """Wait until the server closes the websocket, and return how."""
        try:
            while True:
                await self.receive()
        except Closed as closed:
            return closed


class Bridge:
    """A client of one server; `headers` are sent with every request."""

    def __init__(self, server: Server, headers: dict[str, str]) -> None:
        self.server = server
        self.headers = headers
        self.base = server.url + "bridge"
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=90), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
        host: bool = False,
    ) -> Answer:
        """Send a request below /bridge, or with `host` below the server's base URL."""
        all_headers = {**self.headers, **(headers or {})}
        if body is not None:
            data = json.dumps(body).encode()
            all_headers.setdefault("Content-Type", "application/json")
        url = self.url(path, host=host)
        async with self.session.request(
            method,
            url,
            headers=all_headers,
            allow_redirects=False,
            data=io.BytesIO(data) if data is not None else None,
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    def url(self, path: str, *, host: bool = False) -> str:
        return (self.server.url.rstrip("/") if host else self.base) + path

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return await self.call("POST", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        return await self.call("DELETE", path, **more)

    async def execute(self, kernel_id: str, code: str, **body: Any) -> Any:
        """Execute code, and return the complete answer."""
        answer = await self.post(f"/execute/{kernel_id}", {"code": code, **body})
        assert answer.status == 200, answer
        return answer.json

    async def spawn(self, kernelspec: str = "python3", body: Any = None) -> str:
        answer = await self.post(f"/spawn/{kernelspec}", body or {})
        assert answer.status == 201, answer
        return str(answer.json["id"])

    @asynccontextmanager
    async def kernel(self, kernelspec: str = "python3", body: Any = None) -> AsyncIterator[str]:
        """Run a kernel during the block; yields its id."""
        kernel_id = await self.spawn(kernelspec, body)
        try:
            yield kernel_id
        finally:
            await self.delete(f"/shutdown/{kernel_id}")

    async def relay(self, kernel_id: str) -> Any:
        return (await self.get(f"/kernels/{kernel_id}")).json["relay"]

    @asynccontextmanager
    async def seat(
        self,
        kernel_id: str,
        seat: str = "channels",
        *,
        v1: bool = True,
        session: str | None = None,
        after: str | None = None,
        headers: dict[str, str] | None = None,
        protocols: tuple[str, ...] | None = None,
        host: bool = False,
        read_limit: int | None = None,
    ) -> AsyncIterator[Seat]:
        """Open a websocket during the block; raises WSServerHandshakeError if it is refused."""
        session = session if session is not None else uuid.uuid4().hex
        query = f"?session_id={session}" + (f"&after={after}" if after is not None else "")
        path = f"/api/kernels/{kernel_id}/channels" if host else f"/{seat}/{kernel_id}"
        offered = protocols if protocols is not None else ((V1,) if v1 else ())
        async with self.session.ws_connect(
            self.url(path + query, host=host),
            headers={**self.headers, **(headers or {})},
            protocols=offered,
            max_msg_size=0,
        ) as socket:
            assert (socket.protocol == V1) == v1, socket.protocol
            yield Seat(socket, v1, session)

    async def handshake(self, path: str, **headers: str) -> Answer:
        """Return the HTTP answer to a websocket handshake, whatever its status."""
        return await self.get(
            path,
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                **headers,
            },
        )


def waits_for(gate: Path) -> str:
    """Python code that goes on when this file is there."""
    return f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"


def is_status(message: Message, state: str) -> bool:
    return bool(
        message["header"]["msg_type"] == "status" and message["content"]["execution_state"] == state
    )


def is_type(msg_type: str) -> Callable[[Message], bool]:
    return lambda message: message["header"]["msg_type"] == msg_type


def is_reply_to(msg_id: str) -> Callable[[Message], bool]:
    return lambda message: (
        message["channel"] in ("shell", "control") and message["parent_header"]["msg_id"] == msg_id
    )


def types(messages: list[Message]) -> list[str]:
    return [message["header"]["msg_type"] for message in messages]


def text_of(messages: list[Message]) -> str:
    """Return the text of the stream messages."""
    return "".join(m["content"]["text"] for m in messages if m["header"]["msg_type"] == "stream")


def expect_problem(answer: Answer, status: int, code: str, *words: str) -> Any:
    """Assert that `answer` is this Problem, and that its message contains these words."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"].startswith("application/json"), answer.headers
    body = answer.json
    assert body["error"] == code
    assert body["message"] == body["reason"]
    for word in words:
        assert word in body["message"], body
    assert b"Traceback" not in answer.body
    return body


@asynccontextmanager
async def told(bridge: Bridge, *names: str) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """The bridge's events of these names, from the host's /api/events/subscribe."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    url = bridge.url("/api/events/subscribe", host=True)

    async def listen(socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        async for message in socket:
            event = json.loads(message.data)
            name = event["schema_id"].removeprefix("https://events.jupyter.org/jupyter_bridge/")
            if name.split("/")[0] in names:
                heard.put_nowait({"event": name.split("/")[0], **event})

    async with bridge.session.ws_connect(url, headers=bridge.headers) as socket:
        listening = asyncio.ensure_future(listen(socket))
        try:
            yield heard
        finally:
            listening.cancel()
            await asyncio.wait({listening})


async def tells(heard: asyncio.Queue[dict[str, Any]], **like: Any) -> dict[str, Any]:
    """Return the next event with these values."""

    async def look() -> dict[str, Any]:
        while True:
            event = await heard.get()
            if like.items() <= event.items():
                return event

    return await asyncio.wait_for(look(), PATIENCE)
