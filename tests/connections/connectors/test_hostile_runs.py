"""The events of a run on a remote bridge: decoded by type, whatever they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from jupyter_bridge.connections.command import (
    RemoteBegan,
    RemoteDone,
    RemoteEvent,
    RemoteGap,
    RemoteOutput,
)
from jupyter_bridge.connections.connectors.jupyter.connector import JupyterServer
from jupyter_bridge.problems import RemoteFailed
from tests.connections.connectors.test_hostile import _jupyter, make

DONE = {"event": "done", "id": 1, "data": {"status": "done", "exit_code": 0}}


def output(**data: Any) -> dict[str, Any]:
    return {"event": "output", "id": 1, "data": data}


def done(**data: Any) -> dict[str, Any]:
    return {"event": "done", "id": 1, "data": {"status": "done", **data}}


async def events_of(events: list[Any], folder: Path) -> list[RemoteEvent]:
    """Run a command on a server that reports these events."""

    async def answer(request: web.Request) -> web.Response:
        lines = b"".join(
            one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in events
        )
        headers = {"Location": "/bridge/runs/r1", "Content-Type": "application/x-ndjson"}
        return web.Response(body=lines, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        url = f"http://127.0.0.1:{server.port}"
        one: Any = make(JupyterServer, url, folder)
        try:
            command = await _jupyter(one, url, "consoles").command("1", {"command": "x"})
            return [event async for event in command.events()]
        finally:
            await one.context.outbound.close()


@pytest.mark.parametrize(
    "event",
    [
        output(base64="!!!"),
        output(base64=["x"]),
        output(base64="\u00e9"),
        output(text=b"\\ud800".decode("unicode_escape")),
        output(text=5),
        output(text="x", stream={"a": 1}),
        output(text="x", stream="stdin"),
        {"event": "output", "data": [1]},
        {"event": "output", "id": 10**30, "data": {"text": "x"}},
        {"event": "output", "id": -1, "data": {"text": "x"}},
        {"event": "output", "id": [1], "data": {"text": "x"}},
        {"event": 5},
        {"event": "done", "data": {}},
        {"event": "done"},
        done(exit_code={"a": 1}),
        done(exit_code="\ud800"),
        done(exit_code=10**30),
        done(exit_code=1.5),
        done(cwd=["x"]),
        done(cwd="\ud800"),
        done(cwd="x" * 100_000),
        done(start_offset=-(10**40)),
        done(end_offset=-1),
        done(end_offset=2**53),
        done(signal={"x": 1}),
        done(signal="x" * 1000),
        done(truncated="yes"),
        {"event": "problem", "data": {"message": {"a": 1}}},
        {"event": "problem", "data": {"message": "no"}},
        b"[" * 100_000 + b"\n",
        b"{\n",
        b"\xff\n",
    ],
    ids=lambda event: repr(event)[:60],
)
async def test_an_event_that_is_none(event: Any, tmp_path: Path) -> None:
    """It fails the run as the remote's fault, with a short sentence."""
    with pytest.raises(RemoteFailed) as caught:
        await events_of([event, DONE], tmp_path)
    assert len(caught.value.message) < 400


async def test_events_are_typed(tmp_path: Path) -> None:
    """What a bridge sends comes as it is; what an unknown version adds is skipped."""
    assert await events_of(
        [
            output(text="é", stream="stdout"),
            output(base64="/w==", text="\ufffd"),
            {"event": "gap", "id": 5, "data": {"lost": 3}},
            {"event": "news", "data": {"a": [1]}},
            done(exit_code=3, cwd="/", start_offset=1, end_offset=9, more={"x": 1}),
        ],
        tmp_path,
    ) == [
        RemoteBegan(),
        RemoteOutput("é", stream="stdout"),
        RemoteOutput("\ufffd", b"\xff"),
        RemoteGap(),
        RemoteDone("done", exit_code=3, cwd="/", start_offset=1, end_offset=9),
    ]
    assert RemoteOutput("\ufffd", b"\xff").data == b"\xff"
