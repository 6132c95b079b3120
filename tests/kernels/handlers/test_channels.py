"""Websocket seats, spoken to in Jupyter's own serialization, on real kernels."""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.conftest import Server
from tests.support.kernel_client import (
    V1,
    Bridge,
    Closed,
    Message,
    expect_problem,
    is_reply_to,
    is_status,
    is_type,
    text_of,
    types,
    waits_for,
)
from tests.support.waiting import until

BOTH = pytest.mark.parametrize("v1", [True, False], ids=["v1", "default"])


# -- both protocols ----------------------------------------------------------------------------


@BOTH
async def test_execute(bridge: Bridge, kernel: str, v1: bool) -> None:
    """A request on the multiplexed seat brings its iopub messages and its reply."""
    async with bridge.seat(kernel, v1=v1) as seat:
        messages = await seat.run("print('hé'); 6*7")
    assert types([m for m in messages if m["channel"] == "iopub"]) == [
        "status",
        "execute_input",
        "stream",
        "execute_result",
        "status",
    ]
    assert text_of(messages) == "hé\n"
    (reply,) = [m for m in messages if m["channel"] == "shell"]
    assert reply["content"]["status"] == "ok"


async def test_default_frames_have_what_the_hosts_have(bridge: Bridge, kernel: str) -> None:
    """A default frame has the keys that the host's own frames have."""
    keys = []
    for host in (True, False):
        async with bridge.seat(kernel, v1=False, host=host) as seat:
            message = (await seat.run("1"))[-1]
            keys.append(set(message))
    assert keys[0] == keys[1]


@BOTH
async def test_control(bridge: Bridge, kernel: str, v1: bool) -> None:
    """Requests on control are answered on control."""
    async with bridge.seat(kernel, v1=v1) as seat:
        msg_id = await seat.send("kernel_info_request", channel="control")
        reply = (await seat.until(is_reply_to(msg_id)))[-1]
        assert (reply["channel"], reply["header"]["msg_type"]) == ("control", "kernel_info_reply")


COMM = """
from ipykernel.comm import Comm
def on_open(comm, message):
    comm.on_msg(lambda m: comm.send({"got": len(m["buffers"])}, buffers=m["buffers"]))
get_ipython().kernel.comm_manager.register_target("bridge-echo", on_open)
"""


@BOTH
async def test_binary_buffers(bridge: Bridge, kernel: str, v1: bool) -> None:
    """Binary buffers arrive as they were, in both directions, whatever bytes they hold."""
    buffers = (bytes(range(256)) * 5, b"", b"\xff\xfe<IDS|MSG>\x00")
    async with bridge.seat(kernel, v1=v1) as seat:
        await seat.run(COMM)
        comm = uuid.uuid4().hex
        opened = {"comm_id": comm, "target_name": "bridge-echo", "data": {}}
        await seat.send("comm_open", opened)
        await seat.send("comm_msg", {"comm_id": comm, "data": {}}, buffers=buffers)
        echo = (await seat.until(is_type("comm_msg")))[-1]
    assert echo["content"]["data"] == {"got": 3}
    assert tuple(bytes(b) for b in echo["buffers"]) == buffers


async def test_token_in_the_subprotocol(bridge: Bridge, kernel: str, bridge_server: Server) -> None:
    """A token offered as a subprotocol logs in, and a browser gets a protocol that it offered."""
    token = f"v1.token.websocket.jupyter.org.{bridge_server.token}"
    stranger = Bridge(bridge_server, {})
    try:
        async with stranger.seat(kernel, protocols=(V1, token)) as seat:
            assert await seat.run("1")
        async with stranger.session.ws_connect(
            stranger.url(f"/channels/{kernel}"), protocols=(token,)
        ) as socket:
            assert socket.protocol == token
        wrong = {"Sec-WebSocket-Protocol": "v1.token.websocket.jupyter.org.wrong"}
        expect_problem(await stranger.handshake(f"/channels/{kernel}", **wrong), 403, "denied")
    finally:
        await stranger.close()
    assert bridge_server.token not in bridge_server.log.read_text()


# -- seats, sessions, routing ------------------------------------------------------------------


