"""What waits to be typed into a console is bounded, and dropped when its sender leaves."""

from __future__ import annotations

import asyncio
import weakref
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.consoles import waiting_input
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.registry import ConsoleRegistry
from jupyter_bridge.consoles.run.store import RunStore
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.models.runs import RunBody
from jupyter_bridge.problems import Busy
from tests.consoles.conftest import house, says
from tests.support.waiting import stays, until

HALF = waiting_input.MAX_WAITING // 2


class Large(bytearray):
    """Bytes of which a test sees when nobody holds them any more."""


async def stalled(consoles: ConsoleRegistry) -> Console:
    """Return a terminal whose program reads nothing, and which does not take more than 4 KiB."""
    console = await consoles.create(TerminalOptions())
    await console.write(b"stty raw -echo; echo re''ady; exec sleep 3600\n")
    await says(console, b"ready")
    return console


async def leave(writing: asyncio.Future[Any]) -> None:
    writing.cancel()
    await asyncio.wait({writing})


@pytest.mark.parametrize("ahead", [0, 1], ids=["being typed", "behind another"])
async def test_what_is_left_is_dropped(tmp_path: Path, ahead: int) -> None:
    """Input is let go as its sender leaves, whether its typing has begun or not."""
    async with house(tmp_path) as consoles:
        console = await stalled(consoles)
        others = [asyncio.ensure_future(console.write(b"x" * 1_000_000)) for _ in range(ahead)]
        data: Any = Large(b"x" * HALF)
        seen = weakref.ref(data)
        writing = asyncio.ensure_future(console.write(data))
        del data
        assert await stays(writing)
        await leave(writing)
        del writing
        await until(lambda: seen() is None, "the end of the data")
        for other in others:
            assert not other.done()
            await leave(other)


async def test_what_waits_is_bounded(tmp_path: Path) -> None:
    """More than MAX_WAITING is Busy, for all writers of the console together and for no other."""
    async with house(tmp_path) as consoles:
        console, other = await stalled(consoles), await consoles.create(TerminalOptions())
        writing = [asyncio.ensure_future(console.write(b"x" * HALF)) for _ in range(3)]
        await until(lambda: writing[2].done())
        assert isinstance(writing[2].exception(), Busy)
        with pytest.raises(Busy):
            await console.write(b"x" * HALF)
        await other.write(b"echo th''ere\n")
        await says(other, b"there")
        await leave(writing[0])
        third = asyncio.ensure_future(console.write(b"x" * (HALF - waiting_input.WRITE_COST)))
        assert await stays(third)
        for one in (writing[1], third):
            await leave(one)


async def test_many_small_ones_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write of one byte counts what its objects take."""
    monkeypatch.setattr(waiting_input, "MAX_WAITING", 2 << 20)
    async with house(tmp_path) as consoles:
        console = await stalled(consoles)
        most = waiting_input.MAX_WAITING // waiting_input.WRITE_COST
        first = asyncio.ensure_future(console.write(b"x" * 1_000_000))
        writing = [asyncio.ensure_future(console.write(b"x")) for _ in range(most)]
        await until(lambda: writing[-1].done())
        assert isinstance(writing[-1].exception(), Busy)
        for one in (first, *writing):
            await leave(one)
            assert one.cancelled() or isinstance(one.exception(), Busy)


async def test_input_of_a_run_that_has_not_begun(tmp_path: Path) -> None:
    """It counts as what waits for the console, and is dropped when its sender leaves."""
    async with house(tmp_path) as consoles:
        runs = RunStore(consoles, root_dir=tmp_path / "root", keep=60.0)
        console = await consoles.create(TerminalOptions())
        first = await runs.start("me", RunBody(command="sleep 3600", console=console.name))
        body = RunBody(command="cat", console=console.name, queue=True)
        queued = await runs.start("me", body)
        data: Any = Large(b"x" * HALF)
        seen = weakref.ref(data)
        giving = [asyncio.ensure_future(queued.send_input(data))]
        giving.append(asyncio.ensure_future(queued.send_input(b"x" * HALF)))
        del data
        await until(lambda: giving[1].done())
        assert isinstance(giving[1].exception(), Busy)
        assert await stays(giving[0])
        await leave(giving.pop(0))
        await until(lambda: seen() is None, "the end of the data")
        queued.cancel()
        first.cancel()
        await first.ended.wait()
        await runs.close()
