"""Every question of every connector, against every hostile answer: refused, quick, bounded."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from jupyter_bridge.connections.connector import Connector, Context, to_fields
from jupyter_bridge.connections.connectors.cray import ConsoleService
from jupyter_bridge.connections.connectors.jupyter.connector import JupyterServer
from jupyter_bridge.connections.connectors.jupyter.hub import Hub
from jupyter_bridge.connections.connectors.openbis.connector import OpenBis
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.roles import NewDataset, Span
from jupyter_bridge.models.datasets import File
from jupyter_bridge.problems import Problem, RemoteFailed, Timeout, Unavailable
from tests.simulators.hostile_remote import ALL, BODIES, ENDLESS, Hostile, hostile, worst_tick
from tests.simulators.openbis.client import MemorySink

# No answer of these may cost more memory (bytes), bytes read, or time of the loop (seconds).
MOST_MEMORY = 64 << 20
MOST_READ = 48 << 20
MOST_TICK = 0.5

# Answers of which little comes, for ever: only a deadline ends them.
UNFINISHED = ("bytes without end", "heads without end")

Ask = Callable[[Any, str], Awaitable[Any]]


def _jupyter(one: JupyterServer, url: str, *bridge: str) -> JupyterServer:
    one.server.base, one.server.bridge = f"{url}/", frozenset(bridge)
    return one


def _hub(one: JupyterServer, url: str) -> Hub:
    return Hub(f"{url}/hub/", one.server)


def _openbis(one: OpenBis, url: str, version: tuple[int, int] = (3, 7)) -> OpenBis:
    one._api.token, one._api._store, one._api.version = "token", url, version
    return one


async def _run_there(one: JupyterServer, url: str) -> None:
    run = await _jupyter(one, url, "consoles").command("1", {"command": "true"})
    async for _ in run.events():
        pass


async def _progress(one: JupyterServer, url: str) -> None:
    # A hostile stream that tells nothing ends without a word, and is asked for again: once here.
    await _hub(one, url)._follow(f"{url}/progress", lambda percent, message: None)


NEW = NewDataset("/A/B/C", [File("x", 1)], "RAW_DATA")
SPANS = [Span("x", 0, 1)]
FIELDS: dict[type[Connector[Any]], dict[str, Any]] = {
    JupyterServer: {"token": "token"},
    OpenBis: {"username": "ada", "password": "a-password"},
    ConsoleService: {"token": "token", "nodes": ["n1"]},
}
QUESTIONS: dict[str, tuple[type[Connector[Any]], Ask]] = {
    "jupyter login": (JupyterServer, lambda c, url: c.login()),
    "jupyter probe": (JupyterServer, lambda c, url: _jupyter(c, url).probe()),
    "jupyter terminals": (JupyterServer, lambda c, url: _jupyter(c, url).consoles()),
    "bridge consoles": (JupyterServer, lambda c, url: _jupyter(c, url, "consoles").consoles()),
    "jupyter new terminal": (JupyterServer, lambda c, url: _jupyter(c, url).create_console()),
    "bridge new console": (
        JupyterServer,
        lambda c, url: _jupyter(c, url, "consoles").create_console(name="x"),
    ),
    "jupyter kernels": (JupyterServer, lambda c, url: _jupyter(c, url).kernels()),
    "jupyter kernelspecs": (JupyterServer, lambda c, url: _jupyter(c, url).kernelspecs()),
    "jupyter spawn": (JupyterServer, lambda c, url: _jupyter(c, url).spawn("python3")),
    "bridge spawn": (JupyterServer, lambda c, url: _jupyter(c, url, "kernels").spawn("python3")),
    "jupyter interrupt": (JupyterServer, lambda c, url: _jupyter(c, url).control("k", "interrupt")),
    "bridge run": (JupyterServer, _run_there),
    "hub user": (JupyterServer, lambda c, url: _hub(c, url).user()),
    "hub servers": (JupyterServer, lambda c, url: _hub(c, url).server("ada", "")),
    "hub progress": (JupyterServer, _progress),
    "openbis login": (OpenBis, lambda c, url: c.login()),
    "openbis server": (OpenBis, lambda c, url: c._api.enter("token")),
    "openbis probe": (OpenBis, lambda c, url: _openbis(c, url).probe()),
    "openbis spaces": (OpenBis, lambda c, url: _openbis(c, url).browse("")),
    "openbis projects": (OpenBis, lambda c, url: _openbis(c, url).browse("A")),
    "openbis samples": (OpenBis, lambda c, url: _openbis(c, url).browse("A/B")),
    "openbis data sets": (OpenBis, lambda c, url: _openbis(c, url).browse("A/B/C")),
    "openbis types": (OpenBis, lambda c, url: _openbis(c, url).dataset_types()),
    "openbis data set": (OpenBis, lambda c, url: _openbis(c, url).dataset("1-2")),
    "openbis files": (OpenBis, lambda c, url: _openbis(c, url)._files(url, "1-2")),
    "openbis token": (OpenBis, lambda c, url: _openbis(c, url)._mint()),
    "openbis old token": (OpenBis, lambda c, url: _openbis(c, url)._keep_token("$pat-x", "ada")),
    "openbis object": (OpenBis, lambda c, url: _openbis(c, url).check_object("/A/B/C")),
    "openbis download": (
        OpenBis,
        lambda c, url: _fetch(_openbis(c, url), url),
    ),
    "openbis session": (OpenBis, lambda c, url: _session(_openbis(c, url), url)),
    "openbis commit": (OpenBis, lambda c, url: _openbis(c, url)._uploads._register_old(
        _upload(), NEW, None, None)),
    "openbis stores": (OpenBis, lambda c, url: _stores(c)),
    "console health": (ConsoleService, lambda c, url: c.probe()),
}  # fmt: skip
# Questions whose answer is not read into anything: what it says changes nothing.
STREAMS = {"hub progress", "bridge run"}
# One event of a run may hold all its output, 64 MiB.
LARGE = {"bridge run"}
# What stands in fields that nobody looks at is skipped, however deep it is.
SKIPPED = {"objects 900 deep", "a number of 5,000 digits", "no UTF-8", "nothing"}
UNREAD = {"jupyter probe", "jupyter interrupt", "console health", "hub progress"}


def _upload() -> Any:
    from jupyter_bridge.connections.connectors.openbis.upload import WorkspaceUpload

    return WorkspaceUpload("folder", False, "mark")


async def _stores(one: OpenBis) -> str:
    one._api.token = "token"
    return await one._api.store()


async def _fetch(one: OpenBis, url: str) -> None:
    one._last = ("1-2", url, {"x": 1})
    await one.fetch("1-2", SPANS, MemorySink())


async def _session(one: OpenBis, url: str) -> None:
    """The file server's own answer, behind an honest one of the data store server."""
    from jupyter_bridge.connections.connectors.openbis.download import FastDownload
    from jupyter_bridge.wire.openbis import fast_download

    download = FastDownload(one._api, url, "1-2", {"x": SPANS}, {"x": 1}, MemorySink())
    download._url = f"{url}/files"
    try:
        fast_download.parse_session(await download._ask("startDownloadSession"))
    except ValueError as error:
        raise await download._failed(error) from None


