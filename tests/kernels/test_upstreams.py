"""ZmqUpstream against a kernel made of bare sockets; test_gateway has the gateway's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import zmq
import zmq.asyncio

from jupyter_bridge.kernels.upstreams import ZmqUpstream
from jupyter_bridge.observe import metrics
from jupyter_bridge.wire import kernel
from tests.kernels.test_large_messages import TURN, turns
from tests.support.waiting import PATIENCE, until

KEY = b"the-kernels-key"
LOG = logging.getLogger("test")


class FakeKernel:
    """A kernel's side: ROUTERs and a PUB on loopback, and what a KernelManager says of them."""

    class session:  # noqa: N801
        key = KEY
        signature_scheme = "hmac-sha256"

    def __init__(self) -> None:
        self.context = zmq.asyncio.Context()
        self.sockets: dict[str, Any] = {}
        self.urls: dict[str, str] = {}
        for channel in ("shell", "control", "stdin", "iopub"):
            socket = self.context.socket(zmq.PUB if channel == "iopub" else zmq.ROUTER)
            socket.linger = 0
            port = socket.bind_to_random_port("tcp://127.0.0.1")
            self.sockets[channel] = socket
            self.urls[channel] = f"tcp://127.0.0.1:{port}"

    def _make_url(self, channel: str) -> str:
        return self.urls[channel]

    async def receive(self, channel: str) -> list[bytes]:
        frames: list[bytes] = await asyncio.wait_for(
            self.sockets[channel].recv_multipart(), PATIENCE
        )
        return frames

    async def say(
        self, channel: str, parts: list[bytes], *, key: bytes = KEY, to: bytes = b"topic"
    ) -> None:
        frames = kernel.Signer(key).to_zmq(parts)
        await self.sockets[channel].send_multipart([to, *frames])

    def close(self) -> None:
        for socket in self.sockets.values():
            socket.close()
        self.context.term()


class Line:
    """An open upstream and what it brought."""

    def __init__(self, upstream: ZmqUpstream) -> None:
        self.upstream = upstream
        self.heard: asyncio.Queue[tuple[str, list[bytes]]] = asyncio.Queue()

    def on_messages(self, channel: str, messages: list[list[bytes]]) -> None:
        for parts in messages:
            self.heard.put_nowait((channel, parts))

    async def receive(self) -> tuple[str, list[bytes]]:
        return await asyncio.wait_for(self.heard.get(), PATIENCE)

    async def subscribed(self, fake: FakeKernel, complete: bool = True) -> None:
        """Until what is published arrives, and every channel is connected."""
        probe = kernel.build_message("status", {}, "probe")
        while self.heard.empty() or self.upstream.is_complete() != complete:
            await fake.say("iopub", probe)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        while not self.heard.empty():
            self.heard.get_nowait()


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[FakeKernel, Line]]:
    fake = FakeKernel()
    upstream = ZmqUpstream(fake, LOG)
    line = Line(upstream)
    await upstream.open(line.on_messages, lambda reason: None)
    try:
        await line.subscribed(fake)
        yield fake, line
    finally:
        await upstream.close()
        await upstream.close()
        fake.close()


def refused() -> float:
    return float(metrics.REFUSED.labels("signature")._value.get())


async def test_both_ways() -> None:
    """What is sent is signed and arrives as it was, buffers too; replies come back the same."""
    parts = [*kernel.build_message("x_request", {"a": 1}, "s"), b"\x00\xff", b""]
    async with opened() as (fake, line):
        for channel in ("shell", "control", "stdin"):
            line.upstream.send(channel, parts)
            identity, *frames = await fake.receive(channel)
            assert kernel.Signer(KEY).from_zmq(frames) == parts
            await fake.say(channel, parts, to=identity)
            assert await line.receive() == (channel, parts)


async def test_one_identity() -> None:
    """shell, control and stdin share an identity, which no other line has."""
    parts = kernel.build_message("x_request", {}, "s")
    async with opened() as (fake, line):
        identities = set()
        for channel in ("shell", "control", "stdin"):
            line.upstream.send(channel, parts)
            identities.add((await fake.receive(channel))[0])
        other = ZmqUpstream(fake, LOG)
        await other.open(lambda channel, messages: None, lambda reason: None)
        other.send("shell", parts)
        identities.add((await fake.receive("shell"))[0])
        await other.close()
        assert len(identities) == 2


@pytest.mark.parametrize("channel", ["iopub", "shell", "control", "stdin"])
async def test_forged_signature(channel: str) -> None:
    """A message signed with another key, or altered, is refused and counted, on every channel."""
    parts = kernel.build_message("stream", {"text": "true"}, "s")
    forged = [*parts[:3], b'{"text":"forged"}']
    async with opened() as (fake, line):
        to = b"topic"
        if channel != "iopub":
            line.upstream.send(channel, parts)
            to = (await fake.receive(channel))[0]
        before = refused()
        await fake.say(channel, forged, key=b"another", to=to)
        altered = kernel.Signer(KEY).to_zmq(parts)[:2] + forged
        await fake.sockets[channel].send_multipart([to, *altered])
        unsigned = [kernel.DELIMITER, b"", *forged]
        await fake.sockets[channel].send_multipart([to, *unsigned])
        await fake.sockets[channel].send_multipart([to, b"no delimiter"])
        await fake.sockets[channel].send_multipart([to, kernel.DELIMITER, b"", b"few"])
        await fake.say(channel, parts, to=to)
        assert await line.receive() == (channel, parts)
        assert line.heard.empty()
        assert refused() == before + 5


