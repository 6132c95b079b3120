"""The jupyter connector on real Jupyter servers: without the bridge, and with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import NoneType
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Context, Expired, WrongCredentials
from jupyter_bridge.connections.connectors.jupyter.api import HubServer
from jupyter_bridge.connections.connectors.jupyter.connector import JupyterFields, JupyterServer
from jupyter_bridge.connections.connectors.jupyter.hub import Hub
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.roles import HasKernels
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.problems import (
    BadRequest,
    NotFound,
    Problem,
    RemoteFailed,
    Unavailable,
    Unsupported,
)
from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.shell.remote_startup import OWN_PROGRAM
from tests.conftest import Server
from tests.support.joined import start_plain
from tests.support.waiting import until

LOG = logging.getLogger("test.jupyter")


@pytest.fixture
def bridged(far: Server) -> Server:
    """A Jupyter server with the bridge."""
    return far


def make(tmp_path: Path, url: str, token: str | None, **fields: Any) -> JupyterServer:
    context = Context(
        name="lab",
        outbound=Outbound(AddressPolicy(allow_loopback=True)),
        folder=tmp_path / "state",
        root_dir=tmp_path,
        log=LOG,
    )
    return JupyterServer(JupyterFields(url=url, token=token, **fields), context)


@asynccontextmanager
async def using(remote: JupyterServer) -> AsyncIterator[None]:
    """Close the connector in the end."""
    try:
        yield
    finally:
        await remote.close()
        await remote.context.outbound.close()
        await asyncio.sleep(0)


class Seen:
    """What a source said."""

    def __init__(self) -> None:
        self.data = b""
        self.gaps: list[int] = []
        self.exits: list[Exit] = []

    async def open(self, source: Source) -> None:
        await source.open(self._on_output, self.gaps.append, self.exits.append)

    def _on_output(self, data: bytes) -> None:
        self.data += data

    async def until(self, text: bytes, times: int = 1) -> None:
        await self.when(lambda: self.data.count(text) >= times)

    async def when(self, true: Callable[[], bool]) -> None:
        await until(true, lambda: f"it, with {self.data[-2000:]!r}, {self.gaps}, {self.exits},")


# -- logging in ----------------------------------------------------------------------------------


async def test_a_token_lets_in_or_does_not(plain: Server, tmp_path: Path) -> None:
    """The name is as the server knows it; a wrong token is told without itself."""
    remote = make(tmp_path, plain.url, plain.token)

    async with using(remote):
        login = await remote.login()
        assert login.username
        await remote.probe()
        for token in ("canary", None):
            remote.fields.token = token
            with pytest.raises(WrongCredentials) as caught:
                await remote.login()
            assert "canary" not in repr(caught.value) + repr(remote.fields)


async def test_what_is_no_jupyter_server_is_told(tmp_path: Path) -> None:
    """Nobody there is unavailable; somebody else has failed."""
    remote = make(tmp_path, "http://127.0.0.1:1/", "x")

    async with using(remote):
        with pytest.raises(Unavailable):
            await remote.login()
        with pytest.raises(Expired):
            await remote.probe()


@pytest.mark.parametrize("url", ["https://h/?token=x", "https://h/#x"])
def test_a_token_in_the_url_is_refused(url: str) -> None:
    """It has its own field, which is secret."""
    with pytest.raises(BadRequest):
        JupyterServer.check(JupyterFields(url=url))


async def base_on_a_hub(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address that is used of a server whose address the hub says is `url`."""
    remote = make(tmp_path, "https://hub.example/", "canary")
    hub = Hub("https://hub.example/hub/", remote.server)
    started = HubServer(ready=True, url=url)
    monkeypatch.setattr(hub, "user", lambda: asyncio.sleep(0, "jo"))
    monkeypatch.setattr(hub, "start", lambda *_: asyncio.sleep(0, started))
    async with using(remote):
        return (await remote._start_server(hub, None))[0]


