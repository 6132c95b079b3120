"""A client that does not read what it is sent: no more than so much waits for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from engineio.packet import MESSAGE, Packet

from jupyter_bridge.kernels.socketio.engine import (
    MAX_PACKETS,
    MAX_UNREAD,
    MAX_UNREAD_BYTES,
    LargePacket,
    Unread,
)
from jupyter_bridge.kernels.socketio.visitors import Visitor
from tests.conftest import Server
from tests.hostile.target import frame, shaking
from tests.kernels.socketio.test_conformance import (
    BRISK,
    WEBSOCKET,
    opened,
    polling,
)
from tests.support.kernel_client import Bridge
from tests.support.waiting import PATIENCE, pass_time, until

# What a client may post again and again; each is answered, or refused.
PACKETS = {
    "upgrades": "5",
    "namespaces that are refused": "40/x,",
    "a namespace that is opened and left": "40/iopub/{kernel},\x1e41/iopub/{kernel},",
    "messages to no namespace": '42/x,["msg"]\x1e40/x,',
}


@pytest.mark.parametrize("what", PACKETS)
async def test_posting_without_polling(bridge: Bridge, kernel: str, what: str) -> None:
    """A connection that only posts is ended after a few full POSTs."""
    packets = PACKETS[what].format(kernel=kernel).split("\x1e")
    body = packets * (MAX_PACKETS // len(packets))
    async with polling(bridge) as one:
        statuses = [(await one.post(*body)).status]
        while statuses[-1] == 200:
            statuses.append((await one.post(*body)).status)
            assert len(statuses) < 5
        assert statuses[-1] == 400
        await one.ended()


async def test_a_full_post_is_answered(bridge: Bridge) -> None:
    """Whoever posts as much as is allowed, and polls then, gets every answer."""
    async with polling(bridge) as one:
        for _ in range(3):
            assert (await one.post(*["40/x,"] * MAX_PACKETS)).status == 200
            got: list[str] = []
            while len(got) < MAX_PACKETS:
                got += await one.packets(lambda packet: packet.startswith("44/x,"))
            assert len(got) == MAX_PACKETS


async def test_frames_without_reading(bridge: Bridge) -> None:
    """The same on a websocket, whose client is cut off."""
    at = urlsplit(bridge.url(WEBSOCKET))
    head = [f"GET {at.path}?{at.query} HTTP/1.1", f"Host: {at.netloc}"]
    head += [f"{name}: {value}" for name, value in {**bridge.headers, **shaking()}.items()]
    loop = asyncio.get_running_loop()
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setblocking(False)
        await loop.sock_connect(line, (str(at.hostname), int(at.port or 80)))
        await loop.sock_sendall(line, "\r\n".join((*head, "", "")).encode())
        data = frame(b"40/x,") * 1_000

        async def send_on() -> None:
            while True:
                await loop.sock_sendall(line, data)

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(send_on(), PATIENCE)


async def test_a_second_upgrade(bridge: Bridge) -> None:
    """A websocket is upgraded to once."""
    async with polling(bridge) as one, opened(bridge, one.sid) as upgraded:
        await upgraded.send("2probe")
        assert await upgraded.receive() == "3probe"
        await upgraded.send("5")
        await upgraded.send("40/x,")
        assert str(await upgraded.receive()).startswith("44/x,")
        await upgraded.send("5")
        assert await upgraded.until_closed() == []


async def test_a_refused_namespace_is_none(
    servers: Callable[..., Server], connect: Callable[..., Bridge], kernel: str
) -> None:
    """A connection has to open a namespace in time, however often it is refused one."""
    bridge = connect(servers(files={"config/jupyter_server_config.py": BRISK}))
    async with polling(bridge) as one:

        async def is_over() -> bool:
            if (await one.post("40/x,", "3")).status != 200:
                return True
            return (await one.poll()).status != 200

        await until(is_over, "the end")
        await one.ended()


@pytest.mark.parametrize("joining", [0, 1])
async def test_a_kernel_that_starts_meanwhile(joining: int) -> None:
    """Whoever waits for a kernel when the time is over gets as much again, and no more after it."""
    visitor, ends = Visitor(), list[str]()
    visitor.joining = joining
    visitor.expect_namespace(10, lambda: ends.append("over"))
    await pass_time(11)
    assert len(ends) == 1 - joining
    visitor.joining = 0
    await pass_time(11)
    assert len(ends) == 1
    visitor.expect_namespace(10, lambda: ends.append("again"))
    visitor.stop_expecting()
    await pass_time(11)
    assert len(ends) == 1


# What is queued, and after how many of them the queue is full.
QUEUED: dict[str, tuple[Packet, int]] = {
    "small packets": (Packet(MESSAGE, "2"), MAX_UNREAD),
    "text": (Packet(MESSAGE, "x" * (1 << 20)), MAX_UNREAD_BYTES >> 20),
    "bytes": (Packet(MESSAGE, b"x" * (1 << 20)), MAX_UNREAD_BYTES >> 20),
    "large packets, of which others wait": (LargePacket([b"x" * (1 << 20)], text=True), MAX_UNREAD),
}


@pytest.mark.parametrize("what", QUEUED)
async def test_how_much_waits(what: str) -> None:
    """The queue tells once that it is full, and what was read does not count."""
    packet, most = QUEUED[what]
    queue, told = Unread(), list[int]()
    queue.on_full = lambda: told.append(queue.qsize())
    for _ in range(10):
        queue.put_nowait(packet)
        queue.get_nowait()
    for _ in range(most + 10):
        queue.put_nowait(packet)
    assert told == [most + 1]
