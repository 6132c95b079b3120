"""socket.io's protocol 5 over engine.io's 4, byte by byte, in the cases that the protocols name.

A suite for servers that echo would meet a main namespace and a `/custom` one. The bridge has
neither: its namespaces are kernels' channels, and their event is `msg`. So a kernel stands for the
echo here and `/shell/{id}` for the namespace; where the contract answers otherwise, the case says
how it differs.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import pytest

from tests.conftest import Server
from tests.kernels.handlers.test_channels import COMM
from tests.support.kernel_client import Answer, Bridge, expect_problem
from tests.support.waiting import PATIENCE, until

IO = "/socket.io/"
POLLING = f"{IO}?EIO=4&transport=polling"
WEBSOCKET = f"{IO}?EIO=4&transport=websocket"
SEPARATOR = "\x1e"
# A server that pings once a second and forgets whoever is silent for two more.
BRISK = """
from jupyter_bridge.kernels.socketio import engine, server
engine.PING_INTERVAL, engine.PING_TIMEOUT, server.CONNECT_TIME = 1, 2, 6
"""

CLOSED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


@dataclass
class Socket:
    """A websocket of the engine: packets as they are, but for pings, which are answered."""

    socket: aiohttp.ClientWebSocketResponse[bool]

    async def send(self, packet: str | bytes) -> None:
        if isinstance(packet, bytes):
            await self.socket.send_bytes(packet)
        else:
            await self.socket.send_str(packet)

    async def receive(self) -> str | bytes | None:
        """The next packet; None at the end."""
        while True:
            got = await asyncio.wait_for(self.socket.receive(), PATIENCE)
            if got.type in CLOSED:
                return None
            if got.data != "2":
                return cast("str | bytes", got.data)
            await self.send("3")

    async def until_closed(self) -> list[str | bytes]:
        """What came before the end."""
        packets = []
        while (packet := await self.receive()) is not None:
            packets.append(packet)
        return packets

    async def join(self, namespace: str, auth: str = "") -> Any:
        """Connect to a namespace; what the server's CONNECT says."""
        await self.send(f"40{namespace},{auth}")
        return payload(await self.receive(), f"40{namespace},")

    async def events(self, namespace: str, msg_type: str) -> tuple[Any, list[bytes]]:
        """The next message of this type in this namespace, and its attachments."""
        while True:
            packet = await self.receive()
            assert isinstance(packet, str), packet
            count, _, rest = (
                packet[2:].partition("-") if packet[1] == "5" else ("0", "", packet[2:])
            )
            attachments = [await self.receive() for _ in range(int(count))]
            if rest.startswith(f"{namespace},"):
                name, message = json.loads(rest[len(namespace) + 1 :])
                assert name == "msg", packet
                if message["header"]["msg_type"] == msg_type:
                    return message, [bytes(a) for a in attachments if isinstance(a, bytes)]


def payload(packet: str | bytes | None, start: str) -> Any:
    """The payload of a packet that begins like this."""
    assert isinstance(packet, str), packet
    assert packet.startswith(start), packet
    return json.loads(packet[len(start) :])


@asynccontextmanager
async def opened(bridge: Bridge, sid: str = "") -> AsyncIterator[Socket]:
    """A websocket; a new connection's first packet is read already."""
    url = bridge.url(WEBSOCKET + (f"&sid={sid}" if sid else ""))
    async with bridge.session.ws_connect(url, headers=bridge.headers, max_msg_size=0) as socket:
        made = Socket(socket)
        if not sid:
            payload(await made.receive(), "0")
        yield made


@dataclass
class Polling:
    """A connection that polls."""

    bridge: Bridge
    sid: str

    async def poll(self) -> Answer:
        return await self.bridge.get(f"{POLLING}&sid={self.sid}")

    async def post(self, *packets: str) -> Answer:
        body = SEPARATOR.join(packets).encode()
        return await self.bridge.post(f"{POLLING}&sid={self.sid}", data=body)

    async def packets(self, until: Callable[[str], bool]) -> list[str]:
        """Everything up to and with the first packet that is this one."""
        got: list[str] = []
        while not any(map(until, got)):
            answer = await asyncio.wait_for(self.poll(), PATIENCE)
            assert answer.status == 200, answer
            got += answer.body.decode().split(SEPARATOR)
        return got

    async def ended(self) -> None:
        """There is no such connection any more."""
        expect_problem(await self.poll(), 400, "bad-request")