async def test_reply_goes_to_the_asker(bridge: Bridge, kernel: str) -> None:
    """iopub goes to everybody, a reply only to the client that asked."""
    async with bridge.seat(kernel) as asker, bridge.seat(kernel, v1=False) as other:
        msg_id = await asker.execute("print('for all')")
        await asker.settle(msg_id)
        seen = await other.until(lambda m: is_status(m, "idle"))
        own = await other.run("2")
    assert text_of(seen) == "for all\n"
    assert not [m for m in [*seen, *own] if is_reply_to(msg_id)(m)]


@BOTH
async def test_one_client_over_single_channel_seats(bridge: Bridge, kernel: str, v1: bool) -> None:
    """What one session asks on its shell seat may ask for input on its stdin seat."""
    session = uuid.uuid4().hex
    for stdin_seat in ("stdin", "stdio"):
        async with (
            bridge.seat(kernel, "shell", session=session, v1=v1) as shell,
            bridge.seat(kernel, stdin_seat, session=session, v1=v1) as stdin,
            bridge.seat(kernel, "iopub", session=session, v1=v1) as iopub,
            bridge.seat(kernel, stdin_seat, v1=v1) as foreign,
        ):
            msg_id = await shell.execute("print(input('Who? ') * 2)", allow_stdin=True)
            (request,) = await stdin.until(is_type("input_request"))
            assert request["content"] == {"prompt": "Who? ", "password": False}
            assert request["channel"] == "stdin"
            answer = {"status": "ok", "value": "me"}
            await stdin.send("input_reply", answer, channel="stdin", parent=request)
            (reply,) = await shell.until(is_reply_to(msg_id))
            assert reply["content"]["status"] == "ok"
            assert text_of(await iopub.until(is_type("stream"))) == "meme\n"
            with pytest.raises(asyncio.TimeoutError):
                await foreign.receive(timeout=0.1)


async def test_single_channel_seat_without_a_channel_name(bridge: Bridge, kernel: str) -> None:
    """A default frame that names no channel means the seat's own, or shell."""
    async with (
        bridge.seat(kernel, "control", v1=False) as control,
        bridge.seat(kernel, v1=False) as channels,
    ):
        msg_id = await control.send("kernel_info_request", channel=None)
        (reply,) = await control.until(is_reply_to(msg_id))
        assert reply["channel"] == "control"
        assert await channels.run("1", channel=None)


async def test_same_session_twice(bridge: Bridge, kernel: str) -> None:
    """A second seat of one session on the same channels ends the first with a conflict."""
    session = uuid.uuid4().hex
    async with (
        bridge.seat(kernel, session=session) as first,
        bridge.seat(kernel, session=session) as second,
    ):
        closed = await first.ended()
        assert closed.code == 4409
        assert closed.problem["error"] == "conflict"
        assert await second.run("1")
        assert (await bridge.relay(kernel))["clients"] == 1


async def test_session_of_another_seat_keeps_its_reply(
    bridge: Bridge, kernel: str, tmp_path: Path
) -> None:
    """A client that comes back under its session gets the reply to what it asked before."""
    session = uuid.uuid4().hex
    gate = tmp_path / "gate"
    code = "print('go', flush=True)\n" + waits_for(gate) + "print('late')"
    async with bridge.seat(kernel, session=session) as first:
        msg_id = await first.execute(code)
        last = (await first.until(is_type("stream")))[-1]["header"]["msg_id"]
    async with bridge.seat(kernel, session=session, after=last) as second:
        gate.touch()
        messages = await second.settle(msg_id)
    assert text_of(messages) == "late\n"
    assert [m["content"]["status"] for m in messages if m["channel"] == "shell"] == ["ok"]


# -- what does not belong ----------------------------------------------------------------------


async def refused(bridge: Bridge, kernel: str, seat: str = "channels", **send: Any) -> Closed:
    async with bridge.seat(kernel, seat, v1=send.pop("v1", True)) as socket:
        await socket.send(**send)
        return await socket.ended()


