"""A seat on a kernel: messages both ways, over lines that break and on real kernels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from jupyter_bridge.client import BridgeClient, Channels, KernelModel, Message
from jupyter_bridge.problems import Conflict, Denied, Gone, NotFound, RemoteFailed, Unavailable
from jupyter_bridge.transport import retry
from tests.conftest import Server
from tests.simulators.faulty_bridge import (
    Answer,
    Faulty,
    frame,
    hangs_up,
    page,
    says,
    serving,
    socket,
)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience is soon over."""
    monkeypatch.setattr(retry.RetryPeriod.__init__, "__defaults__", (0.3, 5.0))


async def collect(*answers: Answer, **how: Any) -> tuple[list[str], Faulty]:
    async with (
        serving(*answers) as faulty,
        BridgeClient(faulty.url) as bridge,
        bridge.channels("k", **how) as line,
    ):
        return [message.msg_id async for message in line], faulty


def asked_after(faulty: Faulty) -> list[str | None]:
    queries = (parse_qs(urlsplit(asked).query) for asked in faulty.asked)
    return [query.get("after", [None])[0] for query in queries]


async def test_resume() -> None:
    """A line that breaks is opened again, by the same client, after the last iopub message."""
    seen, faulty = await collect(
        socket(frame("status", "1"), frame("stream", "2"), frame("reply", "3", "shell")),
        hangs_up,
        socket(frame("bridge_gap", "9"), frame("stream", "4"), code=1000),
    )
    assert seen == ["1", "2", "3", "9", "4"]
    assert asked_after(faulty) == [None, "2", "2"]
    assert len({parse_qs(urlsplit(a).query)["session_id"][0] for a in faulty.asked}) == 1


async def test_resume_of_another() -> None:
    """What an earlier client had is where a new one may begin."""
    _, faulty = await collect(socket(code=1000), after="17", session_id="mine", channel="iopub")
    assert faulty.asked == ["GET /x/bridge/iopub/k?session_id=mine&after=17"]


@pytest.mark.usefixtures("impatient")
async def test_patience() -> None:
    """A line that stays broken is given up, with a sentence."""
    with pytest.raises(Unavailable):
        await collect(socket(frame("status", "1")), page("Bad Gateway", 502))


GONE = '{"error": "gone", "message": "Kernel k is dead.", "kernel_id": "k"}'
AWAY = '{"error": "unavailable", "message": "The kernel is being reconnected."}'


async def test_problem() -> None:
    """The Problem with which the server ends a line is raised."""
    with pytest.raises(Gone, match="is dead") as caught:
        await collect(socket(frame("status", "1"), GONE, code=4410))
    assert (caught.value.status, caught.value.details) == (410, {"kernel_id": "k"})


async def test_passing_problem() -> None:
    """A kernel that is away for a moment is waited for."""
    seen, _ = await collect(
        socket(frame("a", "1"), AWAY, code=4503), socket(frame("a", "2"), code=1000)
    )
    assert seen == ["1", "2"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (says({"error": "not-found", "message": "No kernel.", "kernel_id": "k"}, 404), NotFound),
        (says({"message": "Forbidden"}, 403), Denied),
        (page("<title>Hub</title>", 404), RemoteFailed),
        (page("hello"), RemoteFailed),
        (hangs_up, Unavailable),
    ],
)
async def test_refused(answer: Answer, kind: type[Exception]) -> None:
    """A refused handshake is the Problem that its body tells."""
    with pytest.raises(kind) as caught:
        await collect(answer)
    if kind is NotFound:
        assert caught.value.details == {"kernel_id": "k"}  # type: ignore[attr-defined]


async def test_another_protocol() -> None:
    """A websocket that does not speak v1 is not used."""

    async def other(request: web.Request) -> web.StreamResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        await line.receive()
        return line

    with pytest.raises(RemoteFailed, match="does not speak"):
        await collect(other)