@pytest.mark.parametrize(
    "url", [".evil.example/", ":22/", "@evil.example/", "user/jo/", "", "http://[", "?/user/jo/"]
)
async def test_a_hub_does_not_continue_its_name(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no path is refused: behind the hub's name it would be another host's."""
    with pytest.raises(RemoteFailed, match="address"):
        await base_on_a_hub(url, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/user/jo/", "user/jo/"),
        ("https://elsewhere.example/user/jo", "user/jo/"),
        ("//elsewhere.example/user/jo/", "user/jo/"),
        ("/user/a%3Fb%23c/", "user/a%3Fb%23c/"),
    ],
)
async def test_a_hub_does_not_change_the_host(
    url: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path alone is used, as the hub encodes it: a user's name may have a ? or a #."""
    assert await base_on_a_hub(url, tmp_path, monkeypatch) == f"https://hub.example/{path}"


# -- terminals of a plain server -----------------------------------------------------------------


async def test_a_terminal_is_a_console(plain: Server, tmp_path: Path) -> None:
    """Made, listed, typed into, resized, ended."""
    remote = make(tmp_path, plain.url, plain.token)

    async with using(remote):
        await remote.login()
        (plain.root / "here").mkdir()
        name = await remote.create_console(cwd="here", rows=None)
        assert name in [node.name for node in await remote.consoles()]
        source, seen = await remote.console(name), Seen()
        await seen.open(source)
        source.resize(33, 101)
        await source.write("stty size; echo grün-$((40+2)); pwd\n".encode())
        await seen.until("grün-42".encode())
        await seen.until(b"33 101")
        await seen.until(str(plain.root / "here").encode())
        await source.end()
        await seen.when(lambda: seen.exits == [Exit()])
        await source.close()
        await source.close()
        assert name not in [node.name for node in await remote.consoles()]
        with pytest.raises(NotFound):
            await seen.open(await remote.console(name))
        with pytest.raises(NotFound):
            await seen.open(await remote.console("../../api/kernels"))
        with pytest.raises(Unsupported, match="env"):
            await remote.create_console(env={"A": "b"})


@pytest.mark.parametrize("status", [400, 500])
async def test_a_server_that_starts_only_its_own_program(status: int, tmp_path: Path) -> None:
    """A terminal is opened all the same, and its fault says why its prompt is not known."""

    async def terminals(request: web.Request) -> web.Response:
        if "shell_command" in await request.json():
            return web.json_response({"message": "no program"}, status=status)
        return web.json_response({"name": "7"})

    app = web.Application()
    app.router.add_post("/api/terminals", terminals)
    async with TestServer(app) as server:
        remote = make(tmp_path, str(server.make_url("/")), "x")
        async with using(remote):
            remote.server.base = str(server.make_url("/"))
            name = await remote.create_console()
            shell = (await remote.console(name)).remote_shell
            assert (name, shell and shell.fault) == ("7", OWN_PROGRAM)
            with pytest.raises(Problem, match="no program"):
                await remote.create_console(shell_command=["bash"])


async def test_a_terminal_line_that_breaks_at_rest_loses_nothing(
    plain: Server, tmp_path: Path
) -> None:
    """A terminal that speaks when it is asked only: every line comes, once, in order, no gap."""
    remote = make(tmp_path, plain.url, plain.token)

    async with using(remote):
        await remote.login()
        source, seen = await remote.console(await remote.create_console()), Seen()
        await seen.open(source)
        await source.write(b"stty -echo; while read n; do echo line-$n-0; done\n")
        for number in range(1, 41):
            await say(source, f"{number}\n".encode())
            await seen.when(lambda: numbers(seen.data)[-1:] == [number])  # noqa: B023
            if number % 8 == 0:
                _cut(source)
        assert numbers(seen.data) == list(range(1, 41))
        assert seen.gaps == []
        await source.close()


async def test_a_broken_terminal_line_is_mended_without_doubling(
    plain: Server, tmp_path: Path
) -> None:
    """A terminal that speaks during the breaks: all of it comes in order, or a gap says so."""
    remote = make(tmp_path, plain.url, plain.token)

    async with using(remote):
        await remote.login()
        source, seen = await remote.console(await remote.create_console()), Seen()
        await seen.open(source)
        script = "for i in $(seq 1 200); do echo line-$i-0; sleep 0.01; done; echo e''nd\n"
        await source.write(script.encode())
        for line in (b"line-15-", b"line-50-", b"line-90-"):
            await seen.until(line)
            _cut(source)
        await seen.until(b"end\r\n")
        everything = list(range(1, 201))
        # The host itself may leave out a piece (see TerminalLine._check): that is told, and made up
        # for, soon after.
        await seen.when(lambda: numbers(seen.data) == everything or seen.gaps != [])
        assert numbers(seen.data) == everything or seen.gaps
        assert set(numbers(seen.data)) == set(everything)
        await say(source, b"echo again-$((1+1))\n")
        await seen.until(b"again-2")
        await source.close()


async def test_what_the_host_leaves_out_is_a_gap(plain: Server, tmp_path: Path) -> None:
    """A websocket that came after one whose end the host has not noticed may miss a piece."""
    remote = make(tmp_path, plain.url, plain.token)

    async with using(remote):
        await remote.login()
        source, seen = await remote.console(await remote.create_console()), Seen()
        await seen.open(source)
        await source.write(b"stty -echo; echo re''ady\n")
        await seen.until(b"ready")
        left_out: list[str] = []
        dial = remote.server.dial

        async def leave_out(path: str, protocol: str | None = None, **more: int) -> Any:
            socket: Any = await dial(path, protocol, **more)
            remote.server.dial = dial  # type: ignore[method-assign]
            receive = socket.receive

            async def receive_but_one(*_: Any) -> Any:
                message = await receive()
                if not left_out and "left-out" in str(message.data):
                    left_out.append(message.data)
                    message = await receive()
                return message

            socket.receive = receive_but_one
            return socket

        remote.server.dial = leave_out  # type: ignore[method-assign]
        _cut(source)
        await say(source, b"echo before; sleep 0.3; echo left-''out; sleep 0.3; echo af''ter\n")
        await seen.until(b"after\r\n")
        assert left_out
        assert b"left-out" not in seen.data
        await seen.when(lambda: seen.gaps == [1])
        await seen.until(b"left-out\r\n")
        await seen.until(b"after\r\n", 2)
        assert seen.data.count(b"before\r\n") == 1
        await source.close()


def numbers(data: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb"line-(\d+)-\d", data)]


