"""The Relay between clients and an Upstream that does as the test says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.kernels.client_channel import (
    ALL,
    IOPUB,
    ClientChannel,
    encode_default,
    encode_v1,
)
from jupyter_bridge.kernels.policy import KernelPolicy
from jupyter_bridge.kernels.relay import Relay
from jupyter_bridge.kernels.ring import RingEntry
from jupyter_bridge.problems import BadRequest, Conflict, Denied, Gone, Problem, Timeout
from jupyter_bridge.wire import kernel, websocket
from tests.conftest import SOAK
from tests.support.waiting import pass_time, settle, stays

LOG = logging.getLogger("test")


class FakeUpstream(Upstream):
    """A kernel that answers kernel_info while `answers` is true, and whatever else it is told."""

    answers = True
    # The channels on which it answers, and whether every one is connected.
    hears: tuple[str, ...] = ("shell", "control")
    complete = True
    session = "kernel-1"

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[bytes]]] = []
        self.closed = False

    async def open(
        self,
        on_messages: Callable[[str, list[list[bytes]]], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self.on_messages, self.on_lost = on_messages, on_lost

    def send(self, channel: str, parts: Sequence[bytes]) -> None:
        header = kernel.parse_header(parts[0])
        if header.msg_type == "kernel_info_request":
            if self.answers and channel in self.hears:
                loop = asyncio.get_running_loop()
                loop.call_soon(self.reply, parts[0], "kernel_info_reply", channel)
        else:
            self.sent.append((channel, list(parts)))

    def reply(self, parent: bytes, msg_type: str = "x_reply", channel: str = "shell") -> None:
        self.say("status", {"execution_state": "busy"}, parent)
        reply = kernel.build_message(msg_type, {"status": "ok"}, self.session, parent)
        self.on_messages(channel, [reply])
        self.say("status", {"execution_state": "idle"}, parent)

    def say(self, msg_type: str, content: Any, parent: bytes = b"{}") -> str:
        parts = kernel.build_message(msg_type, content, self.session, parent)
        self.on_messages(IOPUB, [parts])
        return kernel.parse_header(parts[0]).msg_id

    def is_complete(self) -> bool:
        return self.complete

    async def close(self) -> None:
        self.closed = True


def make(upstream: FakeUpstream, **how: Any) -> Relay:
    options = {"ring_bytes": 1 << 20, "deadline": 5.0, "policy": KernelPolicy(), **how}
    return Relay("k", lambda: upstream, session="bridge", log=LOG, **options)


def request(msg_type: str = "x_request", session: str = "s") -> list[bytes]:
    return kernel.build_message(msg_type, {}, session)


def ids(entries: list[RingEntry]) -> list[str]:
    return [entry.header.msg_id for entry in entries]


def kinds(entries: list[RingEntry]) -> list[str]:
    return [entry.header.msg_type for entry in entries]


async def test_routing() -> None:
    """A reply goes to the seat that asked, iopub to all, and what nobody asked to nobody."""
    upstream = FakeUpstream()
    relay = make(upstream)
    await relay.open()
    one, two = relay.join("1", "s1", ALL), relay.join("2", "s2", ALL)
    asked = request()
    one.send("shell", asked)
    upstream.reply(asked[0])
    upstream.reply(request(session="nobody")[0])
    assert kinds(one.take()) == ["status", "x_reply", "status", "status", "status"]
    assert kinds(two.take()) == ["status", "status", "status", "status"]
    upstream.reply(request(session="s2")[0])  # not in the table: its session says whose it is
    assert "x_reply" in kinds(two.take())
    assert "x_reply" not in kinds(one.take())
    await relay.close()
    assert upstream.closed


async def test_questions_of_its_own_stay_hidden() -> None:
    """The bridge's own questions and their status messages are seen by nobody."""
    upstream = FakeUpstream()
    relay = make(upstream)
    seat = relay.join("1", "s", ALL)
    await relay.open()
    assert seat.take() == []
    assert relay.ring.end == 1
    await relay.close()


async def test_kernel_that_never_answers() -> None:
    """A kernel that does not answer within the deadline is a Timeout."""
    upstream = FakeUpstream()
    upstream.answers = False
    relay = make(upstream, deadline=0.05)
    with pytest.raises(Timeout):
        await relay.open()
    await relay.close()


