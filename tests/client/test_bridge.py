"""The verbs of the async client, on a real server with real kernels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from jupyter_bridge.client import (
    BridgeClient,
    Done,
    ExecutionFailed,
    InputRequest,
    KernelModel,
    Output,
    UpdateDisplay,
)
from jupyter_bridge.problems import Conflict, Denied, Gone, NotFound, Problem
from tests.conftest import Server
from tests.support.waiting import until


def on(server: Server) -> BridgeClient:
    return BridgeClient(server.url, server.token)


async def test_info(bridge_server: Server) -> None:
    """The bridge tells its version, and the kernels that the server can start."""
    async with on(bridge_server) as bridge:
        assert (await bridge.info())["version"]
        specs = await bridge.kernelspecs()
        assert next(iter(specs)) == "python3"
        assert "bash" in specs


async def test_life(bridge_server: Server, tmp_path: Path) -> None:
    """A kernel is spawned as told, listed, interrupted, restarted and shut down."""
    async with on(bridge_server) as bridge:
        kernel = await bridge.spawn("python3", cwd=str(tmp_path), env={"A": "b"}, name="mine")
        try:
            assert (kernel.name, kernel.kernelspec) == ("mine", "python3")
            assert kernel.id in [k.id for k in await bridge.kernels()]
            code = "import os; (os.getcwd(), os.environ['A'])"
            assert (await bridge.execute(kernel, code)).value == f"('{tmp_path}', 'b')"
            name = await bridge.run_async(kernel, "import time; print('on'); time.sleep(60)")

            async def has_begun() -> bool:
                return bool((await bridge.execution(name)).stdout)

            await until(has_begun, "the first output")
            await bridge.interrupt(kernel)
            result = await bridge.execution(name, wait=True)
            assert result.error is not None
            assert result.error.ename == "KeyboardInterrupt"
            await bridge.restart(kernel)
            assert (await bridge.execute(kernel, "'A' in dir()")).value == "False"
        finally:
            await bridge.shutdown(kernel)
        with pytest.raises((NotFound, Gone)):
            await bridge.kernel(kernel)


async def test_wrong_names(bridge_server: Server) -> None:
    """What is not there is a NotFound that says what there is."""
    async with on(bridge_server) as bridge:
        with pytest.raises(NotFound, match="python3"):
            await bridge.spawn("cobol")
        with pytest.raises(NotFound):
            await bridge.kernel("no-such")
        with pytest.raises(NotFound):
            await bridge.execute("no-such", "1")
        with pytest.raises(NotFound):
            await bridge.channels("no-such").open()
        with pytest.raises(NotFound):
            await bridge.execution("no-such")


async def test_wrong_token(bridge_server: Server) -> None:
    """A wrong token is Denied, on requests and on websockets."""
    async with BridgeClient(bridge_server.url, "wrong") as bridge:
        with pytest.raises(Denied):
            await bridge.kernels()
        with pytest.raises(Denied):
            await bridge.channels("k").open()


async def test_execute(bridge_server: Server, kernel: KernelModel) -> None:
    """A result has everything that the code left, and its error raises when asked to."""
    async with on(bridge_server) as bridge:
        good = await bridge.execute(
            kernel, "import sys; print('o'); print('e', file=sys.stderr); x = 6; x * 7"
        )
        assert (good.status, good.stdout, good.stderr, good.value) == ("ok", "o\n", "e\n", "42")
        assert good.kernel == kernel.id
        assert good.seconds is not None
        assert good.started is not None
        more = await bridge.execute(kernel, "1", user_expressions={"twice": "2 * x"})
        assert more.user_expressions is not None
        assert more.user_expressions["twice"]["data"]["text/plain"] == "12"
        bad = await bridge.execute(kernel, "1/0")
        with pytest.raises(ExecutionFailed, match="ZeroDivisionError: division by zero"):
            bad.raise_for_status()
        again = await bridge.execution(bad.execution)
        assert again.error == bad.error


async def test_execute_input(bridge_server: Server, kernel: KernelModel) -> None:
    """Inputs answer what the code asks; without any, asking is an error and does not hang."""
    async with on(bridge_server) as bridge:
        asks = "input('a') + input('b')"
        assert (await bridge.execute(kernel, asks, inputs=["1", "2"])).value == "'12'"
        refused = await bridge.execute(kernel, asks)
        assert refused.error is not None
        assert refused.error.ename == "StdinNotImplementedError"


async def test_execute_timeout(bridge_server: Server, kernel: KernelModel) -> None:
    """Code that takes too long is interrupted, and says so."""
    async with on(bridge_server) as bridge:
        slow = await bridge.execute(kernel, "import time; time.sleep(60)", timeout=0.3)
        assert slow.status == "timeout"
        with pytest.raises(ExecutionFailed, match="time allowed"):
            slow.raise_for_status()


async def test_ephemeral(bridge_server: Server) -> None:
    """Code on a kernelspec runs in a kernel that is gone afterwards."""
    async with on(bridge_server) as bridge:
        result = await bridge.execute(code="echo from $0", kernelspec="bash")
        assert "bash" in result.stdout
        assert result.kernel not in [kernel.id for kernel in await bridge.kernels()]


async def test_died(bridge_server: Server) -> None:
    """A kernel that dies ends what it ran, and says how it died."""
    async with on(bridge_server) as bridge:
        kernel = await bridge.spawn("python3")
        try:
            result = await bridge.execute(kernel, "import os; os._exit(3)")
            assert result.status == "died"
            assert "died" in result.sentence

            async def is_back() -> bool:
                with contextlib.suppress(Problem):  # the host is just restarting it
                    return (await bridge.execute(kernel, "1")).ok
                return False

            await until(is_back, "the restart")
        finally:
            await bridge.shutdown(kernel)


async def test_stream(bridge_server: Server, kernel: KernelModel) -> None:
    """A stream tells outputs as they come, asks for input, and ends with the whole answer."""
    async with on(bridge_server) as bridge:
        code = (
            "from IPython.display import display, update_display\n"
            "display('one', display_id='d')\n"
            "name = input('who? ')\n"
            "update_display('two', display_id='d')\n"
            "print('hello', name)"
        )
        kinds = []
        texts = []
        async with bridge.stream(kernel, code) as events:
            async for event in events:
                kinds.append(type(event))
                if isinstance(event, InputRequest):
                    assert (event.prompt, event.password) == ("who? ", False)
                    await events.send_input("Ada")
                if isinstance(event, Output):
                    texts.append(event.text)
        assert "".join(texts) == "'one'\nhello Ada\n"
        assert UpdateDisplay in kinds
        assert kinds[-1] is Done
        assert events.result is not None
        assert events.result.text == "'two'\nhello Ada\n"
        assert events.execution == events.result.execution
        follow = bridge.follow(events.result.execution)
        assert [type(event) async for event in follow] == kinds


async def test_stream_cancel(bridge_server: Server, kernel: KernelModel) -> None:
    """A cancelled stream still ends with the answer."""
    async with on(bridge_server) as bridge:
        code = "import time; print('on', flush=True); time.sleep(60)"
        async with bridge.stream(kernel, code) as events:
            async for event in events:
                if isinstance(event, Output) and event.output_type == "stream":
                    await events.cancel()
        assert events.result is not None
        assert events.result.error is not None
        assert events.result.error.ename == "KeyboardInterrupt"


async def test_key(bridge_server: Server, kernel: KernelModel) -> None:
    """What is asked twice under one key is done once."""
    async with on(bridge_server) as bridge:
        await bridge.execute(kernel, "n = 0")
        one = await bridge.execute(kernel, "n += 1; n", key="same")
        two = await bridge.execute(kernel, "n += 1; n", key="same")
        assert (one.value, two.value) == ("1", "1")
        assert one.execution == two.execution
        with pytest.raises(Conflict):
            await bridge.execute(kernel, "something else", key="same")


@asynccontextmanager
async def tripping(target: Server, every: int) -> AsyncIterator[str]:
    """The way to the server over a proxy that breaks each stream after `every` lines."""

    async def forward(request: web.Request) -> web.StreamResponse:
        url = target.url.rstrip("/") + request.path_qs
        body = await request.read()
        head = {k: v for k, v in request.headers.items() if k not in ("Host", "Content-Length")}
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, url, data=body, headers=head) as answer,
        ):
            response = web.StreamResponse(status=answer.status, headers=answer.headers)
            response.headers.pop("Content-Length", None)
            await response.prepare(request)
            lines = 0
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
                lines += chunk.count(b"\n")
                if answer.content_type == "application/x-ndjson" and lines >= every:
                    await asyncio.sleep(0.02)
                    assert request.transport is not None
                    request.transport.abort()
                    break
            return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


async def test_over_a_tripping_line(bridge_server: Server, kernel: KernelModel) -> None:
    """Over a line that breaks again and again, every event of a real run comes once, in order."""
    code = "import time\nfor i in range(40):\n print(i, flush=True); time.sleep(0.03)"
    async with (
        tripping(bridge_server, 7) as url,
        BridgeClient(url, bridge_server.token) as bridge,
    ):
        events = [event async for event in bridge.stream(kernel, code)]
    ids = [int(event.id) for event in events]
    assert ids == list(range(1, len(ids) + 1))
    text = "".join(event.text for event in events if isinstance(event, Output))
    assert text == "".join(f"{i}\n" for i in range(40))
