"""Spawn, shutdown, interrupt, restart and list, on real kernels of a real server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from jupyter_bridge.kernels.host.backend import MAX_STARTS
from tests.conftest import Server
from tests.support.kernel_client import (
    Bridge,
    Message,
    expect_problem,
    is_status,
    is_type,
    text_of,
)
from tests.support.waiting import stays, until

# A Python kernel whose port is taken by somebody else when it starts, as often as a file has lines.
UNLUCKY = """
import json, socket, sys
from pathlib import Path
from ipykernel.kernelapp import launch_new_instance

times, (port, address) = Path(sys.argv.pop(1)), ("shell_port", "127.0.0.1")
left = times.read_text()
if left:
    times.write_text(left[1:])
    taken = socket.socket()
    taken.bind((address, json.loads(Path(sys.argv[-1]).read_text())[port]))
    taken.listen()
launch_new_instance()
"""


@pytest.fixture(scope="module")
def broken(bridge_server: Server) -> Iterator[Path]:
    """Kernelspecs that do not start: `crash` ends at once, `missing` has no executable.

    `mute` never says a word; `unlucky` fails as often as the file beside it has characters.
    """
    kernels = bridge_server.root.parent / "data" / "kernels"
    times = str(kernels / "unlucky" / "times")
    crash = "import sys; print('first\\nGPU is on fire', file=sys.stderr); sys.exit(3)"
    for name, argv in (
        ("crash", [sys.executable, "-c", crash, "{connection_file}"]),
        ("missing", ["/nonexistent/kernel", "{connection_file}"]),
        ("mute", [sys.executable, "-c", "import time; time.sleep(600)", "{connection_file}"]),
        ("unlucky", [sys.executable, "-c", UNLUCKY, times, "-f", "{connection_file}"]),
    ):
        folder = kernels / name
        folder.mkdir(parents=True)
        spec = {"argv": argv, "display_name": name, "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec))
    yield kernels
    for name in ("crash", "missing", "mute", "unlucky"):
        shutil.rmtree(kernels / name)


async def process_of(bridge: Bridge, kernel_id: str) -> psutil.Process:
    answer = await bridge.execute(kernel_id, "import os; print(os.getpid())")
    return psutil.Process(int(answer["outputs"][0]["text"]))


# -- spawn -------------------------------------------------------------------------------------


async def test_spawn(bridge: Bridge) -> None:
    """POST spawn answers 201 with the host's model, `kernelId` and a Location that can be read."""
    answer = await bridge.post("/spawn/python3", {})
    assert answer.status == 201
    model = answer.json
    try:
        assert model["kernelId"] == model["id"]
        assert model["name"] == "python3"
        assert {"execution_state", "last_activity", "connections"} <= model.keys()
        assert model["last_activity"].endswith("Z")
        assert answer.headers["Location"] == f"/bridge/kernels/{model['id']}"
        one = await bridge.get(f"/kernels/{model['id']}")
        assert one.status == 200
        assert one.json["id"] == model["id"]
        assert one.json["relay"].keys() == {"clients", "first_seq", "last_seq", "bytes"}
    finally:
        await bridge.delete(f"/shutdown/{model['id']}")


async def test_list_while_kernels_start(bridge: Bridge) -> None:
    """A kernel whose process is just being started is shown as such, and costs no error."""
    spawning = asyncio.gather(*(bridge.spawn() for _ in range(4)))
    seen = set()
    while not spawning.done():
        answer = await bridge.get("/kernels")
        assert answer.status == 200, answer
        for model in answer.json:
            seen.add(model["id"])
            one = await bridge.get(f"/kernels/{model['id']}")
            assert one.status == 200, one
    assert seen.issuperset(spawning.result())
    for kernel_id in spawning.result():
        await bridge.delete(f"/shutdown/{kernel_id}")


async def test_spawn_without_a_body(bridge: Bridge) -> None:
    """A body is not needed."""
    answer = await bridge.post("/spawn/python3")
    assert answer.status == 201
    await bridge.delete(f"/shutdown/{answer.json['id']}")


