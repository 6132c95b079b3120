"""Code over HTTP: every way to ask for the answer, on real kernels."""

from __future__ import annotations

import asyncio
import json
import signal
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.conftest import Server
from tests.support.kernel_client import Answer, Bridge, expect_problem, is_type, waits_for
from tests.support.waiting import until

SSE, NDJSON = "text/event-stream", "application/x-ndjson"
ASYNC = {"Prefer": "respond-async"}


async def finished(bridge: Bridge, execution: str) -> Any:
    answer = await bridge.get(f"/executions/{execution}?wait=20")
    assert answer.status == 200, answer
    assert answer.json["status"] != "running"
    return answer.json


async def begin(bridge: Bridge, kernel: str, code: str, **body: Any) -> str:
    """Start a run and return its name."""
    answer = await bridge.post(f"/execute/{kernel}", {"code": code, **body}, headers=ASYNC)
    assert answer.status == 202, answer
    assert answer.headers["Location"] == f"/bridge/executions/{answer.json['execution']}"
    return str(answer.json["execution"])


def parse(kind: str, body: bytes) -> list[dict[str, Any]]:
    """The events of a stream, as {event, id, data}."""
    if kind == NDJSON:
        return [json.loads(line) for line in body.splitlines() if line]
    events = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if fields:
            event = {"event": fields["event"], "id": int(fields["id"])}
            events.append({**event, "data": json.loads(fields["data"])})
    return events


async def follow(
    bridge: Bridge, method: str, path: str, body: Any = None, **headers: str
) -> AsyncIterator[dict[str, Any]]:
    """The events of an NDJSON stream as they come."""
    async with bridge.session.request(
        method,
        bridge.url(path),
        json=body,
        headers={**bridge.headers, "Accept": NDJSON, **headers},
    ) as response:
        assert response.status == 200, await response.text()
        async for line in response.content:
            if line.strip():
                yield json.loads(line)


# -- waiting -----------------------------------------------------------------------------------


async def test_wait(bridge: Bridge, kernel: str) -> None:
    """The plain answer has the whole result, and its Location can be read again and again."""
    answer = await bridge.post(f"/execute/{kernel}", {"code": "print('a'); 6*7"})
    assert answer.status == 200
    run = answer.json
    assert run["status"] == "ok"
    assert run["kernel"] == kernel
    assert isinstance(run["execution_count"], int)
    assert run["outputs"] == [
        {"output_type": "stream", "name": "stdout", "text": "a\n"},
        {
            "output_type": "execute_result",
            "execution_count": run["execution_count"],
            "data": {"text/plain": "42"},
            "metadata": {},
        },
    ]
    assert run["user_expressions"] == {}
    assert "error" not in run
    assert run["started"].endswith("Z")
    datetime.fromisoformat(run["started"].removesuffix("Z"))
    assert 0 < run["seconds"] < 20
    assert answer.headers["Location"] == f"/bridge/executions/{run['execution']}"
    for _ in range(2):
        assert (await bridge.get(f"/executions/{run['execution']}")).json == run


async def test_error(bridge: Bridge, kernel: str) -> None:
    """An exception is an answer: 200 with status error, the error, and its output."""
    run = await bridge.execute(kernel, "print('before'); 1/0")
    assert run["status"] == "error"
    assert (run["error"]["ename"], run["error"]["evalue"]) == (
        "ZeroDivisionError",
        "division by zero",
    )
    assert run["error"]["traceback"]
    assert [o["output_type"] for o in run["outputs"]] == ["stream", "error"]


STREAMS = ("stdout", "stderr")
RICH = r"""
import sys
from IPython.display import display, clear_output, HTML, Image
print('gone'); clear_output(wait=True); print('one', end=''); print('two\rT')
print('err', file=sys.stderr); print('ab\b\bcd')
h = display(HTML('<b>1</b>'), display_id='x'); h.update(HTML('<b>2</b>'))
display({'application/json': {'a': [1, None]}, 'text/plain': 'x'}, raw=True)
1/0
"""


