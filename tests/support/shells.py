"""Real shells in real terminals, for the tests of runs."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.registry import ConsoleRegistry
from jupyter_bridge.consoles.run.run import Run
from jupyter_bridge.consoles.run.store import RunStore
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.models.runs import RunBody, RunModel
from tests.consoles.conftest import house
from tests.support.waiting import PATIENCE

SHELLS = ("bash", "zsh", "fish", "dash")
# Those without a key of their own: the line is emptied in another way (`run/local/driver.py`).
LINE_SHELLS = ("dash", "ksh", "mksh", "busybox")
ALL_SHELLS = ("bash", "zsh", "fish", *LINE_SHELLS)


def needs(shell: str) -> str:
    """Return the shell's path; skips the test if it is not installed."""
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed (apt-get install {shell})")
    return path


def make_home(home: Path) -> Path:
    """Create a home folder that looks as if each shell had been started before.

    At its first start zsh asks for its configuration, and fish reads all manual pages in the
    background for a minute, if the folder for its completions is missing.
    """
    (home / ".local" / "share" / "fish" / "generated_completions").mkdir(parents=True)
    (home / ".zshrc").write_text("")
    return home


class Desk:
    """The consoles and runs of one test, with short methods for both."""

    def __init__(self, consoles: ConsoleRegistry, runs: RunStore, home: Path) -> None:
        self.consoles = consoles
        self.runs = runs
        self.home = home

    async def open(self, shell: str, *arguments: str, **env: str) -> Console:
        """Open a terminal with this shell."""
        arguments = arguments or (("sh", "-i") if shell == "busybox" else ("-i",))
        return await self.consoles.create(
            TerminalOptions(
                name=shell, shell_command=[needs(shell), *arguments], env={"TERM": "xterm", **env}
            )
        )

    async def start(self, command: str | None, console: str | None = "bash", **more: Any) -> Run:
        return await self.runs.start("me", RunBody(command, console=console, **more))

    async def run(self, command: str | None, console: str | None = "bash", **more: Any) -> RunModel:
        """Run a command when the prompt is shown, and wait for the answer."""
        more.setdefault("queue", True)
        run = await self.start(command, console, **more)
        await asyncio.wait_for(run.answered.wait(), PATIENCE)
        return run.model()

    async def ended(self, run: Run) -> RunModel:
        await self.until_ended(run)
        return run.model()

    async def until_ended(self, run: Run) -> None:
        await asyncio.wait_for(run.ended.wait(), PATIENCE)


@contextlib.asynccontextmanager
async def desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    """Consoles and runs with an empty home folder; checks at the end that nothing is left."""
    home = make_home(folder / "home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SHELL", needs("bash"))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    async with house(folder) as consoles:
        runs = RunStore(consoles, root_dir=folder / "root", keep=60)
        try:
            yield Desk(consoles, runs, home)
        finally:
            await runs.close()
    assert not list(folder.glob("jb-*")), "a run's files were left behind"


@pytest.fixture
def d(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Desk]:
    """Consoles and runs for one test."""
    opened = desk(tmp_path, monkeypatch)
    yield jp_asyncio_loop.run_until_complete(opened.__aenter__())
    jp_asyncio_loop.run_until_complete(opened.__aexit__(None, None, None))