async def test_spawn_again(bridge: Bridge) -> None:
    """A spawn whose answer was lost may be repeated under its key: there is one kernel."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    before = {model["id"] for model in (await bridge.get("/kernels")).json}
    answers = await asyncio.gather(
        *(bridge.post("/spawn/python3", {"name": "one"}, headers=key) for _ in range(3))
    )
    answers.append(await bridge.post("/spawn/python3", {"name": "one"}, headers=key))
    assert {(a.status, a.body, a.headers["Location"]) for a in answers} == {
        (201, answers[0].body, f"/bridge/kernels/{answers[0].json['id']}")
    }
    after = {model["id"] for model in (await bridge.get("/kernels")).json}
    assert after - before == {answers[0].json["id"]}
    other = await bridge.post("/spawn/python3", {"name": "two"}, headers=key)
    expect_problem(other, 409, "conflict")
    await bridge.delete(f"/shutdown/{answers[0].json['id']}")


async def test_spawn_options(bridge: Bridge, tmp_path: Path) -> None:
    """`cwd` is where it starts, `env` is added to the server's, `name` is shown in lists."""
    body = {"cwd": str(tmp_path), "env": {"BRIDGE_TEST": "ü=1"}, "name": "Ada's"}
    async with bridge.kernel(body=body) as kernel_id:
        code = "import os; print(os.getcwd(), os.environ['BRIDGE_TEST'], 'PATH' in os.environ)"
        answer = await bridge.execute(kernel_id, code)
        assert answer["outputs"][0]["text"] == f"{tmp_path} ü=1 True\n"
        models = (await bridge.get("/kernels")).json
        assert [m["name"] for m in models if m["id"] == kernel_id] == ["Ada's"]


async def test_spawn_env_stays_with_its_kernel(bridge: Bridge) -> None:
    """One kernel's `env` is not seen by the next, nor by the server."""
    async with bridge.kernel(body={"env": {"BRIDGE_ONCE": "1"}}), bridge.kernel() as other:
        answer = await bridge.execute(other, "import os; print(os.environ.get('BRIDGE_ONCE'))")
        assert answer["outputs"][0]["text"] == "None\n"