async def is_read(bridge: Bridge) -> None:
    """Return when the server has read what was sent: it has answered others since, in turn."""
    for _ in range(5):
        assert (await bridge.get("/")).status == 200


@asynccontextmanager
async def polling(bridge: Bridge) -> AsyncIterator[Polling]:
    """A connection that polls, for this block."""
    answer = await bridge.get(POLLING)
    made = Polling(bridge, payload(answer.body.decode(), "0")["sid"])
    yield made
    await made.post("1")


def event(namespace: str, msg_type: str, content: Any = None, *, ack: str = "", **more: Any) -> str:
    """A packet with one Jupyter message; `buffers=n` announces as many attachments."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": msg_type, "session": "io", "version": "5.3"}
    count = more.pop("buffers", 0)
    buffers = [{"_placeholder": True, "num": n} for n in range(count)]
    message = {"header": header, "content": content or {}, "buffers": buffers, **more}
    kind = f"45{count}-" if count else "42"
    return f"{kind}{namespace},{ack}{json.dumps(['msg', message])}"


def ask(namespace: str, ack: str = "") -> str:
    """The simplest message with an answer."""
    return event(namespace, "kernel_info_request", ack=ack)


@pytest.fixture
def brisk(servers: Callable[..., Server], connect: Callable[..., Bridge]) -> Bridge:
    """A client of a server whose connections die young."""
    return connect(servers(files={"config/jupyter_server_config.py": BRISK}))


class TestHandshake:
    """How a connection begins, and what does not begin one."""

    KEYS = {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}

    async def test_polling(self, bridge: Bridge) -> None:
        """A first poll opens a connection, which may become a websocket."""
        answer = await bridge.get(POLLING)
        assert answer.status == 200
        told = payload(answer.body.decode(), "0")
        assert told.keys() == self.KEYS
        assert isinstance(told["sid"], str)
        assert told["upgrades"] == ["websocket"]
        assert (told["pingInterval"], told["pingTimeout"]) == (25_000, 20_000)
        # The host's own limit of a websocket's frame.
        assert told["maxPayload"] == 10 << 20

    async def test_websocket(self, bridge: Bridge) -> None:
        """A websocket's first packet says the same, and nothing to become."""
        async with bridge.session.ws_connect(
            bridge.url(WEBSOCKET), headers=bridge.headers
        ) as socket:
            told = payload(await Socket(socket).receive(), "0")
        assert told.keys() == self.KEYS
        assert isinstance(told["sid"], str)
        assert told["upgrades"] == []
        assert (told["pingInterval"], told["pingTimeout"]) == (25_000, 20_000)
        assert told["maxPayload"] == 10 << 20

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("transport={}", "EIO"),
            ("EIO=abc&transport={}", "EIO"),
            ("EIO=3&transport={}", "EIO"),
            ("EIO=4", "transport"),
            ("EIO=4&transport=abc", "transport"),
            ("EIO=4&transport={}&sid=unknown", "sid"),
            ("EIO=4&transport={}&j=0", "j"),
        ],
    )
    async def test_invalid_parameters(self, bridge: Bridge, query: str, field: str) -> None:
        """A parameter that is missing or wrong is 400, before any websocket opens, and named."""
        polls = await bridge.get(f"{IO}?{query.format('polling')}")
        assert expect_problem(polls, 400, "bad-request")["field"] == field
        opens = await bridge.handshake(f"{IO}?{query.format('websocket')}")
        assert expect_problem(opens, 400, "bad-request")["field"] == field

    async def test_a_transport_that_is_not_this_request_s(self, bridge: Bridge) -> None:
        """A websocket's handshake says `websocket`, a poll `polling`."""
        expect_problem(await bridge.get(WEBSOCKET), 400, "bad-request", "websocket")
        expect_problem(await bridge.handshake(POLLING), 400, "bad-request", "polling")

    async def test_posting_opens_nothing(self, bridge: Bridge) -> None:
        """A POST without a connection is 400."""
        expect_problem(await bridge.post(POLLING), 400, "bad-request")

    async def test_invalid_method(self, bridge: Bridge) -> None:
        """Another method is refused. Differs: 405 with `Allow`, as on every route here."""
        answer = await bridge.call("PUT", POLLING)
        expect_problem(answer, 405, "bad-request")
        assert {"GET", "POST"} <= {name.strip() for name in answer.headers["Allow"].split(",")}