@BOTH
@pytest.mark.parametrize(
    ("seat", "channel", "msg_type"),
    [
        ("iopub", "iopub", "execute_request"),
        ("iopub", "shell", "execute_request"),
        ("channels", "iopub", "execute_request"),
        ("channels", "heartbeat", "execute_request"),
        ("channels", "", "execute_request"),
        ("shell", "control", "shutdown_request"),
        ("shell", "stdin", "input_reply"),
        ("stdin", "shell", "execute_request"),
        ("channels", "stdin", "execute_request"),
        ("channels", "shell", "input_reply"),
    ],
)
async def test_frame_on_a_seat_where_it_does_not_belong(
    bridge: Bridge, kernel: str, v1: bool, seat: str, channel: str, msg_type: str
) -> None:
    """A frame on a wrong or unknown channel is told as a bad-request and closed with 4400."""
    closed = await refused(bridge, kernel, seat, channel=channel, msg_type=msg_type, v1=v1)
    assert closed.code == 4400
    assert closed.problem["error"] == "bad-request"
    assert (await bridge.execute(kernel, "1", timeout=20))["status"] == "ok"


async def send_raw(bridge: Bridge, kernel: str, frame: str | bytes, *, v1: bool) -> Closed:
    async with bridge.seat(kernel, v1=v1) as seat:
        if isinstance(frame, str):
            await seat.socket.send_str(frame)
        else:
            await seat.socket.send_bytes(frame)
        return await seat.ended()


@pytest.mark.parametrize(
    ("v1", "frame"),
    [
        (True, "text"),
        (True, b""),
        (True, b"\x00" * 7),
        (True, struct.pack("<Q", 1 << 60)),
        (True, struct.pack("<7Q", 6, 56, 56, 56, 56, 56, 1 << 63)),
        (True, struct.pack("<7Q", 6, 56, 56, 56, 56, 56, 56)),
        (False, ""),
        (False, "{"),
        (False, "[]"),
        (False, "null"),
        (False, '{"header": []}'),
        (False, '{"header": {"msg_id": 7, "msg_type": "execute_request"}}'),
        (False, '{"header": {}, "channel": "shell"}'),
        (False, '{"header": {"msg_id": "a", "msg_type": ""}, "channel": "shell"}'),
        (False, b"\xff\xff\xff\xff"),
        (False, b"\x00\x00\x00\x01\x00\x00\x00\x08{]"),
        (False, "[" * 100_000),
    ],
)
async def test_malformed_frame(bridge: Bridge, kernel: str, v1: bool, frame: str | bytes) -> None:
    """A frame that is no Jupyter message is told as a bad-request and closed with 4400."""
    closed = await send_raw(bridge, kernel, frame, v1=v1)
    assert closed.code == 4400
    assert closed.problem["error"] == "bad-request"


@BOTH
async def test_frame_too_large(bridge: Bridge, kernel: str, v1: bool) -> None:
    """A frame of 11 MiB is told as too-large and closed with 4413; the kernel never sees it."""
    async with bridge.seat(kernel, v1=v1) as seat:
        await seat.execute("#" * (11 << 20))
        closed = await seat.ended()
    assert closed.code == 4413
    assert closed.problem["error"] == "too-large"
    assert closed.problem["limit"] == 10 << 20
    assert (await bridge.execute(kernel, "1", timeout=20))["status"] == "ok"


async def test_frame_of_the_largest_size(bridge: Bridge, kernel: str) -> None:
    """A frame just below the limit reaches the kernel."""
    async with bridge.seat(kernel) as seat:
        messages = await seat.run("len('" + "x" * (9 << 20) + "')")
        results = [m for m in messages if is_type("execute_result")(m)]
        assert results[0]["content"]["data"]["text/plain"] == str(9 << 20)


async def test_input_reply_from_a_stranger(bridge: Bridge, kernel: str) -> None:
    """Only the client that is asked may answer; a stranger's answer ends the stranger's seat."""
    async with bridge.seat(kernel) as asked, bridge.seat(kernel) as stranger:
        msg_id = await asked.execute("print(input('?'))", allow_stdin=True)
        request = (await asked.until(is_type("input_request")))[-1]
        forged = {"status": "ok", "value": "forged"}
        await stranger.send("input_reply", forged, channel="stdin", parent=request)
        closed = await stranger.ended()
        assert closed.code == 4403
        own = {"status": "ok", "value": "own"}
        await asked.send("input_reply", own, channel="stdin", parent=request)
        assert text_of(await asked.settle(msg_id)) == "own\n"