async def test_outputs_are_nbformat(bridge: Bridge, kernel: str) -> None:
    """The outputs validate as nbformat 4.5 and are what a notebook would hold."""
    run = await bridge.execute(kernel, RICH)
    cell = nbformat.v4.new_code_cell("x", outputs=nbformat.from_dict(run["outputs"]))
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]), version=4)
    streams = [o for o in run["outputs"] if o["output_type"] == "stream"]
    text = {name: "".join(o["text"] for o in streams if o["name"] == name) for name in STREAMS}
    assert text == {"stdout": "Tnetwo\ncd\n", "stderr": "err\n"}
    displays = [o for o in run["outputs"] if o["output_type"] == "display_data"]
    assert displays[0]["data"]["text/html"] == "<b>2</b>"
    assert displays[1]["data"]["application/json"] == {"a": [1, None]}
    assert "transient" not in displays[0]


async def test_user_expressions_and_flags(bridge: Bridge, kernel: str) -> None:
    """user_expressions are answered; silent and store_history=False do what the protocol says."""
    run = await bridge.execute(kernel, "v = 7", user_expressions={"a": "v*2", "b": "nope"})
    assert run["user_expressions"]["a"]["data"]["text/plain"] == "14"
    assert run["user_expressions"]["b"]["status"] == "error"
    count = run["execution_count"]
    silent = await bridge.execute(kernel, "v", silent=True)
    assert silent["outputs"] == []
    unstored = await bridge.execute(kernel, "v", store_history=False)
    assert unstored["outputs"][0]["data"]["text/plain"] == "7"
    assert (await bridge.execute(kernel, "v"))["execution_count"] == count + 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "code"),
        ({"code": 7}, "code"),
        ({"code": "1", "timeout": 0}, "timeout"),
        ({"code": "1", "timeout": -3}, "timeout"),
        ({"code": "1", "timeout": "soon"}, "timeout"),
        ({"code": "1", "on_timeout": "explode"}, "on_timeout"),
        ({"code": "1", "inputs": "x"}, "inputs"),
        ({"code": "1", "inputs": ["x"], "allow_stdin": False}, "inputs"),
        ({"code": "1", "user_expressions": {"a": 1}}, "user_expressions"),
        ({"code": "1", "silent": "yes"}, "silent"),
        ({"code": "1", "kernel": "python3"}, "kernel"),
    ],
)
async def test_bad_body(bridge: Bridge, kernel: str, body: Any, field: str) -> None:
    """A missing, mistyped, unknown or contradictory field is a bad-request that names it."""
    problem = expect_problem(await bridge.post(f"/execute/{kernel}", body), 400, "bad-request")
    assert field in problem["message"]


async def test_bad_query(bridge: Bridge, kernel: str) -> None:
    """A wrong query argument or header is a bad-request that names it; so is a missing one."""
    run = await bridge.execute(kernel, "1")
    path = f"/executions/{run['execution']}"
    problem = expect_problem(await bridge.get(f"{path}?wait=soon"), 400, "bad-request")
    assert problem["field"] == "wait"
    expect_problem(await bridge.get(f"{path}?wait=-1"), 400, "bad-request")
    headers = {"Accept": SSE, "Last-Event-ID": "x"}
    problem = expect_problem(await bridge.get(path, headers=headers), 400, "bad-request")
    assert problem["field"] == "Last-Event-ID"
    problem = expect_problem(await bridge.post("/execute", {"code": "1"}), 400, "bad-request")
    assert problem["field"] == "kernel"
    answer = await bridge.post("/execute?kernel=cobol", {"code": "1"})
    expect_problem(answer, 404, "not-found", "python3")
    for method in ("GET", "DELETE"):
        expect_problem(await bridge.call(method, "/executions/nope"), 404, "not-found", "nope")
    answer = await bridge.post("/executions/nope/input", {"value": ""})
    expect_problem(answer, 404, "not-found")


# -- later -------------------------------------------------------------------------------------


async def test_respond_async(bridge: Bridge, kernel: str, tmp_path: Path) -> None:
    """`Prefer: respond-async` answers 202 and where to read; `?wait=` waits there for the end."""
    gate = tmp_path / "gate"
    execution = await begin(bridge, kernel, waits_for(gate) + "print('done')")
    now = (await bridge.get(f"/executions/{execution}")).json
    assert now["status"] == "running"
    gate.touch()
    run = await finished(bridge, execution)
    assert run["outputs"][0]["text"] == "done\n"