class TestPayloads:
    """The engine's packets, one or many, as text and binary, and what is none."""

    async def test_one_text_packet_by_polling(self, bridge: Bridge, kernel: str) -> None:
        """A posted packet is taken with "ok", and answered by the next poll."""
        shell = f"/shell/{kernel}"
        async with polling(bridge) as one:
            answer = await one.post(f"40{shell},")
            assert (answer.status, answer.body) == (200, b"ok")
            polled = await one.poll()
            assert polled.status == 200
            assert payload(polled.body.decode(), f"40{shell},").keys() == {"sid"}

    async def test_many_text_packets_by_polling(self, bridge: Bridge, kernel: str) -> None:
        """Any number of packets in one payload is taken, in order."""
        shell = f"/shell/{kernel}"
        async with polling(bridge) as one:
            asked = [ask(shell, ack=str(n)) for n in range(40)]
            answer = await one.post(f"40{shell},", *asked)
            assert (answer.status, answer.body) == (200, b"ok")
            got = await one.packets(lambda packet: packet.startswith(f"43{shell},39"))
            acks = [packet for packet in got if packet.startswith("43")]
            assert acks == [f"43{shell},{n}[]" for n in range(40)]

    async def test_text_and_binary_by_polling(self, bridge: Bridge, kernel: str) -> None:
        """Attachments travel as base64 beside the text that names them, both ways."""
        channels = f"/channels/{kernel}"
        async with polling(bridge) as one:
            comm = {"comm_id": uuid.uuid4().hex, "data": {}}
            attached = "b" + base64.b64encode(bytes(range(5))).decode()
            await one.post(
                f"40{channels},",
                event(channels, "execute_request", {"code": COMM, "silent": True}),
                event(channels, "comm_open", {**comm, "target_name": "bridge-echo"}),
                event(channels, "comm_msg", comm, buffers=1),
                attached,
            )
            got = await one.packets(lambda packet: packet == attached)
            assert any(packet.startswith(f"451-{channels},") for packet in got)

    @pytest.mark.parametrize(
        "body", ["abc", "", "7", "4", "4x", "0", "bA", f"3{SEPARATOR}", "\udcff", "d=4"]
    )
    async def test_an_invalid_payload(self, bridge: Bridge, body: str) -> None:
        """What is no packet is 400, and ends the connection."""
        async with polling(bridge) as one:
            data = body.encode("utf-8", "surrogateescape")
            answer = await bridge.post(f"{POLLING}&sid={one.sid}", data=data)
            expect_problem(answer, 400, "bad-request")
            await one.ended()

    async def test_a_payload_that_is_too_large(self, bridge: Bridge) -> None:
        """More than `maxPayload` is 413, and ends the connection."""
        async with polling(bridge) as one:
            answer = await one.post("4" + "2" * (10 << 20))
            assert expect_problem(answer, 413, "too-large")["limit"] == 10 << 20
            await one.ended()

    async def test_a_second_poll(self, bridge: Bridge) -> None:
        """Two polls at once would share what is told: the second is 400, the first told the end."""
        async with polling(bridge) as one:
            first = asyncio.ensure_future(one.poll())
            await is_read(bridge)
            expect_problem(await one.poll(), 400, "bad-request")
            answer = await asyncio.wait_for(first, PATIENCE)
            assert (answer.status, answer.body) == (200, b"1")
            await one.ended()

    async def test_text_by_websocket(self, bridge: Bridge, kernel: str) -> None:
        """A text packet goes in and one comes out."""
        async with opened(bridge) as one:
            await one.send(f"40/shell/{kernel},")
            assert payload(await one.receive(), f"40/shell/{kernel},")

    async def test_binary_by_websocket(self, bridge: Bridge, kernel: str) -> None:
        """A binary packet is a frame of its own, both ways."""
        channels = f"/channels/{kernel}"
        comm = {"comm_id": uuid.uuid4().hex, "data": {}}
        buffers = [bytes(range(256)), b"\x00"]
        async with opened(bridge) as one:
            await one.join(channels)
            await one.send(event(channels, "execute_request", {"code": COMM, "silent": True}))
            await one.send(event(channels, "comm_open", {**comm, "target_name": "bridge-echo"}))
            await one.send(event(channels, "comm_msg", comm, buffers=2))
            for buffer in buffers:
                await one.send(buffer)
            message, attachments = await one.events(channels, "comm_msg")
        assert attachments == buffers
        assert message["buffers"] == [{"_placeholder": True, "num": n} for n in range(2)]

    @pytest.mark.parametrize("packet", ["abc", "", "7", "4", "4x", "0", "6", "bAQI="])
    async def test_an_invalid_packet_by_websocket(self, bridge: Bridge, packet: str) -> None:
        """What is no packet ends the websocket."""
        async with opened(bridge) as one:
            await one.send(packet)
            await one.until_closed()