async def test_busy_kernel() -> None:
    """A kernel that is busy is taken as it is."""
    upstream = FakeUpstream()
    upstream.answers = False
    relay = make(upstream, deadline=20, is_busy=lambda: True)
    await relay.open()
    await relay.close()


async def test_kernel_that_is_deaf_on_shell() -> None:
    """An answer on control is enough of a kernel at work, and only then."""
    upstream = FakeUpstream()
    upstream.hears = ("control",)
    relay = make(upstream, deadline=0.2)
    with pytest.raises(Timeout, match="on shell"):
        await relay.open()
    await relay.close()
    busy = make(upstream, deadline=20, is_busy=lambda: True)
    await busy.open()
    await busy.close()


async def test_line_that_is_not_complete() -> None:
    """A kernel is ready when its questions would arrive, too."""
    upstream = FakeUpstream()
    upstream.complete = False
    relay = make(upstream, deadline=0.2)
    with pytest.raises(Timeout, match="on stdin"):
        await relay.open()
    await relay.close()
    relay = make(upstream, deadline=20)
    opening = asyncio.create_task(relay.open())
    assert await stays(opening)
    upstream.complete = True
    await opening
    await relay.close()


async def test_restart() -> None:
    """Messages sent during a restart wait for the new kernel; the old one's last words do not
    count as its answer; `restarting` is told once."""
    upstream = FakeUpstream()
    relay = make(upstream)
    await relay.open()
    seat = relay.join("1", "s", ALL)
    relay.on_restarting()
    relay.on_restarting()
    await pass_time(1)  # the old kernel still answers, and is not taken for the new one
    waiting = request()
    seat.send("shell", waiting)
    assert upstream.sent == []
    upstream.session = "kernel-2"
    await relay.on_restarted(moved=False)
    assert [parts for _, parts in upstream.sent] == [waiting]
    states = [msgspec.json.decode(e.parts[3])["execution_state"] for e in seat.take()]
    assert states.count("restarting") == 1
    await relay.close()


async def test_moved() -> None:
    """A kernel on other ports gets a new line, the old one is closed, and seats stay."""
    lines = [FakeUpstream(), FakeUpstream()]
    lines[1].session = "kernel-2"
    made = iter(lines)
    relay = Relay(
        "k",
        lambda: next(made),
        session="bridge",
        policy=KernelPolicy(),
        ring_bytes=1 << 20,
        deadline=5,
        log=LOG,
    )
    await relay.open()
    seat = relay.join("1", "s", ALL)
    relay.on_restarting()
    await relay.on_restarted(moved=True)
    assert lines[0].closed
    assert not lines[1].closed
    said = lines[1].say("stream", {"name": "stdout", "text": "new"})
    assert ids(seat.take())[-1] == said
    await relay.close()


async def test_lost_line() -> None:
    """A line that is lost for good ends seats with Gone, once, and nobody can join any more."""
    upstream = FakeUpstream()
    relay = make(upstream)
    await relay.open()
    seat = relay.join("1", "s", ALL)
    upstream.on_lost("broken")
    upstream.on_lost("broken")
    with pytest.raises(Gone):
        async for _ in seat.messages():
            pass
    with pytest.raises(Gone):
        relay.join("2", "t", ALL)
    with pytest.raises(Gone):
        seat.send("shell", request())
    seat.close()
    seat.close()
    assert relay.channel_count == 0
    await relay.close()


async def test_same_client_twice() -> None:
    """A second seat of a client on the same channels ends the first; on others it stands beside."""
    relay = make(FakeUpstream())
    await relay.open()
    first = relay.join("1", "s", ALL)
    beside = relay.join("1", "s", frozenset({IOPUB}))
    second = relay.join("1", "s", ALL)
    assert isinstance(first.ended, Conflict)
    assert (beside.ended, second.ended) == (None, None)
    assert relay.channel_count == 2
    await relay.close()