async def test_spawn_path(bridge: Bridge, bridge_server: Server) -> None:
    """`path` is a folder below the server's root, as the contents API names it."""
    (bridge_server.root / "notes").mkdir(exist_ok=True)
    async with bridge.kernel(body={"path": "notes"}) as kernel_id:
        answer = await bridge.execute(kernel_id, "import os; print(os.getcwd())")
        assert answer["outputs"][0]["text"] == f"{bridge_server.root / 'notes'}\n"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cwd": "/no/such/folder"}, "cwd"),
        ({"cwd": "/tmp", "path": "x"}, "cwd"),
        ({"path": "no-such-folder"}, "path"),
        ({"path": "../.."}, "path"),
        ({"env": {"A": 1}}, "env"),
        ({"env": {"A=B": "1"}}, "env"),
        ({"env": {"A": "nul\0"}}, "env"),
        ({"cwd": 7}, "cwd"),
        ({"name": ["x"]}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_spawn_bad_body(bridge: Bridge, body: object, field: str) -> None:
    """A bad value, a wrong type or an unknown key is a bad-request that names the field."""
    before = (await bridge.get("/kernels")).json
    answer = await bridge.post("/spawn/python3", body)
    problem = expect_problem(answer, 400, "bad-request", field)
    assert problem["field"].startswith(field)
    assert len((await bridge.get("/kernels")).json) == len(before)


@pytest.mark.parametrize("data", [b"{", b"[]", b'"x"', b"\xff\xfe", b"null", b"7"])
async def test_malformed_body(bridge: Bridge, data: bytes) -> None:
    """A body that is no JSON object is a bad-request."""
    answer = await bridge.post("/spawn/python3", data=data)
    expect_problem(answer, 400, "bad-request")


async def test_body_too_large(bridge: Bridge, kernel: str) -> None:
    """A body beyond 1 MiB is 413, and names the limit."""
    answer = await bridge.post(f"/execute/{kernel}", {"code": "#" * (1 << 20)})
    assert expect_problem(answer, 413, "too-large")["limit"] == 1 << 20


async def test_unknown_kernelspec(bridge: Bridge) -> None:
    """An unknown kernelspec is 404 and names those there are."""
    answer = await bridge.post("/spawn/cobol", {})
    problem = expect_problem(answer, 404, "not-found", "cobol", "bash", "python3")
    assert {"bash", "python3"} <= set(problem["kernelspecs"])


async def test_kernel_that_crashes_at_once(bridge: Bridge, broken: Path) -> None:
    """A kernel that ends as it starts is 500 with its last stderr lines, and leaves no kernel."""
    before = {m["id"] for m in (await bridge.get("/kernels")).json}
    for _ in range(2):
        answer = await bridge.post("/spawn/crash", {})
        problem = expect_problem(answer, 500, "start-failed", "crash", "GPU is on fire")
        assert problem["stderr"][-1] == "GPU is on fire"
        assert problem["exit_code"] == 3
    assert {m["id"] for m in (await bridge.get("/kernels")).json} == before


async def test_kernel_whose_port_is_taken(bridge: Bridge, broken: Path) -> None:
    """It is started again, on other ports; not for ever, and nothing of those tries is left."""
    times = broken / "unlucky" / "times"
    before = {kernel["id"] for kernel in (await bridge.get("/kernels")).json}
    times.write_text("x" * (MAX_STARTS - 1))
    async with bridge.kernel("unlucky") as kernel:
        assert (await bridge.execute(kernel, "print(6*7)"))["outputs"][0]["text"] == "42\n"
        assert times.read_text() == ""
        assert {k["id"] for k in (await bridge.get("/kernels")).json} == before | {kernel}
    times.write_text("x" * 9)
    answer = await bridge.post("/spawn/unlucky", {})
    expect_problem(answer, 500, "start-failed", "Address already in use")
    assert len(times.read_text()) == 9 - MAX_STARTS
    assert {kernel["id"] for kernel in (await bridge.get("/kernels")).json} == before


async def test_kernel_without_executable(bridge: Bridge, broken: Path) -> None:
    """A kernel whose executable is missing is 500 and says which."""
    before = {m["id"] for m in (await bridge.get("/kernels")).json}
    answer = await bridge.post("/spawn/missing", {})
    expect_problem(answer, 500, "start-failed", "/nonexistent/kernel")
    assert {m["id"] for m in (await bridge.get("/kernels")).json} == before


async def test_shut_down_as_it_starts(bridge: Bridge, broken: Path) -> None:
    """Whoever waits for a kernel that somebody shuts down meanwhile is told so."""
    before = {kernel["id"] for kernel in (await bridge.get("/kernels")).json}
    spawning = asyncio.ensure_future(bridge.post("/spawn/mute", {}))

    async def new() -> set[str]:
        return {k["id"] for k in (await bridge.get("/kernels")).json} - before

    (kernel,) = await until(new, "a kernel")
    executing = asyncio.ensure_future(bridge.post(f"/execute/{kernel}", {"code": "1"}))
    assert await stays(executing)
    assert (await bridge.delete(f"/shutdown/{kernel}")).status == 200
    expect_problem(await executing, 410, "gone", kernel)
    assert (await spawning).json["error"] in ("start-failed", "gone")


async def test_ephemeral_kernel_that_crashes(bridge: Bridge, broken: Path) -> None:
    """Executing on a kernelspec that does not start is the same Problem."""
    answer = await bridge.post("/execute?kernel=crash", {"code": "1"})
    expect_problem(answer, 500, "start-failed", "GPU is on fire")


async def test_two_kernelspecs_at_once(bridge: Bridge) -> None:
    """Kernels of different kernelspecs are relayed side by side."""
    async with bridge.kernel("bash") as bash, bridge.kernel("python3") as python:
        async with bridge.seat(bash) as one, bridge.seat(python, v1=False) as other:
            a = await one.run("echo $((6*7))")
            b = await other.run("print(6*7)")
        for messages in (a, b):
            assert [m["content"]["text"] for m in messages if is_type("stream")(m)] == ["42\n"]


# -- list --------------------------------------------------------------------------------------


async def test_host_and_bridge_see_the_same_kernels(bridge: Bridge) -> None:
    """A bridge kernel is in /api/kernels, and a host kernel is listed and used by the bridge."""
    async with bridge.kernel() as ours:
        hosts = (await bridge.get("/api/kernels", host=True)).json
        assert ours in [m["id"] for m in hosts]
        theirs = (await bridge.post("/api/kernels", {"name": "python3"}, host=True)).json["id"]
        try:
            assert {ours, theirs} <= {m["id"] for m in (await bridge.get("/kernels")).json}
            assert (await bridge.execute(theirs, "1+1"))["outputs"][0]["data"]["text/plain"] == "2"
        finally:
            await bridge.delete(f"/api/kernels/{theirs}", host=True)
        assert (await bridge.get(f"/kernels/{theirs}")).status == 404


async def test_relay_numbers(bridge: Bridge) -> None:
    """The list tells each relay's seats, sequence numbers and bytes."""
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id), bridge.seat(kernel_id) as seat:
        before = await bridge.relay(kernel_id)
        assert before["clients"] == 2
        await seat.run("print(1)")
        after = await bridge.relay(kernel_id)
        assert after["last_seq"] > before["last_seq"]
        assert after["first_seq"] == 1
        assert after["bytes"] > before["bytes"]
        model = (await bridge.get(f"/kernels/{kernel_id}")).json
        assert model["connections"] == 2
    host = await bridge.get(f"/api/kernels/{kernel_id}", host=True)
    assert host.status == 404