class TestHeartbeat:
    """The server pings; who does not answer is gone."""

    async def test_polling(self, brisk: Bridge) -> None:
        """A poll brings the ping, a POST the pong, as often as it is due."""
        async with polling(brisk) as one:
            for _ in range(3):
                polled = await one.poll()
                assert (polled.status, polled.body) == (200, b"2")
                assert (await one.post("3")).status == 200

    @pytest.mark.soak
    async def test_polling_without_a_pong(self, brisk: Bridge) -> None:
        """A connection that is silent is forgotten."""
        async with polling(brisk) as one:

            async def gone() -> bool:
                # Nothing that is asked here counts as a sign of life.
                path = f"{POLLING}&sid={one.sid}"
                return (await brisk.post(path, data=b'42/none,["msg"]')).status == 400

            await until(gone, "forgetting")
            await one.ended()

    async def test_websocket(self, brisk: Bridge) -> None:
        """The same over a websocket, for as long as pongs come."""
        async with opened(brisk) as one:
            for _ in range(3):
                got = await asyncio.wait_for(one.socket.receive(), PATIENCE)
                assert got.data == "2"
                await one.send("3")

    async def test_websocket_without_a_pong(self, brisk: Bridge) -> None:
        """A websocket whose ping stays unanswered is closed, and its seats are left."""
        async with brisk.kernel() as kernel, opened(brisk) as one:
            await one.join(f"/iopub/{kernel}")
            got = []
            while (
                packet := await asyncio.wait_for(one.socket.receive(), PATIENCE)
            ).type not in CLOSED:
                got.append(packet.data)
            assert got[0] == "2"
            await left(brisk, kernel)

    @pytest.mark.soak
    async def test_connecting_to_nothing(self, brisk: Bridge) -> None:
        """Whoever pongs and asks for no namespace is closed in the end, too."""
        async with opened(brisk) as one:
            await one.until_closed()


class TestClose:
    """A client says goodbye."""

    async def test_polling(self, bridge: Bridge) -> None:
        """The poll that waits ends with a noop, and there is no other."""
        async with polling(bridge) as one:
            waits = asyncio.ensure_future(one.poll())
            await is_read(bridge)
            assert (await one.post("1")).status == 200
            answer = await asyncio.wait_for(waits, PATIENCE)
            assert (answer.status, answer.body) == (200, b"6")
            await one.ended()

    async def test_websocket(self, bridge: Bridge) -> None:
        """The websocket is closed."""
        async with opened(bridge) as one:
            await one.send("1")
            assert await one.until_closed() == []


