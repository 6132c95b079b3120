"""Streams and waits that lose nothing and run nothing twice, over lines that break."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from jupyter_bridge.client import BridgeClient, Done, InputRequest, Result
from jupyter_bridge.problems import (
    BadRequest,
    Conflict,
    Gone,
    NotFound,
    RemoteFailed,
    Unavailable,
)
from jupyter_bridge.transport import line_follower, retry
from tests.simulators.faulty_bridge import (
    Answer,
    Faulty,
    done,
    hangs_up,
    line,
    page,
    says,
    serving,
    streams,
)
from tests.simulators.faulty_bridge import (
    result as answered,
)
from tests.support.waiting import settle


@pytest.fixture
def wary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent answers are soon dead."""
    monkeypatch.setattr(line_follower, "SILENCE_SECONDS", 0.5)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience is soon over."""
    monkeypatch.setattr(retry.RetryPeriod.__init__, "__defaults__", (0.3, 5.0))


def out(number: int) -> bytes:
    return line("output", number, output_type="stream", name="stdout", text=str(number))


async def collect(*answers: Answer, **options: Any) -> tuple[list[str], Faulty, Result | None]:
    async with serving(*answers) as faulty, BridgeClient(faulty.url) as bridge:
        events = bridge.stream("k", "code", **options)
        seen = [event.id async for event in events]
        return seen, faulty, events.result


async def test_one_line() -> None:
    """Events come as they were sent, however the bytes were cut; the last is the result."""
    text = out(1) + b"\n" + out(2) + line("new_kind", 3) + done(4)
    pieces = [text[i : i + 7] for i in range(0, len(text), 7)]
    seen, faulty, result = await collect(streams(*pieces))
    assert seen == ["1", "2", "4"]
    assert result is not None
    assert result.ok
    assert faulty.asked == ["POST /x/bridge/execute/k"]


async def test_broken_in_the_middle() -> None:
    """A line that breaks goes on after the last event, half an event notwithstanding."""
    seen, faulty, _ = await collect(
        streams(out(1), out(2), out(3)[:20], breaks=True),
        streams(out(3)),
        streams(out(4), done(5)),
    )
    assert seen == ["1", "2", "3", "4", "5"]
    assert faulty.asked == [
        "POST /x/bridge/execute/k",
        "GET /x/bridge/executions/x1",
        "GET /x/bridge/executions/x1",
    ]
    assert [r.headers.get("Last-Event-ID") for r in faulty.requests] == [None, "2", "3"]


async def test_broken_at_once() -> None:
    """A request that may or may not have arrived is repeated under the same key."""
    seen, faulty, _ = await collect(hangs_up, hangs_up, streams(done(1)))
    assert seen == ["1"]
    assert faulty.asked == ["POST /x/bridge/execute/k"] * 3
    assert len({r.headers["Idempotency-Key"] for r in faulty.requests}) == 1


@pytest.mark.usefixtures("wary")
async def test_silent_line() -> None:
    """A line on which not even a blank line comes any more is dead."""
    seen, _, _ = await collect(streams(out(1), ends=False), streams(done(2)))
    assert seen == ["1", "2"]


@pytest.mark.usefixtures("wary")
async def test_slow_start() -> None:
    """A kernel that takes long to start is asked for again, under the same key."""

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    seen, faulty, _ = await collect(slow, streams(done(1)))
    assert seen == ["1"]
    assert faulty.asked == ["POST /x/bridge/execute/k"] * 2


async def test_restarting_proxy() -> None:
    """What a proxy says while the server is away is no answer to a stream that had begun."""
    seen, _, _ = await collect(
        streams(out(1), breaks=True), page("Bad Gateway", 502), streams(done(2))
    )
    assert seen == ["1", "2"]


@pytest.mark.usefixtures("impatient")
async def test_patience() -> None:
    """A line that stays broken is given up, with a sentence."""
    with pytest.raises(Unavailable, match="No connection for"):
        await collect(streams(out(1), breaks=True), hangs_up)


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([says({"error": "not-found", "message": "No kernel."}, 404)], NotFound),
        ([page("Bad Gateway", 502)], RemoteFailed),
        ([says({"error": "unavailable", "message": "Full."}, 503)], Unavailable),
        ([says({"execution": "x"})], RemoteFailed),
        ([streams(b"{]\n")], RemoteFailed),
        ([streams(line("problem", 0, error="gone", message="Gone."))], Gone),
        (
            [streams(out(1), breaks=True), says({"error": "gone", "message": "Gone."}, 410)],
            Gone,
        ),
    ],
)
@pytest.mark.usefixtures("impatient")
async def test_refused(answers: list[Answer], kind: type[Exception]) -> None:
    """A Problem, at the start or later, is raised and ends the stream."""
    with pytest.raises(kind):
        await collect(*answers)


async def test_endless_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event without an end is not gathered for ever."""
    monkeypatch.setattr(line_follower, "MAX_EVENT_BYTES", 1000)
    with pytest.raises(RemoteFailed):
        await collect(streams(*[b"x" * 300] * 5))


async def test_body() -> None:
    """A stream says what it was told and leaves the rest to the server."""
    _, faulty, _ = await collect(streams(done(1)), timeout=3, inputs=["a"], key="mine")
    (request,) = faulty.requests
    assert await request.json() == {
        "code": "code",
        "timeout": 3,
        "inputs": ["a"],
        "allow_stdin": True,
    }
    assert request.headers["Idempotency-Key"] == "mine"