async def say(source: Source, data: bytes) -> None:
    """Type it, however long the line needs to be mended."""

    async def is_said() -> bool:
        with contextlib.suppress(Unavailable):
            await source.write(data)
            return True
        return False

    await until(is_said, "a new connection")


async def test_a_server_that_starts_again_has_ended_its_terminals(tmp_path: Path) -> None:
    """Its terminals are gone; a console over them ends instead of waiting for ever."""
    servers = [start_plain(tmp_path / "one")]
    remote = make(tmp_path, "http://127.0.0.1:1/", servers[0].token)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One address for both, as a proxy would give them."""
        try:
            port = servers[-1].url.rstrip("/").rpartition(":")[2]
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", int(port))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))

    try:
        async with using(remote):
            proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
            remote.fields.url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/"
            await remote.login()
            source, seen = await remote.console(await remote.create_console()), Seen()
            await seen.open(source)
            await source.write(b"echo here\n")
            await seen.until(b"here")
            os.kill(servers[0].process.pid, signal.SIGKILL)
            servers[0].process.wait()

            async def is_noticed() -> bool:
                with contextlib.suppress(Unavailable):
                    await source.write(b"echo nobody\n")
                    return False
                return True

            await until(is_noticed, "noticing that nobody is there")
            with pytest.raises(Unavailable):
                await remote.probe()
            servers.append(await asyncio.to_thread(start_plain, tmp_path / "two"))
            remote.fields.token = servers[1].token
            await remote.login()
            await seen.when(lambda: seen.exits == [Exit()])
            await source.close()
            await remote.context.outbound.close()
            proxy.close()
    finally:
        await asyncio.to_thread(servers[-1].stop)  # not on the loop that forwards its farewells


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


# -- consoles of a bridge ------------------------------------------------------------------------


async def test_a_bridges_journals_are_used(bridged: Server, tmp_path: Path) -> None:
    """History comes first, a break loses nothing, the exit status is told."""
    remote = make(tmp_path, bridged.url, bridged.token)

    async with using(remote):
        await remote.login()
        name = await remote.create_console()
        source, seen = await remote.console(name), Seen()
        await seen.open(source)
        source.resize(33, 101)
        script = (
            "stty size; for i in $(seq 1 200); do echo line-$i-x; sleep 0.01; done; echo e''nd\n"
        )
        await source.write(script.encode())
        for number in (10, 60, 120):
            await seen.until(b"line-%d-x" % number)
            _cut(source)
        await seen.until(b"end\r\n")
        await seen.until(b"33 101")
        numbers = [int(number) for number in re.findall(rb"line-(\d+)-x", seen.data)]
        assert numbers == list(range(1, 201))
        assert seen.gaps == []
        # A second reader gets the past.
        other, past = await remote.console(name), Seen()
        await past.open(other)
        await past.until(b"end\r\n")
        assert past.data == seen.data
        await other.close()
        await source.write(b"exit 7\n")
        await seen.when(lambda: seen.exits == [Exit(7)])
        # What has ended is not asked for again.
        socket = source._socket  # type: ignore[attr-defined]
        await asyncio.wait_for(asyncio.wait({socket._running}), 30)
        assert not socket.is_up
        await source.close()
        with pytest.raises(NotFound):
            await seen.open(await remote.console("no-such-console"))


# -- kernels -------------------------------------------------------------------------------------


class Heard:
    """What a kernel said."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, dict[str, Any], list[bytes]]] = []
        self.lost: list[str] = []

    def on_messages(self, channel: str, messages: list[list[bytes]]) -> None:
        for parts in messages:
            header = json.loads(parts[0])
            self.messages.append((channel, header["msg_type"], json.loads(parts[3]), parts[4:]))

    async def when(self, true: Callable[[Any], bool]) -> Any:
        return await until(
            lambda: next(filter(true, self.messages), None),
            lambda: f"it, with {self.messages[-10:]},",
        )

    @property
    def text(self) -> str:
        return "".join(c["text"] for _, kind, c, _ in self.messages if kind == "stream")