class TestUpgrade:
    """From polling to a websocket, and no way back."""

    async def upgraded(self, one: Polling, socket: Socket) -> None:
        await socket.send("2probe")
        assert await socket.receive() == "3probe"
        await socket.send("5")

    async def test_from_polling_to_websocket(self, bridge: Bridge, kernel: str) -> None:
        """A probe is answered, a poll meanwhile ends with a noop, and all goes on over it."""
        shell = f"/shell/{kernel}"
        async with polling(bridge) as one:
            await one.post(f"40{shell},")
            await one.packets(lambda packet: packet.startswith(f"40{shell},"))
            async with opened(bridge, one.sid) as socket:
                await socket.send("2probe")
                assert await socket.receive() == "3probe"
                polled = await asyncio.wait_for(one.poll(), PATIENCE)
                assert (polled.status, polled.body) == (200, b"6")
                await socket.send("5")
                await socket.send(ask(shell))
                assert await socket.events(shell, "kernel_info_reply")

    async def test_a_poll_that_waits(self, bridge: Bridge) -> None:
        """A poll that waits when a probe comes ends with a noop."""
        async with polling(bridge) as one:
            waits = asyncio.ensure_future(one.poll())
            await is_read(bridge)
            async with opened(bridge, one.sid) as socket:
                await self.upgraded(one, socket)
                answer = await asyncio.wait_for(waits, PATIENCE)
                assert (answer.status, answer.body) == (200, b"6")

    async def test_polls_after_it(self, bridge: Bridge, kernel: str) -> None:
        """A request of the old kind is 400; the websocket does not mind."""
        shell = f"/shell/{kernel}"
        async with polling(bridge) as one, opened(bridge, one.sid) as socket:
            await self.upgraded(one, socket)
            await socket.join(shell)
            expect_problem(await one.poll(), 400, "bad-request")
            expect_problem(await one.post("1"), 400, "bad-request")
            await socket.send(ask(shell))
            assert await socket.events(shell, "kernel_info_reply")

    async def test_a_second_websocket(self, bridge: Bridge, kernel: str) -> None:
        """Another websocket of the connection is refused, also while the first one probes.

        Differs: a refused handshake is an HTTP answer here, so this one never opens.
        """
        shell = f"/shell/{kernel}"
        async with polling(bridge) as one, opened(bridge, one.sid) as socket:
            await socket.send("2probe")
            assert await socket.receive() == "3probe"
            second = await bridge.handshake(f"{WEBSOCKET}&sid={one.sid}")
            expect_problem(second, 400, "bad-request")
            await socket.send("5")
            await socket.join(shell)
            second = await bridge.handshake(f"{WEBSOCKET}&sid={one.sid}")
            expect_problem(second, 400, "bad-request")
            await socket.send(ask(shell))
            assert await socket.events(shell, "kernel_info_reply")

    @pytest.mark.parametrize("packets", [[], ["2"], ["5"], ["abc"], ["2probe"], ["2probe", "3"]])
    async def test_given_up(self, bridge: Bridge, kernel: str, packets: list[str]) -> None:
        """A websocket that comes to nothing leaves polling as it was."""
        shell = f"/shell/{kernel}"
        async with polling(bridge) as one:
            async with opened(bridge, one.sid) as socket:
                for packet in packets:
                    await socket.send(packet)
                if packets[:1] == ["2probe"]:
                    assert await socket.receive() == "3probe"

            await one.post(f"40{shell},")
            await one.packets(lambda packet: packet.startswith(f"40{shell},"))