async def test_prefer_wait(bridge: Bridge, kernel: str, tmp_path: Path) -> None:
    """`Prefer: wait=N` answers 200 if it ends in time, else 202 after N seconds."""
    quick = await bridge.post(
        f"/execute/{kernel}", {"code": "1"}, headers={"Prefer": "respond-async, wait=20"}
    )
    assert (quick.status, quick.json["status"]) == (200, "ok")
    gate = tmp_path / "gate"
    slow = await bridge.post(
        f"/execute/{kernel}", {"code": waits_for(gate)}, headers={"Prefer": "wait=0.2"}
    )
    assert (slow.status, slow.json["status"]) == (202, "running")
    gate.touch()
    await finished(bridge, slow.json["execution"])


async def test_idempotency_key(bridge: Bridge, kernel: str) -> None:
    """One Idempotency-Key runs once, also at the same time; for another body it is a conflict."""
    await bridge.execute(kernel, "runs = 0")
    key = {"Idempotency-Key": uuid.uuid4().hex}
    body = {"code": "runs += 1; runs"}
    answers = await asyncio.gather(
        *(bridge.post(f"/execute/{kernel}", body, headers=key) for _ in range(5))
    )
    assert len({a.json["execution"] for a in answers}) == 1
    assert (await bridge.execute(kernel, "runs"))["outputs"][0]["data"]["text/plain"] == "1"
    other = await bridge.post(f"/execute/{kernel}", {"code": "runs"}, headers=key)
    expect_problem(other, 409, "conflict")


async def test_ephemeral(bridge: Bridge) -> None:
    """`?kernel=` runs on a kernel of its own, which is gone when the answer comes."""
    before = {m["id"] for m in (await bridge.get("/kernels")).json}
    answer = await bridge.post("/execute?kernel=python3", {"code": "1/0"})
    run = answer.json
    assert run["status"] == "error"
    assert run["kernel"] not in before
    assert {m["id"] for m in (await bridge.get("/kernels")).json} == before
    assert (await bridge.get(f"/executions/{run['execution']}")).json == run


# -- streams -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SSE, NDJSON])
async def test_stream(bridge: Bridge, kernel: str, kind: str) -> None:
    """A stream tells status, each output as it is, clears, updates, and `done` with everything."""
    code = (
        "from IPython.display import clear_output\n"
        "print('a', flush=True); print('b', flush=True)\n"
        "h = display('x', display_id='s'); h.update('y'); clear_output(); 5"
    )
    answer = await bridge.post(f"/execute/{kernel}", {"code": code}, headers={"Accept": kind})
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(kind)
    events = parse(kind, answer.body)
    assert [e["id"] for e in events] == list(range(1, len(events) + 1))
    names = [e["event"] for e in events]
    assert names[0] == "status"
    assert names[-1] == "done"
    assert {"output", "update_display", "clear_output"} <= set(names)
    text = [e["data"]["text"] for e in events if e["data"].get("output_type") == "stream"]
    assert "".join(text) == "a\nb\n"
    done = events[-1]["data"]
    assert [o["output_type"] for o in done["outputs"]] == ["execute_result"]
    location = answer.headers["Location"]
    again = await bridge.get(location.removeprefix("/bridge"))
    assert again.json == done


@pytest.mark.parametrize("kind", [SSE, NDJSON])
async def test_stream_resume(bridge: Bridge, kernel: str, kind: str) -> None:
    """Last-Event-ID resumes a stream behind that event, also after the end."""
    execution = await begin(bridge, kernel, "for i in range(3): print(i, flush=True)")
    path = f"/executions/{execution}"
    whole = parse(kind, (await bridge.get(path, headers={"Accept": kind})).body)
    for last in (1, len(whole) - 1, len(whole)):
        headers = {"Accept": kind, "Last-Event-ID": str(last)}
        rest = parse(kind, (await bridge.get(path, headers=headers)).body)
        assert rest == whole[last:]


async def test_stream_is_live(bridge: Bridge, kernel: str) -> None:
    """An event arrives while the code still runs."""
    body = {"code": "print('now', flush=True); input()", "allow_stdin": True}
    execution = ""
    async for event in follow(bridge, "POST", f"/execute/{kernel}", body):
        if event["event"] == "input_request":
            running = [m for m in (await bridge.get("/kernels")).json if m["id"] == kernel]
            assert running[0]["execution_state"] == "busy"
            runs = await bridge.post(f"/interrupt/{kernel}")
            assert runs.status == 200
        if event["event"] == "done":
            execution = event["data"]["execution"]
            assert event["data"]["status"] == "error"
    assert execution


