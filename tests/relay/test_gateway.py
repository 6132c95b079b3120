"""Kernels behind a real Kernel Gateway, relayed by a server in front of it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..conftest import START_TIME, Server, start_server
from .driving import (
    Bridge,
    eventually,
    expect_problem,
    is_status,
    is_type,
    text_of,
)
from .test_handlers_channels import COMM


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A `jupyter kernelgateway` on loopback; its address."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    url = f"http://127.0.0.1:{free_port()}"
    env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(folder), "KG_AUTH_TOKEN": "gate"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "kernel_gateway", "--KernelGatewayApp.ip=127.0.0.1"),
                f"--KernelGatewayApp.port={url.rsplit(':', 1)[1]}",
                *(
                    "--KernelGatewayApp.port_retries=0",
                    "--JupyterWebsocketPersonality.list_kernels=1",
                ),
            ],
            env=env,
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    deadline = time.monotonic() + START_TIME
    request = urllib.request.Request(f"{url}/api", headers={"Authorization": "token gate"})
    while True:
        try:
            urllib.request.urlopen(request, timeout=2).close()
            break
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
    yield url
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def behind(gateway: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose kernels are the gateway's."""
    server = start_server(
        tmp_path_factory.mktemp("behind"),
        f"--gateway-url={gateway}",
        "--GatewayClient.auth_token=gate",
    )
    yield server
    server.stop()


@pytest.fixture
def bridge(behind: Server, connect: Callable[..., Bridge]) -> Bridge:
    return connect(behind)


async def test_life(bridge: Bridge) -> None:
    """Spawn, list, execute, interrupt and shut down work as with kernels of one's own."""
    async with bridge.kernel() as kernel_id:
        assert kernel_id in [m["id"] for m in (await bridge.get("/kernels")).json]
        run = await bridge.execute(kernel_id, "print('far'); 6*7")
        assert [o["output_type"] for o in run["outputs"]] == ["stream", "execute_result"]
        run = await bridge.execute(kernel_id, "print(input('?'))", inputs=["typed"])
        assert run["outputs"][-1]["text"] == "typed\n"
        run = await bridge.execute(kernel_id, "import time; time.sleep(60)", timeout=0.5)
        assert run["status"] == "timeout"
    expect_problem(await bridge.get(f"/kernels/{kernel_id}"), 404, "not-found")
    answer = await bridge.post("/spawn/cobol", {})
    expect_problem(answer, 404, "not-found", "python3")


@pytest.mark.parametrize("v1", [True, False])
async def test_binary_buffers(bridge: Bridge, v1: bool) -> None:
    """Binary buffers pass the gateway in both directions as they are."""
    buffers = (bytes(range(256)), b"", b"\xff\x00\xff")
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id, v1=v1) as seat:
        await seat.run(COMM)
        comm = uuid.uuid4().hex
        opened = {"comm_id": comm, "target_name": "bridge-echo", "data": {}}
        await seat.send("comm_open", opened)
        await seat.send("comm_msg", {"comm_id": comm, "data": {}}, buffers=buffers)
        echo = (await seat.until(is_type("comm_msg")))[-1]
        assert tuple(bytes(b) for b in echo["buffers"]) == buffers


async def test_routing_and_resume(bridge: Bridge) -> None:
    """Replies go to the asker; `after` brings what was missed."""
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id) as other:
        async with bridge.seat(kernel_id) as asker:
            messages = await asker.run("print('one')")
            last = messages[-1]["header"]["msg_id"]
            asked = [m for m in messages if m["channel"] == "shell"]
        await other.run("print('two')")
        replies = [m for m in other.seen if m["channel"] == "shell"]
        assert asked[0]["header"]["msg_id"] not in [m["header"]["msg_id"] for m in replies]
        iopub = [m for m in messages if m["channel"] == "iopub"]
        last = iopub[-1]["header"]["msg_id"]
        async with bridge.seat(kernel_id, after=last) as back:
            missed = await back.until(lambda m: is_status(m, "idle"))
            assert text_of(missed) == "two\n"


async def test_restart(bridge: Bridge) -> None:
    """A restart is seen on seats, and the kernel answers anew."""
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id) as seat:
        await bridge.execute(kernel_id, "kept = 1")
        assert (await bridge.post(f"/restart/{kernel_id}")).status == 200
        run = await bridge.execute(kernel_id, "kept", timeout=20)
        assert run["error"]["ename"] == "NameError"
        assert await seat.run("1")


async def test_kernel_taken_away(bridge: Bridge, gateway: str) -> None:
    """Seats of a kernel that the gateway no longer lists end as soon as anybody lists kernels."""
    kernel_id = await bridge.spawn()
    async with bridge.seat(kernel_id) as seat:
        request = urllib.request.Request(
            f"{gateway}/api/kernels/{kernel_id}",
            method="DELETE",
            headers={"Authorization": "token gate"},
        )
        urllib.request.urlopen(request, timeout=20).close()

        async def gone() -> bool:
            return kernel_id not in [m["id"] for m in (await bridge.get("/kernels")).json]

        await eventually(gone, "forgetting the kernel")
        closed = await seat.ended()
        assert closed.code == 4410


class Wire:
    """A TCP line to the gateway that can be cut, and that takes new connections at once."""

    def __init__(self, url: str) -> None:
        self._port = int(url.rsplit(":", 1)[1])
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> int:
        """Cut what is connected; how many connections that were."""
        lines = [writer for writer in self._writers if not writer.is_closing()]
        for writer in lines:
            writer.transport.abort()
        return len(lines) // 2

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ends = {writer, to_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._pump(reader, to_writer), self._pump(to_reader, writer))
        except OSError:
            return
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()


async def test_broken_line(gateway: str, tmp_path: Path, connect: Callable[..., Bridge]) -> None:
    """A line to the gateway that breaks while code prints is mended; nothing is lost, or twice."""
    wire = Wire(gateway)
    async with wire as url:
        server = await asyncio.to_thread(
            start_server, tmp_path, f"--gateway-url={url}", "--GatewayClient.auth_token=gate"
        )
        try:
            bridge = connect(server)
            async with bridge.kernel() as kernel_id, bridge.seat(kernel_id) as seat:
                # What is on its way when a line breaks is lost; so it is silent for a moment then.
                ticks = "print(f'<{n}>', flush=True); time.sleep(1 if n == 20 else 0.01)"
                asked = await seat.execute(f"import time\nfor n in range(300): {ticks}")
                await seat.until(lambda message: "<20>" in text_of([message]))
                assert wire.cut() >= 1
                messages = await seat.settle(asked)
                numbers = re.findall(r"<(\d+)>", text_of(seat.seen))
                assert numbers == [str(n) for n in range(300)]
                assert is_status(messages[-1], "idle") or messages[-1]["channel"] == "shell"
                assert (await bridge.execute(kernel_id, "6*7"))["status"] == "ok"
        finally:
            await asyncio.to_thread(server.stop)