async def test_connections_are_counted(bridge: Bridge, kernel: str) -> None:
    """The host counts a seat as a connection, from its opening to its closing."""

    async def connections() -> int:
        return int((await bridge.get(f"/api/kernels/{kernel}", host=True)).json["connections"])

    assert await connections() == 0
    async with bridge.seat(kernel), bridge.seat(kernel, "iopub"):
        assert await connections() == 2

    async def gone() -> bool:
        return await connections() == 0

    await until(gone, "the end of both connections")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/kernels/{id}"),
        ("POST", "/shutdown/{id}"),
        ("DELETE", "/shutdown/{id}"),
        ("GET", "/shutdown/{id}"),
        ("POST", "/interrupt/{id}"),
        ("POST", "/restart/{id}"),
        ("POST", "/execute/{id}"),
    ],
)
async def test_unknown_kernel(bridge: Bridge, method: str, path: str) -> None:
    """An unknown kernel is 404 on every route, and the answer names it."""
    body = {"code": "1"} if "execute" in path else None
    answer = await bridge.call(method, path.format(id="no-such"), body)
    assert expect_problem(answer, 404, "not-found", "no-such")["kernel_id"] == "no-such"


async def test_unknown_kernel_websocket(bridge: Bridge) -> None:
    """A websocket of an unknown kernel is refused with 404 and the Problem as its body."""
    for seat in ("channels", "shell", "iopub", "stdin", "stdio", "control"):
        expect_problem(await bridge.handshake(f"/{seat}/no-such"), 404, "not-found", "no-such")


async def test_unknown_route(bridge: Bridge, kernel: str) -> None:
    """What is no route is a Problem, also under a kernel's name, and so is a wrong method."""
    expect_problem(await bridge.get("/nothing/here"), 404, "not-found")
    expect_problem(await bridge.get(f"/heartbeat/{kernel}"), 404, "not-found")
    expect_problem(await bridge.handshake(f"/hb/{kernel}"), 404, "not-found")
    expect_problem(await bridge.call("PUT", "/kernels", {}), 405, "bad-request")
    expect_problem(await bridge.get(f"/channels/{kernel}"), 400, "bad-request", "websocket")


# -- shutdown ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
async def test_shutdown(bridge: Bridge, method: str) -> None:
    """Each spelling of shutdown ends the process and names the kernel twice, once only."""
    kernel_id = await bridge.spawn()
    process = await process_of(bridge, kernel_id)
    answer = await bridge.call(method, f"/shutdown/{kernel_id}")
    assert answer.status == 200
    assert answer.json == {"id": kernel_id, "kernelId": kernel_id}
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    expect_problem(await bridge.call(method, f"/shutdown/{kernel_id}"), 404, "not-found")


async def test_shutdown_ends_seats(bridge: Bridge) -> None:
    """Seats of a kernel that is shut down see `dead` and are closed with 4410."""
    kernel_id = await bridge.spawn()
    async with bridge.seat(kernel_id) as v1, bridge.seat(kernel_id, v1=False) as default:
        await bridge.delete(f"/shutdown/{kernel_id}")
        for seat in (v1, default):
            closed = await seat.ended()
            assert closed.code == 4410
            assert closed.problem["error"] == "gone"
            assert is_status(seat.seen[-1], "dead")