async def test_input() -> None:
    """Only who is asked may answer, and only once."""
    upstream = FakeUpstream()
    relay = make(upstream)
    await relay.open()
    asked, stranger = relay.join("1", "s1", ALL), relay.join("2", "s2", ALL)
    question = request("execute_request")
    asked.send("shell", question)
    upstream.on_messages("stdin", [kernel.build_message("input_request", {}, "k", question[0])])
    with pytest.raises(Denied):
        stranger.send("stdin", request("input_reply"))
    upstream.sent.clear()
    asked.send("stdin", request("input_reply"))
    asked.send("stdin", request("input_reply"))
    assert [channel for channel, _ in upstream.sent] == ["stdin"]
    with pytest.raises(BadRequest):
        asked.send("stdin", request("execute_request"))
    await relay.close()


async def test_policy() -> None:
    """What the host does not allow is dropped; errors are made anonymous wherever they stand."""
    upstream = FakeUpstream()
    policy = KernelPolicy(frozenset({"x_request"}), False, "hidden")
    relay = make(upstream, policy=policy)
    await relay.open()
    seat = relay.join("1", "s", ALL)
    seat.send("shell", request("execute_request"))
    assert upstream.sent == []
    asked = request()
    seat.send("shell", asked)
    error = {"ename": "E", "evalue": "secret", "traceback": ["secret"]}
    upstream.say("error", error)
    reply = {"status": "ok", "user_expressions": {"a": {"status": "error", **error}}}
    upstream.on_messages("shell", [kernel.build_message("x_reply", reply, "k", asked[0])])
    entries = seat.take()
    assert kinds(entries) == ["error", "x_reply"]
    assert all(b"secret" not in entry.frame and b"hidden" in entry.frame for entry in entries)
    await relay.close()


async def test_malformed_messages() -> None:
    """What the kernel says that is no message is dropped; the rest of its batch is not."""
    upstream = FakeUpstream()
    relay = make(upstream)
    await relay.open()
    seat = relay.join("1", "s", ALL)
    good = kernel.build_message("stream", {}, "k")
    upstream.on_messages(IOPUB, [[b"no JSON", b"{}", b"{}", b"{}"], good])
    upstream.on_messages("shell", [[b"{}", b"[]", b"{}", b"{}"]])
    assert kinds(seat.take()) == ["stream"]
    # Content that is no JSON is not the relay's to judge: it goes on as it came, also in haste.
    for content in (b'{"name":"stdout","text":"\xff"}', b"[" * 20_000, b"no"):
        upstream.on_messages(IOPUB, [[*good[:3], content]])
    assert kinds(seat.take(merge=True)) == ["stream"] * 3
    await relay.close()


@pytest.mark.parametrize(
    ("names", "channel"),
    [(ALL, IOPUB), (ALL, "heartbeat"), (frozenset({IOPUB}), "shell"), (frozenset({IOPUB}), None)],
)
async def test_wrong_channel(names: frozenset[str], channel: str | None) -> None:
    """A message on a channel that the seat does not have never reaches the upstream."""
    upstream = FakeUpstream()
    relay = make(upstream)
    await relay.open()
    seat = relay.join("1", "s", names)
    with pytest.raises(BadRequest):
        seat.send(channel, request())
    assert upstream.sent == []
    await relay.close()


# -- channels ----------------------------------------------------------------------------------


def stream(text: str, name: str = "stdout") -> dict[str, str]:
    return {"name": name, "text": text}


async def seated(ring_bytes: int = 1 << 20) -> tuple[FakeUpstream, Relay, ClientChannel]:
    upstream = FakeUpstream()
    relay = make(upstream, ring_bytes=ring_bytes)
    await relay.open()
    return upstream, relay, relay.join("1", "s", ALL)


async def test_merge() -> None:
    """Adjacent streams of one name and parent become one with the last one's id; others do not."""
    upstream, relay, seat = await seated()
    for text in "abc":
        last = upstream.say("stream", stream(text))
    upstream.say("stream", stream("err", "stderr"))
    upstream.say("display_data", {})
    upstream.say("stream", stream("d"))
    upstream.say("stream", stream("e"), request()[0])
    upstream.say("stream", {"odd": 1})
    entries = seat.take(merge=True)
    texts = [msgspec.json.decode(e.parts[3]).get("text") for e in entries]
    assert texts == ["abc", "err", None, "d", "e", None]
    assert entries[0].header.msg_id == last
    await relay.close()