async def test_client_that_leaves(bridge: Bridge, kernel: str, tmp_path: Path) -> None:
    """A client that leaves while it waits or streams leaves the run going, and no error."""

    async def is_busy() -> bool:
        return bool((await bridge.get(f"/kernels/{kernel}")).json["execution_state"] == "busy")

    for number, headers in enumerate(({}, {"Accept": SSE})):
        gate = tmp_path / str(number)
        body = {"code": waits_for(gate) + f"kept = {number}"}
        asking = asyncio.ensure_future(bridge.post(f"/execute/{kernel}", body, headers=headers))
        await until(is_busy, "the run")
        asking.cancel()
        await asyncio.wait({asking})
        gate.touch()
        kept = (await bridge.execute(kernel, "kept"))["outputs"][0]["data"]["text/plain"]
        assert kept == str(number)


# -- input -------------------------------------------------------------------------------------


async def test_inputs(bridge: Bridge, kernel: str) -> None:
    """`inputs` answer the code's questions in turn."""
    code = "import getpass; print(input('a'), getpass.getpass('b'))"
    run = await bridge.execute(kernel, code, inputs=["ü1", "2"])
    assert run["status"] == "ok"
    assert run["outputs"][-1]["text"] == "ü1 2\n"


async def test_input_of_a_fresh_kernel(bridge: Bridge) -> None:
    """The very first code of a kernel can ask, at the start and after a restart."""
    for _ in range(5):
        async with bridge.kernel() as kernel:
            run = await bridge.execute(kernel, "print(input())", inputs=["1"], timeout=60)
            assert run["outputs"][0]["text"] == "1\n", run
            assert (await bridge.post(f"/restart/{kernel}")).status == 200
            run = await bridge.execute(kernel, "print(input())", inputs=["2"], timeout=60)
            assert run["outputs"][0]["text"] == "2\n", run


async def test_inputs_run_out(bridge: Bridge, kernel: str) -> None:
    """When the inputs run out the code is interrupted; without stdin the kernel itself refuses."""
    run = await bridge.execute(kernel, "input(); input()", inputs=["1"])
    assert (run["status"], run["error"]["ename"]) == ("error", "KeyboardInterrupt")
    run = await bridge.execute(kernel, "input()")
    assert (run["status"], run["error"]["ename"]) == ("error", "StdinNotImplementedError")


async def test_post_input(bridge: Bridge, kernel: str) -> None:
    """An input request stands in the answer and in the stream; POST input answers it with 204."""
    code = "import getpass; x = getpass.getpass('pw? '); print(len(x))"
    execution = await begin(bridge, kernel, code, allow_stdin=True)
    path = f"/executions/{execution}"

    async def asked() -> Any:
        return (await bridge.get(path)).json.get("input_request")

    assert await until(asked, "the input request") == {"prompt": "pw? ", "password": True}
    bad = await bridge.post(f"{path}/input", {"valu": "x"})
    expect_problem(bad, 400, "bad-request", "valu")
    answer = await bridge.post(f"{path}/input", {"value": "four"})
    assert (answer.status, answer.body) == (204, b"")
    run = await finished(bridge, execution)
    assert run["outputs"][-1]["text"] == "4\n"
    assert "input_request" not in run
    late = await bridge.post(f"{path}/input", {"value": "x"})
    expect_problem(late, 409, "conflict")
    events = parse(NDJSON, (await bridge.get(path, headers={"Accept": NDJSON})).body)
    (request,) = [e for e in events if e["event"] == "input_request"]
    assert request["data"] == {"prompt": "pw? ", "password": True}


async def test_input_of_an_execution_is_not_a_seats(bridge: Bridge, kernel: str) -> None:
    """A websocket client is not asked for an execution's input, and cannot answer it."""
    async with bridge.seat(kernel) as stranger:
        execution = await begin(bridge, kernel, "print(input('q'))", allow_stdin=True)

        async def asked() -> Any:
            return (await bridge.get(f"/executions/{execution}")).json.get("input_request")

        await until(asked, "the input request")
        await stranger.send("input_reply", {"status": "ok", "value": "x"}, channel="stdin")
        assert (await stranger.ended()).code == 4403
        assert not [m for m in stranger.seen if is_type("input_request")(m)]
        await bridge.post(f"/executions/{execution}/input", {"value": "mine"})
        assert (await finished(bridge, execution))["outputs"][-1]["text"] == "mine\n"


# -- ends --------------------------------------------------------------------------------------