def make(kind: type[Connector[Any]], url: str, folder: Path) -> Connector[Any]:
    outbound = Outbound(AddressPolicy(allow_loopback=True))
    context = Context("far", outbound, folder, folder, logging.getLogger("test"))
    fields = to_fields(kind, {"url": url, **FIELDS[kind]})
    return kind(fields, context)


@pytest.fixture
def deadline(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`deadline(seconds)`: no question waits longer for its answer."""
    ask = Outbound.ask

    def set_deadline(seconds: float) -> None:
        async def soon(self: Outbound, *args: Any, **more: Any) -> Any:
            return await ask(self, *args, **{**more, "timeout": seconds})

        monkeypatch.setattr(Outbound, "ask", soon)
        monkeypatch.setattr("jupyter_bridge.connections.net.outbound.HEAD_SECONDS", seconds)

    return set_deadline


async def attack(name: str, how: str, url: str, remote: Hostile, folder: Path) -> Problem | None:
    """What comes of one question against one answer."""
    kind, question = QUESTIONS[name]
    connector = make(kind, url, folder)
    remote.how = how
    problem: Problem | None = None

    async def work() -> None:
        nonlocal problem
        try:
            with anyio.fail_after(0.5 if name in STREAMS and how == "bytes without end" else 30):
                await question(connector, url)
        except Problem as error:
            problem = error
        except TimeoutError:
            assert (name in STREAMS, how) == (True, "bytes without end")
            problem = Timeout("The caller of a stream has the deadline.")

    tick = await worst_tick(work)
    await connector.close()
    await connector.context.outbound.close()
    assert tick < MOST_TICK, f"{name} x {how}: {tick:.2f} s"
    return problem


@pytest.mark.parametrize("name", QUESTIONS)
async def test_every_question_survives_every_answer(
    name: str, deadline: Callable[[float], None], tmp_path: Path
) -> None:
    """Each ends as a Problem of the remote's, within bounds of time, memory and bytes."""
    async with hostile() as (remote, url):
        process = psutil.Process()
        more = 96 << 20 if name in LARGE else 0
        before = process.memory_info().rss
        for how in ALL:
            deadline(0.3 if how in UNFINISHED else 10.0)
            problem = await attack(name, how, url, remote, tmp_path)
            where = f"{name} x {how}: {problem!r}"
            if how in ENDLESS:
                expected: tuple[type[Problem], ...] = (RemoteFailed, Timeout)
            elif how in BODIES:
                expected = (RemoteFailed,)
            else:
                expected = (RemoteFailed, Unavailable, Timeout)
            if how not in SKIPPED and not (problem is None and name in UNREAD):
                assert isinstance(problem, expected), where
            assert len(problem.message if problem else "") < 1000, where
            assert remote.sent < MOST_READ + more, where
            remote.sent = 0
            assert process.memory_info().rss - before < MOST_MEMORY + more, where
