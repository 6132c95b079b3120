"""consoles/run/bridge.py: a run on another bridge ends here, whatever that reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.command import (
    Command,
    RemoteBegan,
    RemoteDone,
    RemoteEvent,
    RemoteOutput,
)
from jupyter_bridge.consoles.run import bridge
from jupyter_bridge.consoles.run.store import RunStore
from jupyter_bridge.models.runs import RunBody, RunModel
from jupyter_bridge.problems import Unavailable
from tests.consoles.conftest import house
from tests.consoles.journal.test_archive import Remotes, Talk
from tests.support.waiting import until


class Reports(Command):
    """A remote that reports these events, and then nothing more."""

    def __init__(self, events: list[RemoteEvent], *, stops: bool = True) -> None:
        self.reported = events
        self.stops = stops
        self.stopped = 0
        self.closed = False

    async def events(self) -> AsyncIterator[RemoteEvent]:
        try:
            for event in self.reported:
                yield event
            await asyncio.Event().wait()
        finally:
            self.closed = True

    async def stop(self) -> None:
        self.stopped += 1
        if not self.stops:
            raise Unavailable("no")

    async def send_input(self, data: bytes) -> None:
        raise AssertionError

    async def send_stdin(self, data: bytes, offset: int, *, end: bool) -> int:
        raise AssertionError


class Node(Talk):
    types_runs = False
    offset_there = 0

    def __init__(self, command: Command) -> None:
        super().__init__()
        self._command = command

    async def command(self, ask: dict[str, Any]) -> Command:
        return self._command


class Nodes(Remotes):
    def __init__(self, command: Command) -> None:
        self.command = command

    async def source(self, name: object) -> Node:
        return Node(self.command)


async def run_there(command: Command, folder: Path, *, cancel: bool) -> RunModel:
    """Run a command on a remote node; it is stopped by its timeout, or cancelled."""
    async with house(folder, remotes=Nodes(command)) as consoles:
        runs = RunStore(consoles, root_dir=folder, keep=60.0)
        body = RunBody("x", console="far:node", queue=True, timeout=None if cancel else 0.01)
        run = await runs.start("u", body)
        if cancel:
            await until(lambda: run._at_work)
            run.cancel()
        await until(run.ended.is_set)
        model = run.model()
        await runs.close()
        return model


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOP_SECONDS", "END_SECONDS"):
        monkeypatch.setattr(bridge, name, 0.2)
    monkeypatch.setattr(bridge, "STOP_AGAIN", 0.02)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("stops", [True, False], ids=["stops", "cannot be stopped"])
@pytest.mark.parametrize(
    ("events", "cancel", "status"),
    [
        ([RemoteBegan(), RemoteOutput("hello")], False, "timeout"),
        ([RemoteBegan(), RemoteOutput("hello")], True, "cancelled"),
        ([], True, "cancelled"),
    ],
    ids=["timeout", "cancel", "cancel before it begins"],
)
async def test_a_remote_that_reports_no_end(
    events: list[RemoteEvent], cancel: bool, status: str, stops: bool, tmp_path: Path
) -> None:
    """The run ends some seconds after its stop, with its output so far; nothing is left."""
    command = Reports(events, stops=stops)
    model = await run_there(command, tmp_path, cancel=cancel)
    assert model.status == status
    assert model.output == ("hello" if events else "")
    assert command.stopped >= 1
    await until(lambda: command.closed)


@pytest.mark.parametrize("offset", [0, 5, 2**53 - 1])
async def test_offsets_that_our_console_never_had(
    offset: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are ours or none: at most the end of our console."""
    monkeypatch.setattr(bridge, "CATCH_UP", 0.1)
    done = RemoteDone("done", exit_code=3, start_offset=offset, end_offset=offset)
    command = Reports([RemoteBegan(), RemoteOutput("x"), done])
    async with house(tmp_path, remotes=Nodes(command)) as consoles:
        runs = RunStore(consoles, root_dir=tmp_path, keep=60.0)
        run = await runs.start("u", RunBody("x", console="far:node"))
        await until(lambda: run._offsets[1] is not None)
        model = run.model()
        assert model.exit_code == 3
        assert model.end_offset == 0
        assert model.start_offset == 0
        await runs.close()