async def test_frames() -> None:
    """Ready-made frames are those of the entries, for each protocol, and shared by equal seats."""
    upstream, relay, seat = await seated()
    other = relay.join("2", "t", ALL)
    upstream.say("stream", stream("x"))
    entry = next(relay.ring.since(1))
    frames = seat.take_frames(encode_v1)
    assert frames == websocket.build_frame(entry.frame)
    assert other.take_frames(encode_v1) is frames
    assert seat.take_frames(encode_v1) == b""
    third = relay.join("3", "u", ALL, after=None)
    upstream.say("stream", stream("y"))
    frames = third.take_frames(encode_default)
    assert isinstance(frames, bytes)
    assert frames.startswith(b"\x81")
    await relay.close()


async def test_limit() -> None:
    """One take is bounded; what is left comes with the next, in order."""
    upstream, relay, seat = await seated()
    said = [upstream.say("stream", stream("x" * 1000)) for _ in range(20)]
    got: list[str] = []
    while not seat.exhausted:
        entries = seat.take(3000)
        assert 0 < len(entries) < 5
        got += ids(entries)
    assert got == said
    await relay.close()


async def test_gap() -> None:
    """A seat that the ring has left behind is told exactly how much it missed, before the rest."""
    upstream, relay, seat = await seated(ring_bytes=20_000)
    said = [upstream.say("stream", stream("x" * 500)) for _ in range(100)]
    gap, *rest = seat.take()
    lost = msgspec.json.decode(gap.parts[3])
    assert lost == {"lost": 100 - len(rest), "exact": True}
    assert ids(rest) == said[-len(rest) :]
    back = relay.join("2", "t", ALL, after=said[0])
    assert msgspec.json.decode(back.take()[0].parts[3]) == {"lost": 99 - len(rest), "exact": True}
    unknown = relay.join("3", "u", ALL, after="never")
    assert msgspec.json.decode(unknown.take()[0].parts[3])["exact"] is False
    edge = relay.join("4", "v", ALL, after=said[-len(rest) - 1])
    assert ids(edge.take()) == said[-len(rest) :]
    await relay.close()


async def test_messages() -> None:
    """Iterating gives everything as it comes, and ends with why the line ended."""
    upstream, relay, seat = await seated()
    said = [upstream.say("stream", stream(str(i))) for i in range(3)]
    got: list[RingEntry] = []

    async def read() -> None:
        async for entry in seat.messages():
            got.append(entry)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    said.append(upstream.say("stream", stream("later")))
    await settle()
    relay.on_dead()
    with pytest.raises(Gone):
        await reading
    assert ids(got)[:4] == said
    assert kinds(got)[-1] == "status"
    await relay.close()


# -- everything at once, against a model -------------------------------------------------------