@pytest.mark.parametrize("sent", [b"", b"\x07" + b"\0" * 7, frame("x", "1")[:-1], "hello"])
async def test_nonsense(sent: bytes | str) -> None:
    """What is no message is the server's fault."""
    with pytest.raises(RemoteFailed):
        await collect(socket(sent))


def test_nan() -> None:
    """The NaN that some kernels write is read."""
    message = Message.from_frame(frame("display_data", "1", x=111).replace(b"111", b"NaN"))
    assert message.content["x"] != message.content["x"]


async def test_send() -> None:
    """What is sent arrives whole, buffers and all, under the client's session."""
    async with serving(socket(echo=True)) as faulty, BridgeClient(faulty.url) as bridge:
        async with bridge.channels("k", session_id="me") as line:
            sent = await line.send(
                "comm_msg",
                {"comm_id": "c"},
                parent={"msg_id": "p"},
                metadata={"m": 1},
                buffers=[b"\0\xff", b""],
            )
            message = await line.receive(10)
            assert message is not None
            assert message.msg_id == sent
            assert await line.receive(0.05) is None
            await line.send("input_reply", {"value": "x"}, channel="stdin")
            reply = await line.receive(10)
            assert reply is not None
            assert (reply.channel, reply.msg_type) == ("stdin", "input_reply")
        with pytest.raises(Conflict, match="closed"):
            await line.send("x")
        await line.close()
        assert await line.receive() is None
    assert message is not None
    assert (message.channel, message.msg_type, message.parent_id) == ("shell", "comm_msg", "p")
    assert (message.content, message.metadata) == ({"comm_id": "c"}, {"m": 1})
    assert message.buffers == [b"\0\xff", b""]
    assert message.header["session"] == "me"


# -- on real kernels -------------------------------------------------------------------------------


@asynccontextmanager
async def kernel_on(server: Server) -> AsyncIterator[tuple[BridgeClient, KernelModel]]:
    async with BridgeClient(server.url, server.token) as bridge:
        kernel = await bridge.spawn("python3")
        try:
            yield bridge, kernel
        finally:
            await bridge.shutdown(kernel)


async def test_real_kernel(bridge_server: Server) -> None:
    """A real kernel answers on its channels, and to whom it was that asked."""
    async with (
        kernel_on(bridge_server) as (bridge, kernel),
        bridge.channels(kernel) as line,
    ):
        asked = await line.send("is_complete_request", {"code": "for x in y:"})
        async for message in line:
            if message.parent_id == asked and message.channel == "shell":
                break
        assert message.content["status"] == "incomplete"


async def test_real_resume(bridge_server: Server) -> None:
    """A second client goes on where the first one stopped, without a message lost or twice."""
    async with kernel_on(bridge_server) as (bridge, kernel):
        code = "import time\nfor i in range(30):\n print(i, flush=True); time.sleep(0.02)"
        texts = []
        async with bridge.channels(kernel) as line:
            asked = await line.send("execute_request", {"code": code, "silent": False})
            async for message in line:
                texts.append(_text(message, asked))
                if "3\n" in "".join(texts):
                    break
        async with bridge.channels(kernel, after=line.after) as line:
            async for message in line:
                texts.append(_text(message, asked))
                if _ends(message, asked):
                    break
        assert "".join(texts) == "".join(f"{i}\n" for i in range(30))


async def _drain(line: Channels) -> None:
    while await line.receive(30):
        pass


def _text(message: Message, asked: str) -> str:
    mine = message.parent_id == asked and message.msg_type == "stream"
    return str(message.content["text"]) if mine else ""


def _ends(message: Message, asked: str) -> bool:
    idle = message.content.get("execution_state") == "idle"
    return message.parent_id == asked and message.msg_type == "status" and idle


async def test_real_end(bridge_server: Server) -> None:
    """A kernel that is shut down ends its lines with what became of it."""
    async with BridgeClient(bridge_server.url, bridge_server.token) as bridge:
        kernel = await bridge.spawn("python3")
        async with bridge.channels(kernel) as line:
            await bridge.shutdown(kernel)
            with pytest.raises((Gone, NotFound)):
                await _drain(line)