def ask(code: str, session: str = "s") -> list[bytes]:
    content = {"code": code, "silent": False, "allow_stdin": False, "stop_on_error": True}
    return kernel.build_message("execute_request", content, session)


@pytest.mark.parametrize("kind", ["plain", "bridged"])
async def test_a_kernel_there_is_spawned_and_relayed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Requests and replies, binary buffers, a broken line, interrupt, restart, shutdown."""
    server: Server = request.getfixturevalue(kind)
    remote = make(tmp_path, server.url, server.token)

    async with using(remote):
        await remote.login()
        assert "python3" in (await remote.kernelspecs())["kernelspecs"]
        model = await remote.spawn("python3")
        kernel_id = model["id"]
        assert kernel_id in [k["id"] for k in await remote.kernels()]
        line, heard = await remote.kernel(kernel_id), Heard()
        await line.open(heard.on_messages, heard.lost.append)
        line.send("shell", ask("print('out', 6 * 7)"))
        reply = await heard.when(lambda m: m[1] == "execute_reply")
        assert (reply[0], reply[2]["status"]) == ("shell", "ok")
        await heard.when(lambda m: heard.text == "out 42\n")  # by another channel: maybe later
        # Buffers pass as they are.
        line.send(
            "shell",
            ask(
                "from ipykernel.comm import Comm\n"
                "Comm(target_name='x', buffers=[bytes(range(256))])"
            ),
        )
        opened = await heard.when(lambda m: m[1] == "comm_open")
        assert opened[3] == [bytes(range(256))]
        # A break in the middle of output; what is asked meanwhile is sent later.
        before = len(heard.text)
        line.send("shell", ask("import time\nfor i in range(100): print(i); time.sleep(0.01)"))
        await heard.when(lambda m: "20\n" in heard.text[before:])
        _cut(line)
        line.send("shell", ask("print('later')"))
        await heard.when(lambda m: m[1] == "stream" and "later" in m[2]["text"])
        numbers = [int(word) for word in heard.text[before:].split() if word.isdigit()]
        assert numbers == list(range(100))
        line.send("shell", ask("import time; time.sleep(60)"))
        await heard.when(lambda m: m[1] == "execute_input" and "sleep(60)" in m[2]["code"])
        await remote.control(kernel_id, "interrupt")
        await heard.when(lambda m: m[1] == "error" and m[2]["ename"] == "KeyboardInterrupt")
        await remote.control(kernel_id, "restart")
        with pytest.raises(BadRequest):
            await remote.control(kernel_id, "explode")
        await remote.control(kernel_id, "shutdown")
        assert kernel_id not in [k["id"] for k in await remote.kernels()]
        await line.close()
        await line.close()
        with pytest.raises(NotFound):
            await (await remote.kernel(kernel_id)).open(heard.on_messages, heard.lost.append)
        with pytest.raises(Problem, match="no-such-kernelspec"):
            await remote.spawn("no-such-kernelspec")


async def test_a_bridge_spawns_with_an_environment(bridged: Server, tmp_path: Path) -> None:
    """Its spawn takes more than the plain API's."""
    remote = make(tmp_path, bridged.url, bridged.token)

    async with using(remote):
        await remote.login()
        model = await remote.spawn("python3", env={"BRIDGE_X": "canary"}, path=None)
        line, heard = await remote.kernel(model["id"]), Heard()
        await line.open(heard.on_messages, heard.lost.append)
        line.send("shell", ask("import os; print(os.environ['BRIDGE_X'])"))
        await heard.when(lambda m: m[1] == "stream" and "canary" in m[2]["text"])
        await line.close()
        await remote.control(model["id"], "shutdown")