async def test_input_and_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream answers and interrupts the execution that it is."""
    monkeypatch.setattr(line_follower, "_CANCEL_SECONDS", 0.1)
    ask = streams(line("input_request", 1, prompt="?"), ends=False)
    answers = ask, says(None, 204), says({}, 202)
    async with serving(*answers) as faulty, BridgeClient(faulty.url) as bridge:
        async with bridge.stream("k", "input()") as events:
            with pytest.raises(Conflict):
                await events.cancel()
            assert isinstance(await events.__anext__(), InputRequest)
            await events.send_input("answer")
            assert await faulty.requests[1].json() == {"value": "answer"}
            await events.cancel()
        found = faulty.asked
    assert found[1:3] == [
        "POST /x/bridge/executions/x1/input",
        "DELETE /x/bridge/executions/x1",
    ]


async def test_cancel_while_it_starts() -> None:
    """Cancelling what the server has not yet begun waits until it can be named."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            return web.Response(status=202)
        begun.set()
        await go_on.wait()
        return await streams(done(1))(request)

    async with serving(slow) as faulty, BridgeClient(faulty.url) as bridge:
        events = bridge.stream("k", "code")
        first = asyncio.ensure_future(events.__anext__())
        await begun.wait()
        cancelling = asyncio.ensure_future(events.cancel())
        await settle()
        assert not cancelling.done()
        go_on.set()
        await cancelling
        assert isinstance(await first, Done)
        found = faulty.asked
    assert found[-1] == "DELETE /x/bridge/executions/x1"


async def test_cancel_what_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was begun, so nothing is waited for."""
    monkeypatch.setattr(line_follower, "_CANCEL_SECONDS", 50.0)

    refusal = says({"error": "not-found", "message": "no such kernel"}, 404)
    async with serving(refusal) as faulty, BridgeClient(faulty.url) as bridge:
        events = bridge.stream("k", "code")
        with pytest.raises(NotFound):
            await anext(aiter(events))
        with pytest.raises(Conflict):
            await asyncio.wait_for(events.cancel(), 10)


async def test_leaving() -> None:
    """Leaving a stream early hangs up; nothing more comes from it."""
    answer = streams(out(1), out(2), ends=False)
    async with serving(answer) as faulty, BridgeClient(faulty.url) as bridge:
        events = bridge.stream("k", "code")
        await events.__anext__()
        await events.aclose()
        await events.aclose()
        found = [event async for event in events]
    assert found == []


async def test_follow() -> None:
    """An execution that was started before is followed from any event."""
    answer = streams(out(8), done(9))
    async with serving(answer) as faulty, BridgeClient(faulty.url) as bridge:
        seen = [event.id async for event in bridge.follow("x 1", after="7")]
    assert seen == ["8", "9"]
    assert faulty.requests[0].raw_path == "/x/bridge/executions/x%201"
    assert faulty.requests[0].headers["Last-Event-ID"] == "7"


# -- execute, which waits --------------------------------------------------------------------------

OK = answered()
RUNNING = answered("running")


async def execute(*answers: Answer, **options: Any) -> tuple[Result, Faulty]:
    async with serving(*answers) as faulty, BridgeClient(faulty.url) as bridge:
        return await bridge.execute("k", "code", **options), faulty


async def test_execute() -> None:
    """Code that ends soon is one request."""
    result, faulty = await execute(says(OK))
    assert result.ok
    assert faulty.asked == ["POST /x/bridge/execute/k"]
    assert faulty.requests[0].headers["Prefer"] == "wait=20"


async def test_execute_long() -> None:
    """Code that takes long is waited for in questions that no proxy cuts off."""
    result, faulty = await execute(says(RUNNING, 202), says(RUNNING), hangs_up, says(OK))
    assert result.ok
    assert faulty.asked == [
        "POST /x/bridge/execute/k",
        *["GET /x/bridge/executions/x1?wait=20"] * 3,
    ]


async def test_execute_broken() -> None:
    """Waiting, too, repeats what may not have arrived under one key."""
    result, faulty = await execute(hangs_up, says(OK))
    assert result.ok
    assert len({r.headers["Idempotency-Key"] for r in faulty.requests}) == 1


async def test_ephemeral() -> None:
    """A kernelspec instead of a kernel runs the code in a kernel of its own."""
    async with serving(says(OK)) as faulty, BridgeClient(faulty.url) as bridge:
        await bridge.execute(code="1", kernelspec="python3")
        for wrong in ({}, {"kernel": "k", "kernelspec": "python3"}):
            with pytest.raises(BadRequest):
                await bridge.execute(code="1", **wrong)  # type: ignore[arg-type]
        found = faulty.asked
    assert found == ["POST /x/bridge/execute?kernel=python3"]


async def test_run_async() -> None:
    """Code is started without waiting, and read, waited for and cancelled by its name."""
    answers = says(RUNNING, 202), says(RUNNING), says(RUNNING), says(OK), says({}, 202)
    async with serving(*answers) as faulty, BridgeClient(faulty.url) as bridge:
        name = await bridge.run_async("k", "code")
        assert name == "x1"
        assert not (await bridge.execution(name)).finished
        assert (await bridge.execution(name, wait=True)).ok
        await bridge.cancel(name)
        assert faulty.requests[0].headers["Prefer"] == "respond-async"
        found = faulty.asked
    assert found == [
        "POST /x/bridge/execute/k",
        "GET /x/bridge/executions/x1",
        "GET /x/bridge/executions/x1",
        "GET /x/bridge/executions/x1?wait=20",
        "DELETE /x/bridge/executions/x1",
    ]