async def test_input_reply_that_nobody_waits_for(bridge: Bridge, kernel: str) -> None:
    """An input_reply that nobody waits for is dropped, and answers no later input request."""
    async with bridge.seat(kernel) as seat:
        await seat.send("input_reply", {"status": "ok", "value": "early"}, channel="stdin")
        msg_id = await seat.execute("print(input('?'))", allow_stdin=True)
        request = (await seat.until(is_type("input_request")))[-1]
        reply = {"status": "ok", "value": "timely"}
        await seat.send("input_reply", reply, channel="stdin", parent=request)
        assert text_of(await seat.settle(msg_id)) == "timely\n"


async def test_msg_id_of_somebody_else(bridge: Bridge, kernel: str, tmp_path: Path) -> None:
    """A request under the id of another client's request in flight is refused."""
    async with bridge.seat(kernel) as owner, bridge.seat(kernel) as thief:
        gate = tmp_path / "gate"
        msg_id = await owner.execute(waits_for(gate))
        await owner.until(lambda m: is_status(m, "busy"))
        await thief.send("execute_request", {"code": "1"}, msg_id=msg_id)
        assert (await thief.ended()).code == 4400
        gate.touch()
        await owner.until(is_reply_to(msg_id))


async def test_own_origin(bridge: Bridge, kernel: str) -> None:
    """A websocket from the server's own origin opens; for foreign ones see test_handlers_proof."""
    async with bridge.seat(kernel, headers={"Origin": bridge.server.url.rstrip("/")}) as seat:
        assert await seat.run("1")


async def test_wrong_query(bridge: Bridge, kernel: str) -> None:
    """Unknown query arguments do no harm; a seat without a session id gets one of its own."""
    async with bridge.session.ws_connect(
        bridge.url(f"/channels/{kernel}?other=1"), headers=bridge.headers
    ) as socket:
        await socket.send_str(
            json.dumps({"header": {"msg_id": "q1", "msg_type": "kernel_info_request"}})
        )
        while True:
            message = json.loads((await socket.receive(30)).data)
            if message["channel"] == "shell":
                break
        assert message["msg_type"] == "kernel_info_reply"


# -- resume, gaps, slow readers ----------------------------------------------------------------


TICKS = "import time\nfor i in range({n}): print(i, flush=True); time.sleep({pause})"


@BOTH
async def test_resume(bridge: Bridge, kernel: str, v1: bool) -> None:
    """`after` brings what was missed, none lost and none twice, though another client stayed."""
    session = uuid.uuid4().hex
    async with bridge.seat(kernel, "iopub") as witness, bridge.seat(kernel, "shell") as shell:
        async with bridge.seat(kernel, session=session, v1=v1) as first:
            await shell.execute(TICKS.format(n=30, pause=0.02))
            before = await first.until(lambda m: text_of([m]).endswith("3\n"))
        await witness.until(lambda m: "15\n" in text_of([m]))
        last = before[-1]["header"]["msg_id"]
        async with bridge.seat(kernel, session=session, v1=v1, after=last) as second:
            after = await second.until(lambda m: is_status(m, "idle"))
        everything = witness.seen + await witness.until(lambda m: is_status(m, "idle"))
    assert "bridge_gap" not in types(after)
    assert text_of(before) + text_of(after) == "".join(f"{i}\n" for i in range(30))
    ids = [m["header"]["msg_id"] for m in before + after]
    assert len(ids) == len(set(ids))
    assert ids[-1] == everything[-1]["header"]["msg_id"]


async def test_resume_from_an_unknown_message(bridge: Bridge, kernel: str) -> None:
    """An `after` that the bridge never saw is told as an inexact gap before what is held."""
    async with bridge.seat(kernel, after="never-was") as seat:
        gap = await seat.receive()
    assert gap["header"]["msg_type"] == "bridge_gap"
    assert gap["channel"] == "iopub"
    assert gap["content"]["exact"] is False
    assert gap["content"]["lost"] >= 1