@pytest.mark.parametrize("count", [kernel.MAX_PARTS + 5, 300_000])
@pytest.mark.parametrize("before", [True, False], ids=["routing frames", "buffers"])
@pytest.mark.parametrize("channel", ["iopub", "shell"])
async def test_too_many_frames(count: int, before: bool, channel: str) -> None:
    """The message is refused in turns, and the next is heard; `/api` took 1.3 s before."""
    parts = kernel.build_message("stream", {}, "s")
    signed = kernel.Signer(KEY).to_zmq(parts)
    many = [b""] * count
    async with opened() as (fake, line):
        to = b"topic"
        if channel != "iopub":
            line.upstream.send(channel, parts)
            to = (await fake.receive(channel))[0]
        known = refused()
        frames = [to, *many, *signed] if before else [to, *signed, *many]
        plain: zmq.Socket[bytes] = zmq.Socket.shadow(fake.sockets[channel].underlying)
        await asyncio.to_thread(plain.send_multipart, frames)
        async with turns() as found:
            await fake.say(channel, parts, to=to)
            assert await line.receive() == (channel, parts)
        assert max(found) < TURN, sorted(found)[-3:]
        assert refused() == known + 1
        assert line.heard.empty()


@pytest.mark.parametrize("count", range(kernel.MAX_PARTS - 8, kernel.MAX_PARTS - 5))
async def test_as_many_frames_as_may_be(count: int) -> None:
    """At the bound a message arrives whole, and so does the next."""
    parts = kernel.build_message("stream", {}, "s")
    many = [*parts, *[b""] * count]
    async with opened() as (fake, line):
        await fake.say("iopub", many)
        await fake.say("iopub", parts)
        assert await line.receive() == ("iopub", many)
        assert await line.receive() == ("iopub", parts)


async def test_refused_messages_are_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    """All are counted, and the log has one line a second; it had one for each."""
    parts = kernel.build_message("stream", {}, "s")
    async with opened() as (fake, _):
        known = refused()
        for number in range(300):
            await fake.say("iopub", [*parts[:3], b"%d" % number], key=b"another")
        await until(lambda: refused() == known + 300, "refusals")
        assert 1 <= len([one for one in caplog.messages if "Refused" in one]) <= 5


async def test_burst() -> None:
    """A burst far beyond ZMQ's own high-water marks arrives whole and in order."""
    count = 5000
    async with opened() as (fake, line):
        fake.sockets["iopub"].sndhwm = 0
        for number in range(count):
            await fake.say("iopub", kernel.build_message("stream", number, "s"))
        got = [int((await line.receive())[1][3]) for _ in range(count)]
        assert got == list(range(count))


async def test_sending_while_receiving() -> None:
    """No message is left lying because another was sent just then."""
    parts = kernel.build_message("x_request", {}, "s")
    async with opened() as (fake, line):
        for _ in range(200):
            line.upstream.send("shell", parts)
            identity = (await fake.receive("shell"))[0]
            await fake.say("shell", parts, to=identity)
            line.upstream.send("shell", parts)
            await line.receive()
            await fake.receive("shell")


async def test_complete() -> None:
    """The line is complete when the kernel's stdin is connected, not before, and not after."""
    fake = FakeKernel()
    line = Line(ZmqUpstream(fake, LOG))
    fake.sockets["stdin"].unbind(fake.urls["stdin"])
    await line.upstream.open(line.on_messages, lambda reason: None)
    try:
        await line.subscribed(fake, complete=False)
        assert not line.upstream.is_complete()
        parts = kernel.build_message("input_reply", {}, "s")
        line.upstream.send("stdin", parts)  # nobody is there to take it
        fake.sockets["stdin"].bind(fake.urls["stdin"])
        await until(line.upstream.is_complete, "a complete connection")
        line.upstream.send("stdin", parts)
        assert kernel.Signer(KEY).from_zmq((await fake.receive("stdin"))[1:]) == parts
        fake.sockets["stdin"].close()
        await until(lambda: not line.upstream.is_complete(), "losing it")
    finally:
        await line.upstream.close()
        fake.close()
    assert not line.upstream.is_complete()


async def test_closed() -> None:
    """After closing, sending does nothing and nothing is heard any more."""
    async with opened() as (fake, line):
        await line.upstream.close()
        line.upstream.send("shell", kernel.build_message("x_request", {}, "s"))
        await fake.say("iopub", kernel.build_message("status", {}, "s"))
        await asyncio.sleep(0.05)
        assert line.heard.empty()