class TestNamespaces:
    """Which namespaces can be connected to, and left."""

    @pytest.mark.parametrize("auth", ["", "{}", '{"token": "any"}', '{"after": "unknown"}'])
    async def test_of_a_kernel(self, bridge: Bridge, kernel: str, auth: str) -> None:
        """A kernel's channel is connected to, with and without a payload.

        Differs: no event `auth` gives the payload back, which may be a token.
        """
        shell = f"/shell/{kernel}"
        async with opened(bridge) as one:
            said = await one.join(shell, auth)
            assert said.keys() == {"sid"}
            assert isinstance(said["sid"], str)
            await one.send(ask(shell))
            assert await one.events(shell, "kernel_info_reply")

    async def test_two_of_one_connection(self, bridge: Bridge, kernel: str) -> None:
        """Each namespace of a connection has an id of its own."""
        async with opened(bridge) as one:
            assert await one.join(f"/shell/{kernel}") != await one.join(f"/iopub/{kernel}")

    @pytest.mark.parametrize("namespace", ["/custom", "/random", "/shell", "/shell/unknown"])
    @pytest.mark.parametrize("end", ["", ",", ',{"token": "any"}'])
    async def test_that_is_unknown(self, bridge: Bridge, namespace: str, end: str) -> None:
        """Any other namespace is refused by a CONNECT_ERROR that says why, and nothing ends."""
        async with opened(bridge) as one:
            for _ in range(2):
                await one.send(f"40{namespace}{end}")
                said = payload(await one.receive(), f"44{namespace},")
                assert said["data"]["error"] == "not-found"
                assert said["message"] == said["data"]["message"]

    @pytest.mark.parametrize("auth", ["", '{"token": "any"}'])
    async def test_the_main_one(self, bridge: Bridge, auth: str) -> None:
        """Differs: there is no main namespace, as there is no kernel that it could be of."""
        async with opened(bridge) as one:
            await one.send(f"40{auth}")
            assert payload(await one.receive(), "44")["data"]["error"] == "not-found"

    async def test_twice(self, bridge: Bridge, kernel: str) -> None:
        """A second CONNECT to a namespace is refused, and takes nothing from the first."""
        shell = f"/shell/{kernel}"
        async with opened(bridge) as one:
            await one.join(shell)
            await one.send(f"40{shell},")
            assert payload(await one.receive(), f"44{shell},")
            await one.send(ask(shell))
            assert await one.events(shell, "kernel_info_reply")
        await left(bridge, kernel)

    async def test_leaving_one(self, bridge: Bridge, kernel: str) -> None:
        """DISCONNECT ends one namespace, not the connection nor another namespace of it."""
        shell, iopub = f"/shell/{kernel}", f"/iopub/{kernel}"
        async with opened(bridge) as one:
            await one.join(shell)
            await one.join(iopub)
            await one.send(f"41{iopub},")
            await one.send(ask(shell))
            assert await one.events(shell, "kernel_info_reply")
            assert (await bridge.relay(kernel))["clients"] == 1
        await left(bridge, kernel)

    async def test_leaving_the_last(self, bridge: Bridge, kernel: str) -> None:
        """The connection stays when its last namespace is left, and may come back to it."""
        shell = f"/shell/{kernel}"
        async with opened(bridge) as one:
            await one.join(shell)
            await one.send(f"41{shell},")
            await left(bridge, kernel)
            await one.join(shell)

    async def test_sending_to_one_that_was_not_connected_to(
        self, bridge: Bridge, kernel: str
    ) -> None:
        """An event for a namespace that the client is not in goes nowhere."""
        shell, iopub = f"/shell/{kernel}", f"/iopub/{kernel}"
        async with opened(bridge) as one:
            await one.join(iopub)
            await one.send(ask(shell, ack="1"))
            await one.join(shell)
            await one.send(ask(shell, ack="2"))
            packet = await one.receive()
            while not str(packet).startswith("43"):
                packet = await one.receive()
            assert packet == f"43{shell},2[]"


async def left(bridge: Bridge, kernel: str) -> None:
    async def none() -> bool:
        return bool((await bridge.relay(kernel))["clients"] == 0)

    await until(none, "leaving")


