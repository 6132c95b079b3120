"""A server with scripted answers, valid or faulty, one for each request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from jupyter_bridge.wire.kernel import V1, build_message, build_v1

T = TypeVar("T")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Faulty:
    """The requests so far, and the answers to give; the last answer is repeated for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[web.Request] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    @property
    def asked(self) -> list[str]:
        """The requests, in the form `GET /x/bridge/kernels`."""
        return [f"{request.method} {request.path_qs}" for request in self.requests]


@asynccontextmanager
async def serving(*answers: Answer, **how: Any) -> AsyncIterator[Faulty]:
    """A server below /x/ with these answers."""
    faulty = Faulty(*answers)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", faulty.answer)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1, **how)
    faulty.url = str(server.make_url("/x/"))
    try:
        yield faulty
    finally:
        await server.close()


def says(body: Any, status: int = 200, **headers: str) -> Answer:
    """Answers with JSON."""

    async def answer(request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return answer


def page(text: str, status: int = 200, kind: str = "text/html", **headers: str) -> Answer:
    """Answers with a body that is not JSON."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=text, status=status, content_type=kind, headers=headers)

    return answer


async def hangs_up(request: web.Request) -> web.StreamResponse:
    """Drops the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def line(event: str, number: int, **data: Any) -> bytes:
    """One NDJSON line."""
    return msgspec.json.encode({"event": event, "id": number, "data": data}) + b"\n"


def result(status: str = "ok", **more: Any) -> dict[str, Any]:
    """An execution as the bridge answers it."""
    return {
        "execution": "x1",
        "kernel": "k",
        "status": status,
        "execution_count": 1,
        "outputs": [],
        "user_expressions": {},
        "started": "2026-11-22T09:30:00.250Z",
        "seconds": 0.5,
        **more,
    }


def done(number: int, **more: Any) -> bytes:
    """The line that ends a stream."""
    return line("done", number, **result(**more))


def streams(*chunks: bytes, breaks: bool = False, ends: bool = True) -> Answer:
    """Streams these bytes, then ends the answer, drops the connection, or stays silent."""

    async def answer(request: web.Request) -> web.StreamResponse:
        head = {"Content-Type": "application/x-ndjson", "Location": "/x/bridge/executions/x1"}
        response = web.StreamResponse(headers=head)
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
            await asyncio.sleep(0.01)  # so that each piece arrives alone
        if breaks:
            assert request.transport is not None
            request.transport.abort()
        elif not ends:
            await asyncio.sleep(60)
        return response

    return answer


def frame(
    msg_type: str, msg_id: str, channel: str = "iopub", parent: str = "", **content: Any
) -> bytes:
    """One Jupyter message as a v1 frame."""
    head = msgspec.json.encode({"msg_id": parent}) if parent else b"{}"
    return build_v1(channel, build_message(msg_type, content, "kernel", head, msg_id))


def socket(*sends: bytes | str, code: int | None = None, echo: bool = False) -> Answer:
    """Opens a v1 websocket, sends these frames, then closes with `code`, echoes, or drops it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        line = web.WebSocketResponse(protocols=(V1,))
        await line.prepare(request)
        for item in sends:
            await (line.send_str(item) if isinstance(item, str) else line.send_bytes(item))
        if echo:
            async for message in line:
                await line.send_bytes(message.data)
        elif code is not None:
            await line.close(code=code)
        else:
            await asyncio.sleep(0.05)
            assert request.transport is not None
            request.transport.abort()
        return line

    return answer
