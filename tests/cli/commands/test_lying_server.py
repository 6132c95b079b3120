"""The command against a server that answers in the right form, and lies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from jupyter_bridge.client import BridgeClient
from jupyter_bridge.problems import RemoteFailed
from tests.simulators.faulty_bridge import Answer, page, says, serving, streams
from tests.support.forking import Commands

BIG = 2**80
EDGES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
RUN = {
    "run": "r",
    "console": "c",
    "status": "done",
    "exit_code": 0,
    "truncated": False,
    "cwd": "/",
    "started": EDGES[0],
    "seconds": 1.0,
    "start_offset": 0,
    "end_offset": 1,
}
COMMAND = {
    "offset": 1,
    "end_offset": 2,
    "seconds": 1.0,
    "exit_code": 0,
    "cwd": "/",
    "command": "true",
}


def done(**changes: Any) -> dict[str, Any]:
    return {"event": "done", "id": 9, "data": {**RUN, **changes}}


# What a run's stream says, and the exit code of the command.
RUNS: dict[str, tuple[list[dict[str, Any]], int]] = {
    "an end without a run": ([{"event": "done", "data": {"x": 1}}], 125),
    "exit code 256": ([done(exit_code=256)], 125),
    "a negative exit code": ([done(exit_code=-1)], 125),
    "an exit code of 80 bits": ([done(exit_code=BIG)], 125),
    "exit code 255": ([done(exit_code=255)], 255),
    "a gap without an end": ([{"event": "gap", "id": 1, "data": {"from": 1}}, done()], 125),
    "a gap of texts": ([{"event": "gap", "id": 1, "data": {"from": "a", "to": []}}, done()], 125),
    "a gap backwards": ([{"event": "gap", "id": 1, "data": {"from": 9, "to": 1}}, done()], 0),
    "base64 that is none": ([{"event": "output", "data": {"base64": "\u00e9"}}, done()], 125),
    "a number as base64": ([{"event": "output", "data": {"base64": 5}}, done()], 125),
    "a list as text": ([{"event": "output", "data": {"text": [1]}}, done()], 125),
}
EXECUTIONS: dict[str, dict[str, Any]] = {
    "an end without an execution": {"event": "done", "data": {"x": 1}},
    "a number as a bundle": {"event": "output", "data": {"data": 5}},
    "a text as a bundle": {"event": "output", "data": {"data": "image/png"}},
    "a list as transient": {"event": "output", "data": {"transient": [1]}},
    "a list as display_id": {"event": "output", "data": {"transient": {"display_id": [1]}}},
    "a number as traceback": {"event": "output", "data": {"output_type": "error", "traceback": 5}},
    "numbers in a traceback": {"event": "output", "data": {"traceback": [5, None]}},
    "a number as text": {"event": "output", "data": {"output_type": "stream", "text": 5}},
    "a text as a count": {"event": "gap", "data": {"lost": "x"}},
    "an update of a list": {"event": "update_display", "data": {"data": ["image/png"]}},
}
SPECS: list[Any] = [[1], {"a": 5}, {"a": {"spec": 5}}, {"a": {"spec": {"display_name": [1]}}}]
LOCATIONS = ("http://[", "//[::1", "http://far:99999999/", "javascript:alert(1)", "http://u:p@h/")


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    """Runs commands in processes that have everything imported."""
    made = Commands("http://127.0.0.1:9/", "t")
    yield made
    made.stop()


async def told(commands: Commands, answer: Answer, *words: str) -> tuple[int, str]:
    """Return the exit code and the output of a command whose server always answers this."""
    async with serving(answer) as liar:
        call = ("--url", liar.url, *words)
        code, shown = await asyncio.to_thread(commands.run, *call, terminal=False)
    assert "Traceback" not in shown, shown
    return code, shown


@pytest.mark.parametrize("name", RUNS)
async def test_a_run(commands: Commands, name: str) -> None:
    """What is no event is the server's fault; no exit code becomes 0."""
    events, expected = RUNS[name]
    lines = [msgspec.json.encode(event) + b"\n" for event in events]
    code, shown = await told(commands, streams(*lines), "run", "true")
    assert code == expected, shown
    assert shown or code != 125


@pytest.mark.parametrize("name", EXECUTIONS)
async def test_an_execution(commands: Commands, name: str) -> None:
    """An output, an update, a gap or an end of another shape is the server's fault."""
    stream = streams(msgspec.json.encode(EXECUTIONS[name]) + b"\n")

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("kernelspecs"):
            return web.json_response({"default": "k", "kernelspecs": {"k": {}}})
        return await stream(request)

    code, shown = await told(commands, answer, "execute", "-k", "k", "-c", "1")
    assert (code, "malformed event" in shown) == (2, True), shown


@pytest.mark.parametrize("specs", SPECS, ids=str)
async def test_kernelspecs(commands: Commands, specs: Any) -> None:
    """A list of kernelspecs of another shape is the server's fault."""
    answer = says({"default": "a", "kernelspecs": specs})
    code, shown = await told(commands, answer, "execute", "-k", "k", "-c", "1")
    assert (code, "cannot read the answer" in shown) == (2, True), shown


@pytest.mark.parametrize("location", LOCATIONS)
async def test_a_redirect(commands: Commands, location: str) -> None:
    """A redirect to no url, or with a login in it, is named and not followed."""
    answer = page("", 302, Location=location)
    code, shown = await told(commands, answer, "kernels")
    assert (code, "points to" in shown, "u:p" in shown) == (2, True, False), shown


@pytest.mark.parametrize("moment", EDGES)
async def test_a_time_at_the_end_of_the_calendar(commands: Commands, moment: str) -> None:
    """It is shown, in its own zone if need be."""
    found = {
        "console": "c",
        "epoch": "e",
        "truncated": False,
        "commands": [{**COMMAND, "time": moment}],
    }
    code, shown = await told(commands, says(found), "history", "c")
    assert (code, moment[:10] in shown) == (0, True), shown


async def test_an_offset_that_is_none() -> None:
    """How much of a run's input was taken is a number, or the server's fault."""
    answer = says({}, Bridge_Offset="1e9")
    async with serving(answer) as liar, BridgeClient(liar.url) as bridge:
        with pytest.raises(RemoteFailed, match="Bridge-Offset"):
            await bridge.runs.send_stdin("r", b"x", 0)