async def test_a_plain_server_says_what_it_cannot(plain: Server, tmp_path: Path) -> None:
    """Rather than leaving the environment out."""
    remote = make(tmp_path, plain.url, plain.token)

    async with using(remote):
        await remote.login()
        with pytest.raises(Unsupported, match="env"):
            await remote.spawn("python3", env={"A": "b"})


async def test_a_kernel_that_is_gone_is_lost(plain: Server, tmp_path: Path) -> None:
    """Shut down elsewhere, the line ends with a reason, once."""
    remote = make(tmp_path, plain.url, plain.token)

    async with using(remote):
        await remote.login()
        model = await remote.spawn("python3")
        line, heard = await remote.kernel(model["id"]), Heard()
        await line.open(heard.on_messages, heard.lost.append)
        await remote.control(model["id"], "shutdown")
        _cut(line)
        await until(lambda: heard.lost, "losing the kernel")
        assert len(heard.lost) == 1
        await line.close()


async def test_a_proxy_that_drops_subprotocols_is_told(bridged: Server, tmp_path: Path) -> None:
    """Kernels work all the same; consoles say why not; the connection's model has it in words."""
    remote = make(tmp_path, "http://127.0.0.1:1/", bridged.token)
    connection = Connection("lab", remote)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = int(bridged.url.rstrip("/").rpartition(":")[2])
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)

        async def requests() -> None:
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    to_writer.write(re.sub(rb"(?i)sec-websocket-protocol:[^\r]*\r\n", b"", data))
            to_writer.close()

        await asyncio.gather(requests(), _pump(to_reader, writer))

    async with using(remote):
        proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
        remote.fields.url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/"
        await connection.login()
        assert connection.model().reason is None
        name = await remote.create_console()
        with pytest.raises(RemoteFailed, match="subprotocols"):
            await Seen().open(await remote.console(name))
        model = connection.model()
        assert model.state == "connected"
        assert "subprotocols" in str(model.reason)
        spawned = await remote.spawn("python3")
        line, heard = await remote.kernel(spawned["id"]), Heard()
        await line.open(heard.on_messages, heard.lost.append)
        line.send("shell", ask("print('out', 6 * 7)"))
        await heard.when(lambda m: m[1] == "stream" and m[2]["text"] == "out 42\n")
        await line.close()
        await remote.control(spawned["id"], "shutdown")
        await remote.server.call("DELETE", f"bridge/consoles/{name}?purge=1", NoneType)
        await remote.context.outbound.close()
        proxy.close()


async def test_a_connection_uses_it(plain: Server, tmp_path: Path) -> None:
    """Logged in on first use, and shown with what it can do."""
    remote = make(tmp_path, plain.url, plain.token)
    connection = Connection("lab", remote)

    assert connection.can == ["consoles", "kernels"]
    assert isinstance(await connection.use(HasKernels, lambda c: c.kernels()), list)
    assert connection.state == "connected"
    await connection.close()
    await remote.context.outbound.close()


def _cut(thing: Any) -> None:
    """Break the line as a network does: without a word."""
    socket = thing._socket._socket
    if socket is not None:
        socket._response.connection.transport.abort()
