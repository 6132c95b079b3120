"""Consoles that are open only while somebody looks: how many, how long, and what each costs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from jupyter_bridge.consoles.console import Console, Viewer
from jupyter_bridge.consoles.registry import ConsoleRegistry
from jupyter_bridge.consoles.sources.file import FileSource
from jupyter_bridge.consoles.tail.view import View
from jupyter_bridge.consoles.unused import CLAIM_SECONDS, MAX_UNUSED
from jupyter_bridge.problems import Busy
from tests.conftest import start_server
from tests.consoles.conftest import house
from tests.simulators.cray import CrayDouble
from tests.support.joined import NEAR, caller
from tests.support.waiting import pass_time, settle, until

MANY = 3 * MAX_UNUSED


@asynccontextmanager
async def files(folder: Path, count: int = MANY) -> AsyncIterator[ConsoleRegistry]:
    """Consoles, and so many files below their root."""
    async with house(folder) as consoles:
        for number in range(count):
            (folder / "root" / str(number)).write_text(f"line {number}\n")
        yield consoles


async def read(console: Console, **how: Any) -> bytes:
    """Look at a console once, as a GET of its tail does."""
    viewer = Viewer("a", "watch", lambda: None)
    console.enter(viewer)
    try:
        steps = View(console, 0, follow=False, **how).steps()
        return b"".join([step.data async for step in steps])  # type: ignore[union-attr]
    finally:
        console.leave(viewer)


async def test_many_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    """So many stay open, those that were read last; none has a watcher, and threads end."""
    process = psutil.Process()
    async with files(tmp_path) as consoles:
        descriptors, threads = process.num_fds(), threading.active_count()
        for number in range(MANY):
            assert await read(await consoles.open(f"file:{number}")) == b"line %d\n" % number
        assert [one.name for one in consoles] == [
            f"file:{number}" for number in range(MANY - MAX_UNUSED, MANY)
        ]
        await until(lambda: process.num_fds() <= descriptors + MAX_UNUSED + 5, "closing")
        await until(lambda: threading.active_count() <= threads + 5, "idle threads' end")


async def test_many_files_are_opened_at_once(tmp_path: Path) -> None:
    """None is closed before it was looked at: so many are opened, and the others are told."""
    async with files(tmp_path) as consoles:
        opening = (consoles.open(f"file:{number}") for number in range(MANY))
        found = await asyncio.gather(*opening, return_exceptions=True)
        opened = [one for one in found if isinstance(one, Console)]
        assert len(opened) == MAX_UNUSED
        assert [one.state for one in opened] == ["live"] * MAX_UNUSED
        assert all(isinstance(one, (Console, Busy)) for one in found)
        # Whoever has opened one and never looks at it keeps it for a moment only.
        await pass_time(CLAIM_SECONDS + 1)
        names = {one.name for one in opened}
        other = next(number for number in range(MANY) if f"file:{number}" not in names)
        assert await read(await consoles.open(f"file:{other}"))


async def test_what_is_looked_at_stays(tmp_path: Path) -> None:
    """However many others are read, and whoever looks again counts from then."""
    async with files(tmp_path) as consoles:
        viewed, again = await consoles.open("file:0"), await consoles.open("file:1")
        viewed.enter(Viewer("a", "watch", lambda: None))
        for number in range(2, MANY):
            await read(await consoles.open(f"file:{number}"))
            assert await read(await consoles.open("file:1"))
        assert (viewed.state, again.state) == ("live", "live")


async def test_a_file_is_watched_while_somebody_waits(tmp_path: Path) -> None:
    """Not for a tail that ends at the present; and who comes later finds what was written."""
    async with files(tmp_path, 1) as consoles:
        console = await consoles.open("file:0")
        source = console.source
        assert isinstance(source, FileSource)
        assert await read(console) == b"line 0\n"
        assert source._tasks == []

        got: list[bytes] = []

        async def follow() -> None:
            viewer = Viewer("a", "watch", lambda: None)
            console.enter(viewer)
            try:
                async for step in View(console, 0, follow=True).steps():
                    got.append(step.data)  # type: ignore[union-attr]
            finally:
                console.leave(viewer)

        for text in ("more", "and more"):  # each follows it anew
            following = asyncio.create_task(follow())
            await until(lambda: source._tasks, "watching")
            with (tmp_path / "root" / "0").open("a") as file:
                file.write(text)
            await until(lambda: b"".join(got).endswith(text.encode()), "what was written")  # noqa: B023
            following.cancel()
            await asyncio.wait({following})
            assert source._tasks == []
        await settle()
        with (tmp_path / "root" / "0").open("a") as file:
            file.write(" later")
        assert await consoles.open("file:0") is console
        assert await read(console) == b"line 0\nmoreand more later"


async def test_one_leaves_as_another_comes(tmp_path: Path) -> None:
    """A file is watched for the one that stays, whatever the order."""
    async with files(tmp_path, 1) as consoles:
        console = await consoles.open("file:0")
        first, second = (Viewer(name, "watch", lambda: None) for name in "ab")
        console.enter(first)
        waiting = asyncio.create_task(console.wait(console.end_offset))
        await settle()
        console.leave(first)
        waiting.cancel()
        console.enter(second)
        waiting = asyncio.create_task(console.wait(console.end_offset))
        await settle()
        (tmp_path / "root" / "0").write_text("line 0\nmore")
        await until(waiting.done, "what was written")


async def test_many_consoles_of_connections(tmp_path: Path) -> None:
    """They stay open and recorded: one more is refused, until there is room."""
    config = tmp_path / "config" / "jupyter_server_config.py"
    config.parent.mkdir()
    config.write_text("from jupyter_bridge.consoles import registry\nregistry.MAX_REMOTE = 3\n")
    names = [f"x{number}" for number in range(6)]
    server = start_server(tmp_path, NEAR)
    try:
        async with CrayDouble(names) as service, caller(server) as here:
            await here.connect("cray", service.url, "good", kind="console", nodes=names)

            async def tails() -> list[int]:
                asked = (here.ask("GET", f"bridge/tail/cray:{name}") for name in names)
                return [status for status, _ in await asyncio.gather(*asked)]

            assert sorted(await tails()) == [200] * 3 + [409] * 3
            assert sorted(await tails()) == [200] * 3 + [409] * 3, "the same are open"
            assert await here.get("bridge/consoles?conn=cray")
            await here.ask("DELETE", "bridge/conn/cray")
            await here.connect("cray", service.url, "good", kind="console", nodes=names[3:])
            for name in names[3:]:
                await here.get(f"bridge/tail/cray:{name}")
    finally:
        server.stop()