async def test_resume_behind_messages_for_others(bridge: Bridge, kernel: str) -> None:
    """A client of stdin alone gets its message, though thousands on iopub come before."""
    session, at_once = uuid.uuid4().hex, "s = get_ipython().kernel\n"
    at_once += "for i in range(9000): s.session.send(s.iopub_socket, 'x', {}, ident=b'x')\n"
    async with (
        bridge.seat(kernel, "iopub") as witness,
        bridge.seat(kernel, "shell", session=session) as shell,
    ):
        msg_id = await shell.execute(f"{at_once}input('name? ')", allow_stdin=True)
        await witness.until(lambda m: len(witness.seen) > 9000)
        async with bridge.seat(kernel, "stdin", session=session, after="never-was") as stdin:
            request = await stdin.receive()
            assert request["header"]["msg_type"] == "input_request"
            await stdin.send("input_reply", {"value": "Ada"}, channel="stdin", parent=request)
            await shell.until(is_reply_to(msg_id))


# Larger than what a kernel says in one go, so that who reads loses nothing.
SMALL = 2 << 20


@pytest.fixture
def small(servers: Callable[..., Server], connect: Callable[..., Bridge]) -> Bridge:
    """A server whose rings hold 2 MiB."""
    return connect(servers(f"--BridgeApp.ring_bytes={SMALL}"))


async def test_gap(small: Bridge) -> None:
    """When the ring has moved on, `after` tells exactly how many messages are lost, first."""
    async with small.kernel() as kernel_id:
        async with small.seat(kernel_id) as seat:
            (first, *_) = [m for m in await seat.run("print('start')") if is_type("stream")(m)]
            code = (
                "import time\nfor i in range(300):"
                " display({'text/plain': 'x' * 10_000}, raw=True); time.sleep(0.001)"
            )
            messages = await seat.run(code)
            all_ids = [m["header"]["msg_id"] for m in seat.seen if m["channel"] == "iopub"]
        relay = await small.relay(kernel_id)
        assert relay["bytes"] <= SMALL
        assert relay["first_seq"] > 1
        start = first["header"]["msg_id"]
        async with small.seat(kernel_id, after=start) as seat:
            gap, *rest = await seat.until(
                lambda m: (
                    m["header"]["msg_id"] == messages[-1]["header"]["msg_id"]
                    or m["header"]["msg_id"] == all_ids[-1]
                )
            )
        assert gap["header"]["msg_type"] == "bridge_gap"
        assert gap["content"]["exact"] is True
        ids = [m["header"]["msg_id"] for m in rest if m["channel"] == "iopub"]
        assert ids == all_ids[-len(ids) :]
        missed = len(all_ids) - all_ids.index(start) - 1
        assert gap["content"]["lost"] == missed - len(ids)