async def test_shutdown_by_the_host(bridge: Bridge) -> None:
    """A kernel that JupyterLab shuts down ends its seats and executions just so."""
    kernel_id = await bridge.spawn()
    async with bridge.seat(kernel_id) as seat:
        run = await bridge.post(
            f"/execute/{kernel_id}",
            {"code": "import time; time.sleep(60)"},
            headers={"Prefer": "respond-async"},
        )
        await bridge.delete(f"/api/kernels/{kernel_id}", host=True)
        assert (await seat.ended()).code == 4410
        answer = await bridge.get(f"/executions/{run.json['execution']}?wait=20")
        assert answer.json["status"] == "died"
    expect_problem(await bridge.get(f"/kernels/{kernel_id}"), 404, "not-found")


# -- interrupt and restart ---------------------------------------------------------------------


async def test_interrupt(bridge: Bridge, kernel: str) -> None:
    """Interrupt raises KeyboardInterrupt in what runs."""
    async with bridge.seat(kernel) as seat:
        msg_id = await seat.execute("print('here', flush=True)\nimport time; time.sleep(60)")
        await seat.until(is_type("stream"))
        answer = await bridge.post(f"/interrupt/{kernel}")
        assert (answer.status, answer.json) == (200, {"id": kernel})
        messages = await seat.settle(msg_id)
        assert [m["content"]["ename"] for m in messages if m["channel"] == "shell"] == [
            "KeyboardInterrupt"
        ]


def said_on(message: Message) -> bool:
    return text_of([message]) == "on\n"


def is_back(kernel_pid: int) -> str:
    return f"import os; print(os.getpid() != {kernel_pid})"


async def test_restart(bridge: Bridge) -> None:
    """Restart answers when it is ready; seats stay, `restarting` is told once, executions die."""
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id) as seat:
        process = await process_of(bridge, kernel_id)
        run = await bridge.post(
            f"/execute/{kernel_id}",
            {"code": "import time; time.sleep(60)"},
            headers={"Prefer": "respond-async"},
        )
        answer = await bridge.post(f"/restart/{kernel_id}")
        assert (answer.status, answer.json) == (200, {"id": kernel_id})
        fresh = await bridge.execute(kernel_id, is_back(process.pid), timeout=20)
        assert fresh["outputs"][0]["text"] == "True\n"
        assert fresh["execution_count"] == 1
        messages = await seat.run("'still here'")
        assert messages
        assert sum(is_status(m, "restarting") for m in seat.seen) == 1
        assert not any(is_status(m, "dead") for m in seat.seen)
        ended = (await bridge.get(f"/executions/{run.json['execution']}")).json
        assert ended["status"] == "died"


async def test_asked_while_it_restarts(bridge: Bridge) -> None:
    """Restarts and interrupts that come during a restart wait for it; each is answered 200."""
    async with bridge.kernel() as kernel_id:
        asked = ["restart", "interrupt", "restart", "interrupt", "restart"]
        answers = await asyncio.gather(*(bridge.post(f"/{what}/{kernel_id}") for what in asked))
        assert [answer.status for answer in answers] == [200] * len(asked), answers
        assert (await bridge.execute(kernel_id, "6 * 7"))["status"] == "ok"


async def test_restart_by_the_host(bridge: Bridge) -> None:
    """After a restart through the host's own API the bridge's seats work on."""
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id) as seat:
        process = await process_of(bridge, kernel_id)
        run = await bridge.post(
            f"/execute/{kernel_id}",
            {"code": "import time; time.sleep(60)"},
            headers={"Prefer": "respond-async"},
        )
        await bridge.post(f"/api/kernels/{kernel_id}/restart", host=True)
        await seat.until(lambda m: is_status(m, "restarting"))
        fresh = await bridge.execute(kernel_id, is_back(process.pid), timeout=20)
        assert fresh["outputs"][0]["text"] == "True\n"
        assert await seat.run("1")
        assert sum(is_status(m, "restarting") for m in seat.seen) == 1
        ended = (await bridge.get(f"/executions/{run.json['execution']}")).json
        assert ended["status"] == "died"


