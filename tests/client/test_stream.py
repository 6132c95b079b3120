"""Streams and waits that lose nothing and run nothing twice, over lines that break."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from jupyter_bridge.client import BridgeClient, Done, Event, InputRequest, Result
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
    run,
    says,
    serving,
    streams,
)
from tests.simulators.faulty_bridge import (
    result as answered,
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead lines are noticed, and patience is over, while one watches."""
    monkeypatch.setattr(line_follower, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(retry.RetryPeriod.__init__, "__defaults__", (1.5, 5.0))
    monkeypatch.setattr(line_follower, "_CANCEL_SECONDS", 1.0)


def out(number: int) -> bytes:
    return line("output", number, output_type="stream", name="stdout", text=str(number))


async def collect(*answers: Answer, **options: Any) -> tuple[list[str], Faulty, Result | None]:
    async with serving(*answers) as faulty, BridgeClient(faulty.url) as bridge:
        events = bridge.stream("k", "code", **options)
        seen = [event.id async for event in events]
        return seen, faulty, events.result


def test_one_line() -> None:
    """Events come as they were sent, however the bytes were cut; the last is the result."""
    text = out(1) + b"\n" + out(2) + line("new_kind", 3) + done(4)
    pieces = [text[i : i + 7] for i in range(0, len(text), 7)]
    seen, faulty, result = run(collect(streams(*pieces)))
    assert seen == ["1", "2", "4"]
    assert result is not None
    assert result.ok
    assert faulty.asked == ["POST /x/bridge/execute/k"]


def test_broken_in_the_middle() -> None:
    """A line that breaks goes on after the last event, half an event notwithstanding."""
    seen, faulty, _ = run(
        collect(
            streams(out(1), out(2), out(3)[:20], breaks=True),
            streams(out(3)),
            streams(out(4), done(5)),
        )
    )
    assert seen == ["1", "2", "3", "4", "5"]
    assert faulty.asked == [
        "POST /x/bridge/execute/k",
        "GET /x/bridge/executions/x1",
        "GET /x/bridge/executions/x1",
    ]
    assert [r.headers.get("Last-Event-ID") for r in faulty.requests] == [None, "2", "3"]


def test_broken_at_once() -> None:
    """A request that may or may not have arrived is repeated under the same key."""
    seen, faulty, _ = run(collect(hangs_up, hangs_up, streams(done(1))))
    assert seen == ["1"]
    assert faulty.asked == ["POST /x/bridge/execute/k"] * 3
    assert len({r.headers["Idempotency-Key"] for r in faulty.requests}) == 1


def test_silent_line() -> None:
    """A line on which not even a blank line comes any more is dead."""
    seen, _, _ = run(collect(streams(out(1), ends=False), streams(done(2))))
    assert seen == ["1", "2"]


def test_slow_start() -> None:
    """A kernel that takes long to start is asked for again, under the same key."""

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    seen, faulty, _ = run(collect(slow, streams(done(1))))
    assert seen == ["1"]
    assert faulty.asked == ["POST /x/bridge/execute/k"] * 2


def test_restarting_proxy() -> None:
    """What a proxy says while the server is away is no answer to a stream that had begun."""
    seen, _, _ = run(
        collect(streams(out(1), breaks=True), page("Bad Gateway", 502), streams(done(2)))
    )
    assert seen == ["1", "2"]


def test_patience() -> None:
    """A line that stays broken is given up, with a sentence."""
    with pytest.raises(Unavailable, match="No connection for"):
        run(collect(streams(out(1), breaks=True), hangs_up))


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
def test_refused(answers: list[Answer], kind: type[Exception]) -> None:
    """A Problem, at the start or later, is raised and ends the stream."""
    with pytest.raises(kind):
        run(collect(*answers))


def test_endless_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event without an end is not gathered for ever."""
    monkeypatch.setattr(line_follower, "MAX_EVENT_BYTES", 1000)
    with pytest.raises(RemoteFailed):
        run(collect(streams(*[b"x" * 300] * 5)))


def test_body() -> None:
    """A stream says what it was told and leaves the rest to the server."""
    _, faulty, _ = run(collect(streams(done(1)), timeout=3, inputs=["a"], key="mine"))
    (request,) = faulty.requests
    assert run_body(request) == {
        "code": "code",
        "timeout": 3,
        "inputs": ["a"],
        "allow_stdin": True,
    }
    assert request.headers["Idempotency-Key"] == "mine"


def run_body(request: web.Request) -> Any:
    return run(request.json())


def test_input_and_cancel() -> None:
    """A stream answers and interrupts the execution that it is."""

    async def go() -> list[str]:
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
            return faulty.asked

    assert run(go())[1:3] == [
        "POST /x/bridge/executions/x1/input",
        "DELETE /x/bridge/executions/x1",
    ]


def test_cancel_while_it_starts() -> None:
    """Cancelling what the server has not yet begun waits until it can be named."""

    async def go() -> list[str]:
        begun = asyncio.Event()

        async def slow(request: web.Request) -> web.StreamResponse:
            if request.method == "DELETE":
                return web.Response(status=202)
            begun.set()
            await asyncio.sleep(0.3)
            return await streams(done(1))(request)

        async with serving(slow) as faulty, BridgeClient(faulty.url) as bridge:
            events = bridge.stream("k", "code")
            first = asyncio.ensure_future(events.__anext__())
            await begun.wait()
            await events.cancel()
            assert isinstance(await first, Done)
            return faulty.asked

    assert run(go())[-1] == "DELETE /x/bridge/executions/x1"


def test_cancel_what_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was begun, so nothing is waited for."""
    monkeypatch.setattr(line_follower, "_CANCEL_SECONDS", 50.0)

    async def main() -> None:
        refusal = says({"error": "not-found", "message": "no such kernel"}, 404)
        async with serving(refusal) as faulty, BridgeClient(faulty.url) as bridge:
            events = bridge.stream("k", "code")
            with pytest.raises(NotFound):
                await anext(aiter(events))
            with pytest.raises(Conflict):
                await asyncio.wait_for(events.cancel(), 10)

    run(main())


def test_leaving() -> None:
    """Leaving a stream early hangs up; nothing more comes from it."""

    async def go() -> list[Event]:
        answer = streams(out(1), out(2), ends=False)
        async with serving(answer) as faulty, BridgeClient(faulty.url) as bridge:
            events = bridge.stream("k", "code")
            await events.__anext__()
            await events.aclose()
            await events.aclose()
            return [event async for event in events]

    assert run(go()) == []


def test_follow() -> None:
    """An execution that was started before is followed from any event."""

    async def go() -> tuple[list[str], Faulty]:
        answer = streams(out(8), done(9))
        async with serving(answer) as faulty, BridgeClient(faulty.url) as bridge:
            return [event.id async for event in bridge.follow("x 1", after="7")], faulty

    seen, faulty = run(go())
    assert seen == ["8", "9"]
    assert faulty.requests[0].raw_path == "/x/bridge/executions/x%201"
    assert faulty.requests[0].headers["Last-Event-ID"] == "7"


# -- execute, which waits --------------------------------------------------------------------------

OK = answered()
RUNNING = answered("running")


async def execute(*answers: Answer, **options: Any) -> tuple[Result, Faulty]:
    async with serving(*answers) as faulty, BridgeClient(faulty.url) as bridge:
        return await bridge.execute("k", "code", **options), faulty


def test_execute() -> None:
    """Code that ends soon is one request."""
    result, faulty = run(execute(says(OK)))
    assert result.ok
    assert faulty.asked == ["POST /x/bridge/execute/k"]
    assert faulty.requests[0].headers["Prefer"] == "wait=20"


def test_execute_long() -> None:
    """Code that takes long is waited for in questions that no proxy cuts off."""
    result, faulty = run(execute(says(RUNNING, 202), says(RUNNING), hangs_up, says(OK)))
    assert result.ok
    assert faulty.asked == [
        "POST /x/bridge/execute/k",
        *["GET /x/bridge/executions/x1?wait=20"] * 3,
    ]


def test_execute_broken() -> None:
    """Waiting, too, repeats what may not have arrived under one key."""
    result, faulty = run(execute(hangs_up, says(OK)))
    assert result.ok
    assert len({r.headers["Idempotency-Key"] for r in faulty.requests}) == 1


def test_ephemeral() -> None:
    """A kernelspec instead of a kernel runs the code in a kernel of its own."""

    async def go() -> list[str]:
        async with serving(says(OK)) as faulty, BridgeClient(faulty.url) as bridge:
            await bridge.execute(code="1", kernelspec="python3")
            for wrong in ({}, {"kernel": "k", "kernelspec": "python3"}):
                with pytest.raises(BadRequest):
                    await bridge.execute(code="1", **wrong)  # type: ignore[arg-type]
            return faulty.asked

    assert run(go()) == ["POST /x/bridge/execute?kernel=python3"]


def test_run_async() -> None:
    """Code is started without waiting, and read, waited for and cancelled by its name."""

    async def go() -> list[str]:
        answers = says(RUNNING, 202), says(RUNNING), says(RUNNING), says(OK), says({}, 202)
        async with serving(*answers) as faulty, BridgeClient(faulty.url) as bridge:
            name = await bridge.run_async("k", "code")
            assert name == "x1"
            assert not (await bridge.execution(name)).finished
            assert (await bridge.execution(name, wait=True)).ok
            await bridge.cancel(name)
            assert faulty.requests[0].headers["Prefer"] == "respond-async"
            return faulty.asked

    assert run(go()) == [
        "POST /x/bridge/execute/k",
        "GET /x/bridge/executions/x1",
        "GET /x/bridge/executions/x1",
        "GET /x/bridge/executions/x1?wait=20",
        "DELETE /x/bridge/executions/x1",
    ]