async def slow_reader(bridge: Bridge, kernel_id: str) -> tuple[Any, Any]:
    """A websocket that is opened and then not read: (reader, writer)."""
    host, _, port = bridge.server.url.split("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 12)
    request = (
        f"GET /bridge/iopub/{kernel_id} HTTP/1.1\r\nHost: {host}:{port}\r\n"
        f"Authorization: token {bridge.server.token}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(request.encode())
    assert b"101" in await reader.readline()
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    return reader, writer


async def read_frames(reader: asyncio.StreamReader) -> list[Message]:
    """The JSON text frames that wait, until an idle status."""
    while (await reader.readline()) != b"\r\n":
        pass
    frames = []
    while True:
        first, size = await reader.readexactly(2)
        assert first == 0x81
        if size == 126:
            (size,) = struct.unpack("!H", await reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await reader.readexactly(8))
        frames.append(json.loads(await reader.readexactly(size)))
        if text_of([frames[-1]]).endswith("END\n"):
            return frames


async def test_slow_reader_of_streams(bridge: Bridge) -> None:
    """Who reads slowly gets adjacent stream messages merged, with every character in order."""
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id) as fast:
        reader, writer = await slow_reader(bridge, kernel_id)
        line = "x" * 2000
        await fast.run(
            f"for i in range(6000): print(i, '{line}', flush=True)\nprint('END', flush=True)"
        )
        writer.transport.resume_reading()
        frames = await asyncio.wait_for(read_frames(reader), 60)
        writer.close()
    expected = "".join(f"{i} {line}\n" for i in range(6000)) + "END\n"
    assert text_of(frames) == expected
    assert len(frames) < 6000
    assert "bridge_gap" not in [f["header"]["msg_type"] for f in frames]
    assert text_of(fast.seen) == expected


async def test_slow_reader_beyond_the_ring(small: Bridge) -> None:
    """Beyond the ring a slow reader is told its gap; others lose nothing, memory is bounded."""
    async with small.kernel() as kernel_id, small.seat(kernel_id) as fast:
        server = psutil.Process(small.server.process.pid)
        await fast.run("1")
        reader, writer = await slow_reader(small, kernel_id)
        before = server.memory_info().rss
        code = (
            "import time; data = 'x' * 50_000\n"
            "for i in range(600): display({'text/plain': data}, raw=True); time.sleep(0.002)\n"
            "print('END', flush=True)"
        )
        messages = await fast.run(code)
        grown = server.memory_info().rss - before
        assert types(messages).count("display_data") == 600
        assert (await small.relay(kernel_id))["bytes"] <= SMALL
        assert grown < 40 << 20, grown
        writer.transport.resume_reading()
        frames = await asyncio.wait_for(read_frames(reader), 60)
        writer.close()
    got = [f["header"]["msg_type"] for f in frames]
    lost = sum(f["content"]["lost"] for f in frames if f["header"]["msg_type"] == "bridge_gap")
    assert lost > 0
    assert got.count("display_data") + lost >= 600


# -- observers and the host's authorizer -------------------------------------------------------

READER = """
from jupyter_server.auth import Authorizer

class Rules(Authorizer):
    '''What an Authorizer of a deployment looks like; RULES is filled in by the test.'''

    def is_authorized(self, handler, user, action, resource):
        {rule}

c.ServerApp.authorizer_class = Rules
"""


def config(rule: str) -> dict[str, str]:
    return {"config/jupyter_server_config.py": READER.format(rule=rule)}


@pytest.fixture
def observer(servers: Callable[..., Server], connect: Callable[..., Bridge]) -> Bridge:
    """A client that may read; only `X-Role: owner` requests may do more."""
    rule = "return action == 'read' or handler.request.headers.get('X-Role') == 'owner'"
    return connect(servers("--ServerApp.log_level=INFO", files=config(rule)))


OWNER = {"X-Role": "owner"}


async def owned_kernel(bridge: Bridge) -> str:
    answer = await bridge.post("/spawn/python3", {}, headers=OWNER)
    assert answer.status == 201
    return str(answer.json["id"])


async def test_observer_watches(observer: Bridge) -> None:
    """Who may only read sees iopub and nothing else, on the multiplexed seat and on iopub."""
    kernel_id = await owned_kernel(observer)
    async with (
        observer.seat(kernel_id) as one,
        observer.seat(kernel_id, "iopub", v1=False) as two,
        observer.seat(kernel_id, headers=OWNER) as owner,
    ):
        await owner.run("print('look')")
        for seat in (one, two):
            seen = await seat.until(lambda m: is_status(m, "idle"))
            assert text_of(seen) == "look\n"
            assert {m["channel"] for m in seen} == {"iopub"}
    await observer.delete(f"/shutdown/{kernel_id}", headers=OWNER)


@pytest.mark.parametrize("v1", [True, False])
@pytest.mark.parametrize("channel", ["shell", "control", "stdin", "iopub"])
async def test_observer_does_not_send(observer: Bridge, v1: bool, channel: str) -> None:
    """The first frame an observer sends ends its socket with 4403, and goes nowhere."""
    kernel_id = (await observer.get("/kernels")).json
    kernel_id = kernel_id[0]["id"] if kernel_id else await owned_kernel(observer)
    async with observer.seat(kernel_id, v1=v1) as seat:
        await seat.execute("open('/tmp/never-written', 'w')", channel=channel)
        closed = await seat.ended()
    assert closed.code == 4403
    assert closed.problem["error"] == "denied"


async def test_observer_has_no_other_seats(observer: Bridge) -> None:
    """An observer's handshake on shell, stdin and control is 403, as are all state changes."""
    kernel_id = await owned_kernel(observer)
    for seat in ("shell", "stdin", "stdio", "control"):
        expect_problem(await observer.handshake(f"/{seat}/{kernel_id}"), 403, "denied")
    assert (await observer.get("/kernels")).status == 200
    for method, path, body in (
        ("POST", "/spawn/python3", {}),
        ("GET", "/spawn/python3", None),
        ("POST", f"/shutdown/{kernel_id}", None),
        ("DELETE", f"/shutdown/{kernel_id}", None),
        ("GET", f"/shutdown/{kernel_id}", None),
        ("POST", f"/interrupt/{kernel_id}", None),
        ("POST", f"/restart/{kernel_id}", None),
        ("POST", f"/execute/{kernel_id}", {"code": "1"}),
        ("POST", "/execute?kernel=python3", {"code": "1"}),
    ):
        expect_problem(await observer.call(method, path, body), 403, "denied")
    run = await observer.post(f"/execute/{kernel_id}", {"code": "1"}, headers=OWNER)
    path = f"/executions/{run.json['execution']}"
    assert (await observer.get(path)).status == 200
    expect_problem(await observer.delete(path), 403, "denied")
    expect_problem(await observer.post(f"{path}/input", {"value": "x"}), 403, "denied")
    await observer.delete(f"/shutdown/{kernel_id}", headers=OWNER)


FORBID = "return {} or handler.request.headers.get('X-Role') == 'owner'"


@pytest.mark.parametrize(
    "rule",
    [
        FORBID.format("resource != 'kernels'"),
        FORBID.format("resource != 'bridge:kernels'"),
        FORBID.format("False"),
    ],
    ids=["host-resource", "bridge-resource", "everything"],
)
async def test_forbidden_resource(
    servers: Callable[..., Server], connect: Callable[..., Bridge], rule: str
) -> None:
    """What the authorizer forbids, by the host's name or ours, no route and verb lets through."""
    name = f"--ServerApp.custom_display_url=http://localhost/{abs(hash(rule))}"
    bridge = connect(servers(name, files=config(rule)))
    kernel_id = await owned_kernel(bridge)
    run = await bridge.post(f"/execute/{kernel_id}", {"code": "1"}, headers=OWNER)
    execution = run.json["execution"]
    for method, path, body in (
        ("GET", "/kernels", None),
        ("GET", f"/kernels/{kernel_id}", None),
        ("POST", "/spawn/python3", {}),
        ("GET", "/spawn/python3", None),
        ("POST", f"/shutdown/{kernel_id}", None),
        ("DELETE", f"/shutdown/{kernel_id}", None),
        ("GET", f"/shutdown/{kernel_id}", None),
        ("POST", f"/interrupt/{kernel_id}", None),
        ("POST", f"/restart/{kernel_id}", None),
        ("POST", f"/execute/{kernel_id}", {"code": "1"}),
        ("POST", "/execute?kernel=python3", {"code": "1"}),
        ("GET", f"/executions/{execution}", None),
        ("DELETE", f"/executions/{execution}", None),
        ("POST", f"/executions/{execution}/input", {"value": "1"}),
    ):
        answer = await bridge.call(method, path, body)
        assert answer.status == 403, (method, path, answer)
        assert answer.json["error"] == "denied"
    for seat in ("channels", "shell", "iopub", "stdin", "stdio", "control"):
        expect_problem(await bridge.handshake(f"/{seat}/{kernel_id}"), 403, "denied")
    models = (await bridge.get("/kernels", headers=OWNER)).json
    assert [m["id"] for m in models] == [kernel_id]
    await bridge.delete(f"/shutdown/{kernel_id}", headers=OWNER)


# -- the host's message policy -----------------------------------------------------------------


async def test_allowed_message_types(
    servers: Callable[..., Server], connect: Callable[..., Bridge]
) -> None:
    """A message type that the host does not allow never reaches the kernel, on any channel."""
    bridge = connect(
        servers(
            "--MappingKernelManager.allowed_message_types=kernel_info_request",
            "--MappingKernelManager.allowed_message_types=comm_info_request",
        )
    )
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id) as seat:
        for channel in ("shell", "control"):
            ignored = await seat.execute("1", channel=channel)
            asked = await seat.send("kernel_info_request", channel=channel)
            seen = await seat.until(is_reply_to(asked))
            assert not [m for m in seen if m["parent_header"].get("msg_id") == ignored]
        answer = await bridge.post(f"/execute/{kernel_id}", {"code": "1"})
        expect_problem(answer, 403, "denied", "execute_request")