async def test_timeout_interrupts(bridge: Bridge, kernel: str) -> None:
    """A timeout is an answer: 200, status timeout, what came so far; the code is interrupted."""
    code = "print('so far', flush=True)\nimport time\ntime.sleep(60)"
    run = await bridge.execute(kernel, code, timeout=1)
    assert run["status"] == "timeout"
    assert run["outputs"][0]["text"] == "so far\n"
    assert 0.4 < run["seconds"] < 15
    assert (await bridge.execute(kernel, "1", timeout=20))["status"] == "ok"


async def test_timeout_leaves(bridge: Bridge, kernel: str, tmp_path: Path) -> None:
    """`on_timeout: leave` answers timeout while the code runs on; the end can be read later."""
    gate = tmp_path / "gate"
    code = waits_for(gate) + "print('after all')"
    run = await bridge.execute(kernel, code, timeout=0.2, on_timeout="leave")
    assert run["status"] == "timeout"
    assert run["outputs"] == []
    gate.touch()

    async def ended() -> Any:
        answer = (await bridge.get(f"/executions/{run['execution']}")).json
        return answer if answer["status"] != "timeout" else None

    end = await until(ended, "the end")
    assert (end["status"], end["outputs"][0]["text"]) == ("ok", "after all\n")


async def test_timeout_of_what_ignores_interrupts(bridge: Bridge) -> None:
    """Code that ignores the interrupt is answered all the same, a little later."""
    code = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\ntime.sleep(60)"
    )
    async with bridge.kernel() as kernel_id:
        run = await bridge.execute(kernel_id, code, timeout=0.3)
        assert run["status"] == "timeout"
        assert run["seconds"] < 20


async def test_cancel(bridge: Bridge, kernel: str) -> None:
    """DELETE interrupts what runs, with 202; twice, or after the end, does no harm."""
    code = "print('on', flush=True)\nimport time\ntime.sleep(60)"
    execution = await begin(bridge, kernel, code)
    path = f"/executions/{execution}"

    async def begun() -> Any:
        return (await bridge.get(path)).json["outputs"]

    await until(begun, "the first output")
    answer = await bridge.delete(path)
    assert (answer.status, answer.body) == (202, b"")
    run = await finished(bridge, execution)
    assert (run["status"], run["error"]["ename"]) == ("error", "KeyboardInterrupt")
    assert (await bridge.delete(path)).status == 202
    assert (await bridge.execute(kernel, "1"))["status"] == "ok"


@pytest.mark.parametrize("silent", [False, True])
async def test_cancel_at_once(bridge: Bridge, silent: bool) -> None:
    """An interrupt that is asked for at once is not lost on the first code of a kernel."""
    for _ in range(6):
        kernel = await bridge.spawn()
        execution = await begin(bridge, kernel, "import time; time.sleep(60)", silent=silent)
        assert (await bridge.delete(f"/executions/{execution}")).status == 202
        assert (await finished(bridge, execution))["status"] == "error"
        await bridge.delete(f"/shutdown/{kernel}")


async def test_cancel_while_queued(bridge: Bridge, kernel: str, tmp_path: Path) -> None:
    """Cancelling a run that waits its turn never interrupts the one that runs."""
    gate = tmp_path / "gate"
    first = await begin(bridge, kernel, waits_for(gate) + "print('whole')")
    second = await begin(bridge, kernel, "import time; time.sleep(60)")
    assert (await bridge.delete(f"/executions/{second}")).status == 202
    gate.touch()
    assert (await finished(bridge, first))["status"] == "ok"
    assert (await finished(bridge, second))["status"] in ("error", "aborted")
    assert (await bridge.execute(kernel, "1", timeout=20))["status"] == "ok"


async def test_cancel_as_it_begins(bridge: Bridge, kernel: str, tmp_path: Path) -> None:
    """What IPython does between the echo and the code swallows an interrupt: it comes later."""
    hook = "def slow(info=None): import time; time.sleep(0.05)\n"
    hook += "get_ipython().events.register('pre_run_cell', slow)"
    assert (await bridge.execute(kernel, hook))["status"] == "ok"
    try:
        gate = tmp_path / "gate"
        first = await begin(bridge, kernel, waits_for(gate))
        second = await begin(bridge, kernel, "time.sleep(60)")
        assert (await bridge.delete(f"/executions/{second}")).status == 202
        gate.touch()
        assert (await finished(bridge, first))["status"] == "ok"
        assert (await finished(bridge, second))["error"]["ename"] == "KeyboardInterrupt"
    finally:
        await bridge.execute(kernel, "get_ipython().events.unregister('pre_run_cell', slow)")