class Seats(RuleBasedStateMachine):
    """Clients come, ask, read, lag, leave and come back; kernels restart and send junk; a list is
    the model.

    Each seat gets every iopub message since it sat down, in order, but for what its gaps count;
    and exactly the replies to what its client asked while it had a seat.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.upstream = FakeUpstream()
        self.relay = make(self.upstream, ring_bytes=12_000)
        self.run(self.relay.open())
        self.public: list[str] = []
        self.seats: dict[str, ClientChannel] = {}
        self.starts: dict[str, int] = {}
        self.got: dict[str, list[str]] = {}
        self.lost: dict[str, int] = {}
        self.heard: dict[str, int] = {}
        self.asked: list[tuple[str, list[bytes]]] = []
        self.stale: list[tuple[str, list[bytes]]] = []
        self.starts_of_kernel = 1

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def act(self, do: Callable[[], Any]) -> Any:
        async def acting() -> Any:
            return do()

        return self.run(acting())

    @rule(name=st.sampled_from("abc"))
    def sit(self, name: str) -> None:
        self.seats[name] = self.act(lambda: self.relay.join(name, f"session-{name}", ALL))
        self.starts[name], self.got[name], self.lost[name] = len(self.public), [], 0
        self.heard[name] = 0

    @rule(size=st.integers(0, 2000), times=st.integers(1, 8))
    def say(self, size: int, times: int) -> None:
        for _ in range(times):
            said = self.act(lambda: self.upstream.say("stream", stream("x" * size)))
            self.public.append(said)

    @precondition(lambda self: self.seats)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.seats)))
        parts = request(session=f"session-{name}")
        self.act(lambda: self.seats[name].send("shell", parts))
        self.asked.append((name, parts))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        name, parts = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        reply = kernel.build_message("x_reply", {}, "kernel-1", parts[0])
        self.act(lambda: self.upstream.on_messages("shell", [reply]))
        if name in self.seats:
            for other, seat in self.seats.items():
                # One that comes back may also see again what it was answered since its `after`.
                seen = ids(self.take(other, seat)).count(kernel.parse_header(reply[0]).msg_id)
                assert seen == (other == name)

    @rule()
    def restart(self) -> None:
        """Everybody is told once, and goes on with the next kernel."""
        before = self.relay.ring.end
        self.starts_of_kernel += 1
        self.upstream.session = f"kernel-{self.starts_of_kernel}"
        self.act(self.relay.on_restarting)
        self.run(self.relay.ready())
        told = [entry for entry in self.relay.ring.since(before) if entry.to is None]
        assert kinds(told) == ["status"]
        self.public += ids(told)
        self.stale, self.asked = self.stale + self.asked, []

    @precondition(lambda self: self.stale)
    @rule()
    def answer_too_late(self) -> None:
        """What the old kernel still said is for the session that asked, and for nobody else."""
        asker, parts = self.stale.pop()
        reply = kernel.build_message("x_reply", {}, "kernel-1", parts[0])
        self.act(lambda: self.upstream.on_messages("shell", [reply]))
        for name, seat in self.seats.items():
            seen = kernel.parse_header(reply[0]).msg_id in ids(self.take(name, seat))
            assert seen == (name == asker)

    @rule(
        channel=st.sampled_from([IOPUB, "shell", "stdin", "control"]),
        part=st.sampled_from([b"", b"no", b"[]", b'{"msg_id":"\xff"}', b"[" * 20_000]),
        at=st.integers(0, 1),
    )
    def say_junk(self, channel: str, part: bytes, at: int) -> None:
        """What is no message goes nowhere, and hinders nothing that follows."""
        parts = kernel.build_message("status", {"execution_state": "idle"}, "k")
        parts[at] = part
        before = self.relay.ring.end
        self.act(lambda: self.upstream.on_messages(channel, [parts]))
        assert self.relay.ring.end == before

    @precondition(lambda self: self.seats)
    @rule(data=st.data(), limit=st.integers(1, 5000))
    def read(self, data: st.DataObject, limit: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.seats)))
        self.take(name, self.seats[name], limit)

    def take(self, name: str, seat: ClientChannel, limit: int = 1 << 30) -> list[RingEntry]:
        entries = self.act(lambda: seat.take(limit))
        for entry in entries:
            if entry.header.msg_type == "bridge_gap":
                self.lost[name] += msgspec.json.decode(entry.parts[3])["lost"]
                self.got[name] = []
            elif entry.to is None:
                self.got[name].append(entry.header.msg_id)
                self.heard[name] += 1
        return list(entries)

    @precondition(lambda self: self.seats)
    @rule(data=st.data())
    def leave_and_come_back(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.seats)))
        last = self.got[name][-1] if self.got[name] else None
        self.act(self.seats[name].close)
        if last is None:
            self.sit(name)
        else:
            self.seats[name] = self.act(
                lambda: self.relay.join(name, f"session-{name}", ALL, after=last)
            )
            self.starts[name] = self.public.index(last) + 1
            self.got[name], self.lost[name], self.heard[name] = [], 0, 0

    @invariant()
    def nothing_lost_untold(self) -> None:
        for name, seat in self.seats.items():
            if seat.exhausted:
                due = self.public[self.starts[name] :]
                tail = self.got[name]
                assert due[len(due) - len(tail) :] == tail
                assert self.heard[name] + self.lost[name] == len(due)
        assert self.relay.ring.bytes <= 12_000
        assert self.relay.channel_count == len(self.seats)

    def teardown(self) -> None:
        self.run(self.relay.close())
        assert all(isinstance(seat.ended, Problem) for seat in self.seats.values())
        self.loop.close()


Seats.TestCase.settings = settings(max_examples=40 * SOAK, stateful_step_count=30, deadline=None)
TestSeats = Seats.TestCase