async def test_killed_kernel_is_restarted(bridge: Bridge) -> None:
    """kill -9: the execution ends `died` with exit code -9, the seat sees it and works on."""
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id) as seat:
        process = await process_of(bridge, kernel_id)
        run = await bridge.post(
            f"/execute/{kernel_id}",
            {"code": "print('on', flush=True)\nimport time; time.sleep(60)"},
            headers={"Prefer": "respond-async"},
        )
        await seat.until(said_on)
        started = time.monotonic()
        process.send_signal(signal.SIGKILL)
        ended = (await bridge.get(f"/executions/{run.json['execution']}?wait=30")).json
        assert time.monotonic() - started < 25
        assert ended["status"] == "died"
        assert ended["exit_code"] == -9
        assert ended["outputs"][0]["text"] == "on\n"
        await seat.until(lambda m: is_status(m, "restarting"))
        fresh = await bridge.execute(kernel_id, is_back(process.pid), timeout=30)
        assert fresh["outputs"][0]["text"] == "True\n"
        assert await seat.run("1")


async def test_kernel_that_stays_dead(
    servers: Callable[..., Server], connect: Callable[..., Bridge]
) -> None:
    """Where the host does not restart, a killed kernel ends seats with 4410, executions `died`."""
    bridge = connect(
        servers("--KernelRestarter.restart_limit=0", "--KernelRestarter.time_to_dead=1")
    )
    kernel_id = await bridge.spawn()
    async with bridge.seat(kernel_id) as seat:
        process = await process_of(bridge, kernel_id)
        run = await bridge.post(
            f"/execute/{kernel_id}",
            {"code": "print('on', flush=True)\nimport time; time.sleep(60)"},
            headers={"Prefer": "respond-async"},
        )
        await seat.until(said_on)
        os.kill(process.pid, signal.SIGKILL)
        closed = await seat.ended()
        assert closed.code == 4410
        assert is_status(seat.seen[-1], "dead")
        ended = (await bridge.get(f"/executions/{run.json['execution']}?wait=30")).json
        assert (ended["status"], ended["exit_code"]) == ("died", -9)
    answer = await bridge.post(f"/execute/{kernel_id}", {"code": "1"})
    assert answer.status in (404, 410), answer
    await bridge.delete(f"/shutdown/{kernel_id}")


async def test_restart_on_new_ports(
    servers: Callable[..., Server], connect: Callable[..., Bridge]
) -> None:
    """A kernel that comes back on other ports is found again, and its seats work on."""
    # Ports that the host has not cached are chosen anew when a young kernel is restarted.
    bridge = connect(servers("--KernelManager.cache_ports=False"))
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id) as seat:
        process = await process_of(bridge, kernel_id)
        ports = "import json, ipykernel; print(json.load(open(ipykernel.get_connection_file())))"
        before = (await bridge.execute(kernel_id, ports))["outputs"][0]["text"]
        process.kill()
        await seat.until(lambda m: is_status(m, "restarting"))
        fresh = await bridge.execute(kernel_id, is_back(process.pid), timeout=40)
        assert fresh["outputs"][0]["text"] == "True\n"
        after = (await bridge.execute(kernel_id, ports))["outputs"][0]["text"]
        assert before != after
        assert await seat.run("1")


@pytest.mark.soak
async def test_culling(servers: Callable[..., Server], connect: Callable[..., Bridge]) -> None:
    """The culler spares a kernel with a bridge client; one it takes ends seats and is gone."""
    bridge = connect(
        servers(
            "--MappingKernelManager.cull_idle_timeout=4", "--MappingKernelManager.cull_interval=1"
        )
    )
    kept = await bridge.spawn()
    async with bridge.seat(kept) as seat:
        culled = await bridge.spawn()

        async def gone() -> bool:
            return (await bridge.get(f"/kernels/{culled}")).status == 404

        await until(gone, "culling")
        expect_problem(await bridge.post(f"/execute/{culled}", {"code": "1"}), 404, "not-found")
        assert await seat.run("1")

    async def kept_gone() -> bool:
        return (await bridge.get(f"/kernels/{kept}")).status == 404

    await until(kept_gone, "culling without clients")


async def test_culled_kernel_ends_seats(
    servers: Callable[..., Server], connect: Callable[..., Bridge]
) -> None:
    """Where kernels with clients are culled, too, their seats end with 4410."""
    bridge = connect(
        servers(
            "--MappingKernelManager.cull_idle_timeout=5",  # longer than a kernel starts
            "--MappingKernelManager.cull_interval=1",
            "--MappingKernelManager.cull_connected=True",
        )
    )
    kernel_id = await bridge.spawn()
    async with bridge.seat(kernel_id) as seat:
        closed = await seat.ended()
        assert closed.code == 4410
        assert is_status(seat.seen[-1], "dead")