async def test_abort(bridge: Bridge, kernel: str, tmp_path: Path) -> None:
    """After an error what is queued is aborted; with stop_on_error false it runs."""
    one, two = tmp_path / "one", tmp_path / "two"
    first = await begin(bridge, kernel, waits_for(one) + "1/0")
    second = await begin(bridge, kernel, "print('never')")
    one.touch()
    assert (await finished(bridge, first))["status"] == "error"
    aborted = await finished(bridge, second)
    assert (aborted["status"], aborted["outputs"]) == ("aborted", [])

    async def unblocked() -> Any:
        return (await bridge.execute(kernel, "1"))["status"] == "ok"

    await until(unblocked, "the end of aborting")
    first = await begin(bridge, kernel, waits_for(two) + "1/0", stop_on_error=False)
    second = await begin(bridge, kernel, "print('ran')")
    two.touch()
    assert (await finished(bridge, second))["outputs"][0]["text"] == "ran\n"


async def test_update_of_an_earlier_display(bridge: Bridge, kernel: str) -> None:
    """update_display_data changes the outputs of the execution that first showed the display."""
    shown = await bridge.execute(kernel, "h = display('old', display_id=True)")
    assert shown["outputs"][0]["data"]["text/plain"] == "'old'"
    later = await bridge.execute(kernel, "h.update('new')")
    assert later["outputs"] == []
    again = (await bridge.get(f"/executions/{shown['execution']}")).json
    assert again["outputs"][0]["data"]["text/plain"] == "'new'"


async def test_kernel_exits(bridge: Bridge) -> None:
    """Code that ends its own process is answered `died` with the exit code."""
    async with bridge.kernel() as kernel_id:
        run = await bridge.execute(kernel_id, "import os; os._exit(7)")
        assert (run["status"], run["exit_code"]) == ("died", 7)
        run = await bridge.execute(kernel_id, "1", timeout=30)
        assert run["status"] == "ok"


async def test_ephemeral_kernel_dies(bridge: Bridge) -> None:
    """An ephemeral kernel that is killed is answered `died`, and nothing is left of it."""
    before = {m["id"] for m in (await bridge.get("/kernels")).json}
    code = f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    answer = await bridge.post("/execute?kernel=python3", {"code": code})
    assert (answer.json["status"], answer.json["exit_code"]) == ("died", -9)
    assert {m["id"] for m in (await bridge.get("/kernels")).json} == before


async def test_expiry(servers: Callable[..., Server], connect: Callable[..., Bridge]) -> None:
    """A result expires after execution_keep, and is then 410."""
    bridge = connect(servers("--BridgeApp.execution_keep=0.5"))
    async with bridge.kernel() as kernel_id:
        key = {"Idempotency-Key": "k"}
        body = {"code": "1"}
        run = (await bridge.post(f"/execute/{kernel_id}", body, headers=key)).json
        path = f"/executions/{run['execution']}"

        async def expired() -> Answer | None:
            answer = await bridge.get(path)
            return answer if answer.status != 200 else None

        answer = await until(expired, "expiry")
        expect_problem(answer, 410, "gone")
        expect_problem(await bridge.delete(path), 410, "gone")
        again = (await bridge.post(f"/execute/{kernel_id}", body, headers=key)).json
        assert again["execution"] != run["execution"]


@pytest.mark.soak
async def test_execution_keeps_the_culler_away(
    servers: Callable[..., Server], connect: Callable[..., Bridge]
) -> None:
    """A kernel that only an execution uses is not culled before the end, though it is silent."""
    bridge = connect(
        servers(
            "--MappingKernelManager.cull_idle_timeout=1",
            "--MappingKernelManager.cull_interval=1",
            "--MappingKernelManager.cull_busy=True",
        )
    )
    kernel_id = await bridge.spawn()
    run = await bridge.execute(kernel_id, "import time; time.sleep(3.5); print('there')")
    assert (run["status"], run["outputs"][0]["text"]) == ("ok", "there\n")


async def test_two_at_once(bridge: Bridge, kernel: str) -> None:
    """Executions that overlap keep their outputs apart."""
    runs = await asyncio.gather(
        *(bridge.execute(kernel, f"for _ in range(20): print({i})") for i in range(8))
    )
    assert [run["outputs"][0]["text"] for run in runs] == [f"{i}\n" * 20 for i in range(8)]
