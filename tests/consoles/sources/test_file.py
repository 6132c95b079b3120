import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jupyter_bridge.consoles.console import Console, Viewer
from jupyter_bridge.consoles.sources.file import FileSource
from jupyter_bridge.consoles.sources.file_log import FileLog, FilePlace
from jupyter_bridge.consoles.tail.query import TailQuery, TailRequest
from jupyter_bridge.consoles.tail.view import View
from jupyter_bridge.problems import NotFound, Unsupported
from jupyter_bridge.wire.console import GapFrame, OutputFrame
from tests.consoles.conftest import house
from tests.support.waiting import PATIENCE, pass_time, until


@asynccontextmanager
async def followed(
    path: Path, root: Path | None = None
) -> AsyncIterator[tuple[FileLog, list[bytes | GapFrame]]]:
    """A file's log, and what a viewer that follows it from its beginning has got so far."""
    root = root or path.parent
    source = await FileSource.find(root, str(path.relative_to(root)), allow_hidden=False)
    console = Console(f"file:{path.name}", "file", source.log, source)
    await console.open()
    got: list[bytes | GapFrame] = []

    async def follow() -> None:
        async for step in View(console, 0, follow=True).steps():
            if isinstance(step, OutputFrame) and got and isinstance(got[-1], bytes):
                got[-1] += step.data
            elif isinstance(step, OutputFrame):
                got.append(step.data)
            elif isinstance(step, GapFrame):
                got.append(step)

    task = asyncio.ensure_future(follow())
    try:
        yield source.log, got
    finally:
        task.cancel()
        await asyncio.wait({task})
        await source.close()


async def test_what_is_appended_comes(tmp_path: Path) -> None:
    """A writer appends, the viewer has it; what was there before came first."""
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    async with followed(path) as (log, got):
        with path.open("ab") as file:
            for i in range(100):
                file.write(b"%d\n" % i)
                file.flush()
        expected = b"before\n" + b"".join(b"%d\n" % i for i in range(100))
        await until(lambda: got == [expected])
        assert log.end_offset == len(expected)


async def test_a_rotated_file_goes_on_without_loss(tmp_path: Path) -> None:
    """Renamed and begun anew, again and again: offsets go on, nothing is lost or repeated."""
    path = tmp_path / "log"
    path.write_bytes(b"")
    async with followed(path) as (log, got):
        expected = b""
        for i in range(30):
            with path.open("ab") as file:
                file.write(b"%d\n" % i * 100)
                expected += b"%d\n" % i * 100
            path.rename(tmp_path / f"log.{i}")
            path.write_bytes(b"new %d\n" % i)
            expected += b"new %d\n" % i
            size = len(expected)
            await until(lambda: log.end_offset == size)  # noqa: B023
        await until(lambda: got == [expected])


async def test_a_truncated_file_is_a_gap(tmp_path: Path) -> None:
    """What was there is gone; the viewer is told, and has what is written then."""
    path = tmp_path / "log"
    path.write_bytes(b"old text\n")
    async with followed(path) as (log, got):
        await until(lambda: got == [b"old text\n"])
        os.truncate(path, 0)
        await until(lambda: log.end_offset > 9)
        with path.open("ab") as file:
            file.write(b"new\n")
        await until(lambda: len(got) == 3)
        assert got == [b"old text\n", GapFrame(9, 10), b"new\n"]


async def test_a_deleted_file_is_waited_for(tmp_path: Path) -> None:
    """Like tail -F: the file that comes back under the name goes on."""
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    async with followed(path) as (log, got):
        await until(lambda: got == [b"one\n"])
        path.unlink()
        assert not log.refresh()
        path.write_bytes(b"two\n")
        await until(lambda: got == [b"one\ntwo\n"])


async def test_a_replacement_that_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A FIFO or a link put into the file's place stalls nobody and is not followed."""
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    async with followed(path) as (log, got):
        await until(lambda: got == [b"one\n"])
        path.unlink()
        os.mkfifo(path)
        assert not log.refresh()
        path.unlink()
        path.symlink_to("/etc/passwd")
        assert not log.refresh()
        path.unlink()
        path.write_bytes(b"two\n")
        await until(lambda: got == [b"one\ntwo\n"])


async def test_the_last_lines_of_a_huge_file_come_at_once(tmp_path: Path) -> None:
    """Two gigabytes (sparse) before them do not matter; no newline at all is cut at a mebibyte."""
    path = tmp_path / "log"
    with path.open("wb") as file:
        file.seek(2 << 30)
        file.write(b"".join(b"\n%06d" % i for i in range(2000)))
    log = FileLog(FilePlace(tmp_path, path.name))
    start = log.tail(1000)
    assert log.read(start, 7) == b"001000\n"
    log.close()
    with path.open("wb") as file:
        file.truncate(200_000_000)
    log = FileLog(FilePlace(tmp_path, path.name))
    assert log.end_offset - log.tail(10) == 1024 * 1024
    log.close()
    assert log.read(0, 10) == b""


async def test_a_file_console_closes_when_nobody_looks(tmp_path: Path) -> None:
    """It is opened by its name, shared while it is, and gone after the last viewer."""
    async with house(tmp_path, linger=60) as consoles:
        (tmp_path / "root" / "log").write_text("hello\n")
        console, same = await asyncio.gather(consoles.open("file:log"), consoles.open("file:log"))
        assert same is console
        viewer = Viewer("a", "watch", lambda: None)
        console.enter(viewer)
        await pass_time(61)
        assert consoles.get("file:log") is console
        assert await TailRequest(TailQuery(), lines=1).start(console) == 0
        with pytest.raises(Unsupported):
            await console.write(b"x")
        console.leave(viewer)
        await pass_time(61)
        await until(lambda: console.state == "ended")
        with pytest.raises(NotFound):
            consoles.get("file:log")
        assert await consoles.open("file:log") is not console


async def test_a_view_ends_at_the_present_unless_it_follows(tmp_path: Path) -> None:
    """Without follow the answer ends, although the file is not at its end for good."""
    path = tmp_path / "log"
    path.write_bytes(b"x" * 200_000)
    log = FileLog(FilePlace(tmp_path, path.name))
    console = Console("file:log", "file", log, FileSource(log, "log"))

    async def collect() -> int:
        size = 0
        async for step in View(console, 0, follow=False).steps():
            assert isinstance(step, OutputFrame)
            size += len(step.data)
        return size

    assert await asyncio.wait_for(collect(), PATIENCE) == 200_000
    log.close()