async def test_tracebacks_hidden(
    servers: Callable[..., Server], connect: Callable[..., Bridge]
) -> None:
    """`allow_tracebacks=False` hides errors on iopub, in replies on every seat, and in execute."""
    bridge = connect(
        servers(
            "--MappingKernelManager.allow_tracebacks=False",
            "--MappingKernelManager.traceback_replacement_message=hidden here",
        )
    )
    code = "secret = 1\nraise ValueError('se' + 'cret')"
    async with bridge.kernel() as kernel_id:
        for v1 in (True, False):
            async with bridge.seat(kernel_id, v1=v1) as seat, bridge.seat(kernel_id) as other:
                expressions = {"bad": "1/0"}
                messages = await seat.run(code)
                messages += await seat.run("1", user_expressions=expressions)
                seen = await other.until(lambda m: is_status(m, "idle"))
            errors = [m["content"] for m in messages + seen if "ename" in m["content"]]
            assert len(errors) == 3
            text = json.dumps([m["content"] for m in messages + seen if "code" not in m["content"]])
            assert "ValueError" not in text
            assert "ZeroDivisionError" not in text
            assert "secret" not in text
            assert all(e["traceback"] == ["hidden here"] for e in errors)
        answer = await bridge.execute(kernel_id, code, user_expressions={"bad": "1/0"})
        assert "secret" not in json.dumps(answer)
        assert answer["error"]["traceback"] == ["hidden here"]
        assert answer["outputs"][0]["traceback"] == ["hidden here"]
        answer = await bridge.execute(kernel_id, "1", user_expressions={"bad": "1/0"})
        assert "ZeroDivisionError" not in json.dumps(answer)


