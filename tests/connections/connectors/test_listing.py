"""The bounds of listings, and the dates in them."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asyncssh import FILEXFER_TYPE_DIRECTORY, FILEXFER_TYPE_REGULAR

from jupyter_bridge.connections import listing
from jupyter_bridge.connections.connector import Context
from jupyter_bridge.connections.connectors.folder import Folder, FolderFields
from jupyter_bridge.connections.connectors.openbis.lists import _date
from jupyter_bridge.connections.connectors.ssh.session import SftpSession, _item
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.problems import Busy, Problem, RemoteFailed, TooLarge
from jupyter_bridge.wire.times import from_epoch, read_iso
from tests.support.waiting import PATIENCE

SEGMENT = "d" * 250


@asynccontextmanager
async def folder_in(tmp_path: Path) -> AsyncIterator[Folder]:
    """A folder connection on an empty folder of the server."""
    (tmp_path / "store").mkdir()
    log = logging.getLogger("folder")
    context = Context("store", Outbound(AddressPolicy()), tmp_path / "state", tmp_path, log)
    one = Folder(FolderFields(url=str(tmp_path / "store")), context)
    try:
        yield one
    finally:
        await one.close()
        await context.outbound.close()


class Deep:
    """Stands in for asyncssh's client: short names at the end of 15 long ones."""

    def __init__(self, width: int) -> None:
        self.given = 0
        self._width = width

    async def scandir(self, path: str) -> AsyncIterator[Any]:
        levels = path.count(SEGMENT)
        names = [SEGMENT] if levels < 15 else map(str, range(self._width))
        kind = FILEXFER_TYPE_DIRECTORY if levels < 15 else FILEXFER_TYPE_REGULAR
        for name in names:
            self.given += 1
            attributes = SimpleNamespace(type=kind, size=1, mtime=0)
            yield SimpleNamespace(filename=name, longname="", attrs=attributes)


class Wide(Deep):
    """The same in each of many folders, so that no folder alone is too large."""

    async def scandir(self, path: str) -> AsyncIterator[Any]:
        levels = path.count("/d")
        names = [f"d{number}" for number in range(1000)] if levels < 1 else map(str, range(2000))
        kind = FILEXFER_TYPE_DIRECTORY if levels < 1 else FILEXFER_TYPE_REGULAR
        for name in names:
            self.given += 1
            attributes = SimpleNamespace(type=kind, size=1, mtime=0)
            yield SimpleNamespace(filename=name, longname="", attrs=attributes)


@pytest.mark.parametrize(("server", "most"), [(Deep, 10_000), (Wide, 70_000)])
async def test_a_tree_is_measured_by_its_paths(
    monkeypatch: pytest.MonkeyPatch, server: Callable[[int], Deep], most: int
) -> None:
    """And not by its names, of which 60,000 gave 227 MB of JSON; as soon as it is too much."""
    monkeypatch.setattr(listing, "MAX_FILES", 50_000)
    names = server(60_000)
    session = SftpSession(SimpleNamespace(), names, "/")  # type: ignore[arg-type]
    with pytest.raises(RemoteFailed, match="too many"):
        await session.walk("/")
    assert names.given < most


async def test_a_folder_is_measured_by_its_paths() -> None:
    """As a tree is."""
    names = Deep(60_000)
    session = SftpSession(SimpleNamespace(), names, "/")  # type: ignore[arg-type]
    with pytest.raises(RemoteFailed, match="too many"):
        await session.items("/".join([SEGMENT] * 15))
    assert names.given < 10_000


@pytest.mark.parametrize(
    ("limit", "at"),
    [("MAX_ENTRIES", 99), ("MAX_NAMES", 99 * 4 + 3), ("MAX_FILES", 99), ("MAX_NAMES_BELOW", 199)],
)
async def test_a_folder_of_this_host_has_the_same_bounds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, at: int
) -> None:
    """One entry, or byte, more than the limit is TooLarge; the limit itself is listed."""
    async with folder_in(tmp_path) as folder:
        os.mkdir(folder.root / "a")
        for number in range(100):
            (folder.root / "a" / f"{number:02}").touch()

        async def listed() -> int:
            if limit in ("MAX_ENTRIES", "MAX_NAMES"):
                return len(await folder.browse("a"))
            return len((await folder.dataset("a")).files)

        assert await listed() == 100
        monkeypatch.setattr(listing, limit, at)
        with pytest.raises(TooLarge, match="too many"):
            await listed()
        if limit == "MAX_NAMES":  # each path is a/00
            monkeypatch.setattr(listing, limit, 400)
            assert await listed() == 100


@pytest.fixture
def taken() -> Iterator[threading.Lock]:
    """Another large listing is made meanwhile."""
    assert listing._alone.acquire(timeout=PATIENCE)
    yield listing._alone
    if listing._alone.locked():
        listing._alone.release()


@pytest.mark.parametrize("what", ["browse", "dataset"])
async def test_large_folders_are_listed_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, taken: threading.Lock, what: str
) -> None:
    """A second one waits, then is Busy; a small one does not wait; none keeps its turn."""
    async with folder_in(tmp_path) as folder:
        monkeypatch.setattr(listing, "LARGE", 10)
        monkeypatch.setattr(listing, "_WAIT", 0.01)
        for number in range(9):
            (folder.root / str(number)).touch()
        ask: Callable[[str], Any] = getattr(folder, what)
        await ask("")
        for number in range(9, 20):
            (folder.root / str(number)).touch()
        with pytest.raises(Busy, match="Another large folder"):
            await ask("")
        monkeypatch.setattr(listing, "_WAIT", PATIENCE)
        waiting = asyncio.ensure_future(ask(""))
        taken.release()
        await waiting
        monkeypatch.setattr(listing, "MAX_ENTRIES", 15)
        monkeypatch.setattr(listing, "MAX_FILES", 15)
        with pytest.raises(Problem):
            await ask("")
        assert not taken.locked()


# Dates of strangers that are in no calendar, or in none of this zone.
ODD_TIMES = [99999999999999, -99999999999999, 1 << 62, -(1 << 62), float("nan"), float("inf")]


@pytest.mark.parametrize("seconds", ODD_TIMES)
def test_an_impossible_date_is_none(seconds: float) -> None:
    """In every listing."""
    attributes = SimpleNamespace(type=FILEXFER_TYPE_REGULAR, size=1, mtime=seconds)
    assert from_epoch(seconds) is None
    assert _item("a", "a", attributes).modified is None  # type: ignore[arg-type]
    if seconds == seconds and abs(seconds) < 1 << 70:
        assert _date(int(seconds) * 1000) == ""


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_beyond_utc_is_none(text: str) -> None:
    """Its zone moves it out of the calendar."""
    assert read_iso(text) is None


@pytest.fixture
def any_date() -> Iterator[Path]:
    """A folder in memory, where a file may have any date; ext4 takes the nearest that it knows."""
    if not os.path.isdir("/dev/shm"):
        pytest.skip("no file system in memory")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("seconds", [99999999999999, -99999999999999, 1_700_000_000])
async def test_a_file_of_any_date_is_listed(any_date: Path, seconds: int) -> None:
    """The other files of its folder, too: the whole listing was a 500."""
    async with folder_in(any_date) as folder:
        (folder.root / "far").touch()
        (folder.root / "ok").touch()
        os.utime(folder.root / "far", (seconds, seconds))
        items = await folder.browse("")
        assert [item.name for item in items] == ["far", "ok"]
        assert items[0].modified == ("2023-11-14T22:13:20Z" if abs(seconds) < 1 << 40 else None)
        assert items[1].modified is not None
