"""The console connector on a double of the Cray console service."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.connections.connector import Context, Expired, WrongCredentials
from jupyter_bridge.connections.connectors.cray import ConsoleFields, ConsoleService
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.problems import BadRequest, Denied, NotFound, Problem, Unavailable
from jupyter_bridge.transport import reconnect
from tests.conftest import Server
from tests.kernels.test_large_messages import TURN, turns
from tests.simulators.cray import CrayDouble
from tests.support.waiting import PATIENCE, until

LOG = logging.getLogger("test.console")


@asynccontextmanager
async def serving(
    tmp_path: Path, **fields: Any
) -> AsyncIterator[tuple[CrayDouble, ConsoleService]]:
    """A service of two nodes, and a connector to it; these fields differ."""
    async with CrayDouble(["x1000c0", "x1000c1"]) as service:
        context = Context(
            name="cray",
            outbound=Outbound(AddressPolicy(allow_loopback=True)),
            folder=tmp_path / "state",
            root_dir=tmp_path,
            log=LOG,
        )
        known = {"url": service.url + "/", "token": "good", "nodes": ["x1000c0", "x1000c1"]}
        remote = ConsoleService(ConsoleFields(**{**known, **fields}), context)
        try:
            yield service, remote
        finally:
            await context.outbound.close()
            await asyncio.sleep(0)


class Seen:
    """What a source said."""

    def __init__(self) -> None:
        self.data = b""
        self.gaps: list[int] = []
        self.exits: list[Exit] = []

    def on_output(self, data: bytes) -> None:
        self.data += data

    async def until(self, true: Callable[[], bool]) -> None:
        await until(true, lambda: f"it, with {self.data[-500:]!r}, {self.gaps}, {self.exits},")


async def opened(remote: ConsoleService, node: str = "x1000c0") -> tuple[Any, Seen]:
    source, seen = await remote.console(node), Seen()
    await source.open(seen.on_output, seen.gaps.append, seen.exits.append)
    return source, seen


def jwt(ends: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": ends}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


async def test_a_bearer_token_lets_in_or_does_not(tmp_path: Path) -> None:
    """It goes in the header, with the tenant, and comes out nowhere."""
    async with serving(tmp_path, tenant="blue") as (service, remote):
        await remote.login()
        path, headers = service.seen[-1]
        assert path.endswith("/v1/health")
        assert headers["Authorization"] == "Bearer good"
        assert headers["Cray-Tenant-Name"] == "blue"
        remote.fields.token = "canary"
        with pytest.raises(WrongCredentials) as caught:
            await remote.login()
        assert "canary" not in repr(caught.value) + repr(remote.fields)
        with pytest.raises(Expired):
            await remote.probe()
        remote.fields.token = jwt(time.time() - 10)
        asked = len(service.seen)
        with pytest.raises(Denied, match="has expired"):
            await remote.login()
        assert len(service.seen) == asked
        service.token = remote.fields.token = jwt(time.time() + 1000)
        await remote.login()
        service.dead = True
        with pytest.raises(Unavailable):
            await remote.probe()


@pytest.mark.parametrize(
    "fields",
    [
        {"nodes": ["../x"]},
        {"nodes": ["a b"]},
        {"nodes": ["a\r\nX: y"]},
        {"tenant": "a\r\nX: y"},
        {"url": "https://h/?token=x"},
    ],
)
def test_names_that_are_none_are_refused(fields: dict[str, Any]) -> None:
    """They would be paths or headers."""
    with pytest.raises(BadRequest):
        ConsoleService.check(ConsoleFields(**{"url": "https://h/", **fields}))


async def test_nodes_are_consoles(tmp_path: Path) -> None:
    """The configured ones are listed; any other name the service knows can be opened."""
    async with serving(tmp_path, nodes=["x1000c0"]) as (service, remote):
        assert [node.name for node in await remote.consoles()] == ["x1000c0"]
        service.nodes["x1000c1"].say(b"boot\n")
        source, seen = await opened(remote, "x1000c1")
        await seen.until(lambda: seen.data == b"boot\n")
        await source.close()
        with pytest.raises(NotFound, match="x9"):
            await opened(remote, "x9")
        for name in ("../health", "a/b", ""):
            with pytest.raises(NotFound):
                await remote.console(name)


async def test_characters_cut_in_two_come_whole(tmp_path: Path) -> None:
    """Text frames that are no UTF-8 on their own give the bytes of the log, and so do others."""
    said = "grün ☃ 日本語\r\n".encode() * 50 + bytes(range(256))

    async with serving(tmp_path) as (service, remote):
        node = service.nodes["x1000c0"]
        node.say(said)
        source, seen = await opened(remote)
        await seen.until(lambda: len(seen.data) >= len(said))
        node.say(said)
        await seen.until(lambda: len(seen.data) >= 2 * len(said))
        assert seen.data == said + said
        assert seen.gaps == []
        await source.close()
        await source.close()


async def test_what_is_typed_goes_line_by_line(tmp_path: Path) -> None:
    """The service adds the newlines; the echo is seen once; who only looks takes no seat."""
    async with serving(tmp_path) as (service, remote):
        node = service.nodes["x1000c0"]
        source, seen = await opened(remote)
        node.say(b"login: ")
        await seen.until(lambda: seen.data == b"login: ")
        assert node.sessions == 0
        for typed in (b"ro", b"ot\n", b"a\r", b"b\r\nc\n", "grü".encode()[:-1], b"\xbc\n"):
            await source.write(typed)
        await source.write(b"\x03")
        await source.write(b"\n")
        await seen.until(lambda: len(node.typed) == 7)
        assert node.typed == ["root\n", "a\n", "b\n", "c\n", "grü\n", "\x03\n", "\n"]
        await seen.until(lambda: b"\x03" in seen.data)
        assert seen.data.count(b"root") == 1
        assert b"ConMan" not in seen.data
        assert node.sessions == 1
        # A seat that broke is taken again.
        service.cut()
        await seen.until(lambda: node.sessions == 0)
        await source.write(b"again\n")
        await seen.until(lambda: b"again" in seen.data)
        assert seen.data.count(b"again") == 1
        await source.close()
        await seen.until(lambda: node.sessions == 0)


@pytest.mark.parametrize(
    ("typed", "lines"),
    [
        (b"\n" * 30_000, 30_000),
        (b"y\r\n" * 20_000, 20_000),
        (b"\x03" * 30_000, 30_000),
        (b"x" * 4096 * 500 + b"\n", 486),  # the last one has the newline
        (("ab" * 20_000 + "\n").encode() * 50, 50),
    ],
    ids=["newlines", "lines", "controls", "no newline", "long lines"],
)
async def test_much_is_typed_in_turns(tmp_path: Path, typed: bytes, lines: int) -> None:
    """However many lines it is: a line never yielded to the loop, 3 s for 200 kB of newlines."""
    async with serving(tmp_path) as (service, remote):
        service.typed_in_turns = 0
        source, seen = await opened(remote)
        async with turns() as found:
            await source.write(typed)
        assert max(found) < TURN, sorted(found)[-3:]
        await seen.until(lambda: service.typed_in_turns == lines)
        await source.close()


async def test_a_service_that_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typing fails after a time, and again; neither it nor closing waits for ever."""
    monkeypatch.setattr(reconnect, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(reconnect, "SLOWEST", 1 << 40)
    async with serving(tmp_path) as (service, remote):
        service.deaf = True
        source, _ = await opened(remote)
        for _ in range(2):
            with pytest.raises(Unavailable, match="x1000c0: The remote does not read"):
                await within(PATIENCE, source.write(b"y" * 4000 * 4000 + b"\n"))
        await within(PATIENCE, source.close())


async def test_a_break_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """What was said meanwhile comes once, in order."""
    async with serving(tmp_path) as (service, remote):
        node = service.nodes["x1000c0"]
        whole = b""
        source, seen = await opened(remote)
        for number in range(200):
            line = f"[{number}] the node says something {number * 7919}\n".encode()
            node.say(line)
            whole += line
            if number in (50, 51, 120):
                service.cut()
            await asyncio.sleep(0.002)
        await seen.until(lambda: len(seen.data) >= len(whole))
        assert seen.data == whole
        assert seen.gaps == []
        await source.close()


async def test_a_rotated_log_is_told_as_a_gap(tmp_path: Path) -> None:
    """Where what is told again does not go on from what is known."""
    async with serving(tmp_path) as (service, remote):
        node = service.nodes["x1000c0"]
        node.say(b"the old log, long enough to be recognized\n")
        source, seen = await opened(remote)
        await seen.until(lambda: seen.data.endswith(b"\n"))
        service.cut()
        node.rotate()
        node.say(b"the new log\n")
        await seen.until(lambda: seen.data.endswith(b"the new log\n"))
        assert seen.gaps == [1]
        await source.close()


async def test_a_service_that_is_away_is_found_again(tmp_path: Path) -> None:
    """Typing says so meanwhile; a node that has gone ends its console."""
    async with serving(tmp_path) as (service, remote):
        node = service.nodes["x1000c0"]
        source, seen = await opened(remote)
        service.dead = True
        service.cut()
        with pytest.raises(Problem, match="refused"):
            await source.write(b"x\n")
        asked = len(service.seen)
        await until(lambda: len(service.seen) > asked + 2, "asking again")
        service.dead = False
        node.say(b"back\n")
        await seen.until(lambda: seen.data == b"back\n")
        del service.nodes["x1000c0"]
        service.cut()
        await seen.until(lambda: seen.exits == [Exit()])
        await source.close()


async def test_a_foreign_tenants_node_is_denied(tmp_path: Path) -> None:
    """As the service says."""
    async with serving(tmp_path, tenant="red") as (_, remote):
        await remote.login()
        with pytest.raises(Denied):
            await opened(remote)


async def test_another_bridge_is_a_console_service_too(
    bridge_server: Server, tmp_path: Path
) -> None:
    """Its /bridge/tail and /bridge/interact take the same headers and lines."""
    async with serving(tmp_path) as (_, remote):
        remote.fields.url = f"{bridge_server.url}bridge/"
        remote.fields.token = bridge_server.token
        await remote.login()
        made = await remote.context.outbound.ask(
            "POST",
            f"{bridge_server.url}bridge/consoles",
            headers={**remote.headers(), "Content-Type": "application/json"},
            body=b"{}",
        )
        name = json.loads(made.body)["name"]
        source, seen = await opened(remote, name)
        await source.write("echo grün-$((6*7))\n".encode())
        await seen.until(lambda: "grün-42".encode() in seen.data)
        await source.write(b"exit\n")
        await source.close()
        remote.fields.token = "wrong"
        with pytest.raises(WrongCredentials):
            await remote.login()