# -- ends --------------------------------------------------------------------------------------


async def test_unclean_end(bridge: Bridge, kernel: str) -> None:
    """A connection that is cut without a word gives its seat back."""
    session = aiohttp.ClientSession()
    socket = await session.ws_connect(bridge.url(f"/channels/{kernel}"), headers=bridge.headers)
    assert (await bridge.relay(kernel))["clients"] == 1
    transport = socket.get_extra_info("socket")
    assert transport is not None
    socket._response.connection.transport.abort()  # type: ignore[union-attr]

    async def left() -> bool:
        return bool((await bridge.relay(kernel))["clients"] == 0)

    await until(left, "leaving")
    await session.close()


async def test_a_compressed_end(
    servers: Callable[..., Server], connect: Callable[..., Bridge]
) -> None:
    """A client that reads nothing and hangs up: the log has nothing of the messages under way."""
    bridge = connect(servers("--ServerApp.websocket_compression_options={}"))
    # Each is a message of its own, and does not become smaller.
    code = "import os\nfor n in range(5_000): display({'x/y': os.urandom(2_000).hex()}, raw=True)"
    async with bridge.kernel() as kernel_id, aiohttp.ClientSession() as session:
        socket = await session.ws_connect(
            bridge.url(f"/channels/{kernel_id}"), headers=bridge.headers, compress=15
        )
        assert socket.compress
        assert (await bridge.execute(kernel_id, code))["status"] == "ok"
        socket._response.connection.transport.abort()  # type: ignore[union-attr]

        async def left() -> bool:
            return bool((await bridge.relay(kernel_id))["clients"] == 0)

        await until(left, "leaving")