class TestMessages:
    """Events, plain and binary, with and without an acknowledgement."""

    async def test_plain(self, bridge: Bridge, kernel: str) -> None:
        """A plain event gets to the kernel, and its answer is one."""
        shell = f"/shell/{kernel}"
        async with opened(bridge) as one:
            await one.join(shell)
            await one.send(event(shell, "execute_request", {"code": "", "silent": True}))
            message, _ = await one.events(shell, "execute_reply")
            assert message["content"]["status"] == "ok"

    async def test_plain_with_an_ack(self, bridge: Bridge, kernel: str) -> None:
        """An event with an id is acknowledged by it.

        Differs: with nothing in it. What the kernel says to a message is a message.
        """
        shell = f"/shell/{kernel}"
        async with opened(bridge) as one:
            await one.join(shell)
            await one.send(ask(shell, ack="456"))
            assert await one.receive() == f"43{shell},456[]"

    async def test_binary_with_an_ack(self, bridge: Bridge, kernel: str) -> None:
        """An event with attachments is acknowledged when all have come. Differs as above."""
        channels = f"/channels/{kernel}"
        async with opened(bridge) as one:
            await one.join(channels)
            comm = {"comm_id": "none", "data": {}}
            await one.send(event(channels, "comm_msg", comm, buffers=2, ack="789"))
            await one.send(b"\x01\x02")
            await one.send(b"\x03")
            assert await one.receive() == f"43{channels},789[]"

    async def test_an_event_of_another_name(self, bridge: Bridge, kernel: str) -> None:
        """Differs: the one event is `msg`; any other is not acknowledged, and ends nothing."""
        shell = f"/shell/{kernel}"
        async with opened(bridge) as one:
            await one.join(shell)
            await one.send(f'42{shell},1["message",1,"2",{{"3":[true]}}]')
            await one.send(ask(shell, ack="2"))
            assert await one.receive() == f"43{shell},2[]"

    @pytest.mark.parametrize("content", ['{"a": "\\ud800"}', '{"a": 1e999}', "[]", '"text"'])
    async def test_content_that_no_kernel_takes(
        self, bridge: Bridge, kernel: str, content: str
    ) -> None:
        """An event that is no Jupyter message is told as `problem`, or is sent as it can be."""
        shell = f"/shell/{kernel}"
        sent = event(shell, "comm_info_request", {"put": "here"})
        async with opened(bridge) as one:
            await one.join(shell)
            await one.send(sent.replace('{"put": "here"}', content))
            packet = str(await one.receive())
            if "1e999" in content:
                assert packet.startswith(f'42{shell},["msg"')
            else:
                assert payload(packet, f"42{shell},")[1]["error"] == "bad-request"
                assert await one.receive() == f"41{shell},"

    PACKETS = {
        "an unknown type": ["4abc"],
        "a type beyond the last": ["47"],
        "an event that is no list": ["42{shell},{{}}"],
        "an event of nothing": ["42{shell}"],
        "an event without a name": ["42{shell},[]"],
        "an event whose name is none": ["42{shell},[7]"],
        "a name that is the protocol's": ['42{shell},["disconnect","x"]'],
        "another one": ['42{shell},["connect",{{}},{{}}]'],
        "an id that is none": ['42{shell},abc["msg",1]'],
        "an id without an end": [f'42{{shell}},{"1" * 200}["msg",1]'],
        "an id of other digits": ['42{shell},²["msg",1]'],
        "text that is no JSON": ["42{shell},[nothing]"],
        "lists without an end": ["42{shell}," + "[" * 100_000],
        "an ack without an id": ["43{shell},[]"],
        "an ack that is no list": ["43{shell},1{{}}"],
        "a payload of a CONNECT that is none": ["40{shell},[]"],
        "a DISCONNECT that says something": ["41{shell},{{}}"],
        "a refusal by the client": ["44{shell},{{}}"],
        "attachments of a plain event": ['421-{shell},["msg"]'],
        "a binary event without any": ['450-{shell},["msg"]'],
        "too many of them": ['4599999999999-{shell},["msg"]'],
        "an attachment that nothing told of": [b"\x01"],
        "a digit as an attachment": [b"2"],
        "text in place of an attachment": ['451-{shell},["msg"]', "42{shell},[]"],
        "a placeholder for none": [
            '451-{shell},["msg",{{"_placeholder":true,"num":5}}]',
            b"\x01",
        ],
        "a placeholder that is no number": [
            '451-{shell},["msg",{{"_placeholder":true,"num":"x"}}]',
            b"\x01",
        ],
        "attachments for another namespace": ['451-/iopub/{kernel},["msg"]'],
    }

    @pytest.mark.parametrize("packets", PACKETS.values(), ids=PACKETS.keys())
    async def test_invalid(self, bridge: Bridge, kernel: str, packets: list[str | bytes]) -> None:
        """What is no packet of socket.io ends the connection that sent it, and leaves its seats."""
        shell = f"/shell/{kernel}"
        async with opened(bridge) as one:
            await one.join(shell)
            for packet in packets:
                filled = (
                    packet.format(shell=shell, kernel=kernel) if isinstance(packet, str) else packet
                )
                await one.send(filled)
            await one.until_closed()
        await left(bridge, kernel)

    async def test_invalid_before_any_namespace(self, bridge: Bridge) -> None:
        """So does a first packet that is none."""
        async with opened(bridge) as one:
            await one.send("4abc")
            await one.until_closed()

    async def test_invalid_by_polling(self, bridge: Bridge, kernel: str) -> None:
        """So does one that is posted; the poll that waits is told the end."""
        async with polling(bridge) as one:
            await one.post(f"40/shell/{kernel},")
            await one.packets(lambda packet: packet.startswith("40/shell"))
            waits = asyncio.ensure_future(one.poll())
            await is_read(bridge)
            assert (await one.post(f"42/shell/{kernel},{{}}")).status == 200
            answer = await asyncio.wait_for(waits, PATIENCE)
            assert (answer.status, answer.body) == (200, b"1")
            await one.ended()
            await left(bridge, kernel)
