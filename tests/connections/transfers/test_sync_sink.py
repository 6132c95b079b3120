"""connections/transfers/sync_sink.py: what is received is written at once, and noted."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.connections.roles import Sink
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.staging import Damaged, Staging
from jupyter_bridge.connections.transfers.sync_sink import NOTE_BYTES
from jupyter_bridge.models.datasets import File
from jupyter_bridge.problems import Conflict, RemoteFailed


class Disk:
    """A target of some files below `folder`, and what it told."""

    def __init__(self, folder: Path, files: list[File]) -> None:
        self.told: list[tuple[int, str]] = []
        self.staging = folder / ".down.part"
        self.pieces = ProgressLog(folder / "pieces")
        told = self.told
        self.target = Staging(
            folder / "down", self.staging, files, self.pieces, lambda *one: told.append(one)
        )
        asyncio.run(self.target.prepare())

    def noted(self, index: int = 0) -> list[tuple[int, int]]:
        return self.pieces.of(index).extents.to_json()


@pytest.fixture
def lines() -> Iterator[None]:
    """No descriptor is left open."""
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


def write(sink: Sink, *pieces: tuple[str, int, bytes]) -> None:
    async def all_of_them() -> None:
        for path, offset, data in pieces:
            await sink.write(path, offset, data)

    asyncio.run(all_of_them())


def test_a_file_is_written_noted_and_checked(tmp_path: Path, lines: None) -> None:
    """Noted each MiB, not each piece; checked by the sums of its pieces when it is whole."""
    data = os.urandom(NOTE_BYTES * 2 + 100)
    step = NOTE_BYTES // 4
    disk = Disk(tmp_path, [File("a/b", len(data), crc32=crc32(data))])
    with disk.target.inline() as sink:
        write(sink, ("a/b", 0, data[:step]))
        assert disk.noted() == []
        write(sink, *(("a/b", at, data[at : at + step]) for at in range(step, len(data), step)))
        assert disk.pieces.is_checked(0)
    assert (disk.staging / "a/b").read_bytes() == data
    assert disk.told == [(NOTE_BYTES, "a/b"), (NOTE_BYTES, "a/b"), (100, "a/b")]
    disk.pieces.close()


def test_what_is_written_is_noted_when_it_ends_early(tmp_path: Path, lines: None) -> None:
    disk = Disk(tmp_path, [File("f", 1000), File("g", 10)])
    with pytest.raises(RemoteFailed), disk.target.inline() as sink:
        write(sink, ("f", 500, b"x" * 100), ("f", 0, b"y" * 10), ("g", 0, b"z" * 11))
    assert disk.noted() == [(0, 10), (500, 600)]
    assert disk.noted(1) == []
    disk.pieces.close()


@given(cuts=st.lists(st.integers(0, 3_000_000), max_size=12), order=st.randoms())
def test_any_pieces_in_any_order(tmp_path_factory: pytest.TempPathFactory, cuts, order) -> None:  # type: ignore[no-untyped-def]
    """Streams that take turns, each where the one before it has not been."""
    size = 3_000_000
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    bounds = sorted({0, size, *cuts})
    runs = [[*range(a, b, 400_000), b] for a, b in pairwise(bounds)]
    disk = Disk(tmp_path_factory.mktemp("inline"), [File("f", size, crc32=crc32(data))])
    with disk.target.inline() as sink:
        while runs:
            run = order.choice(runs)
            write(sink, ("f", run[0], data[run.pop(0) : run[0]]))
            if len(run) == 1:
                runs.remove(run)
    assert sum(new for new, _ in disk.told) == size
    asyncio.run(disk.target.check(0))
    assert (disk.staging / "f").read_bytes() == data
    disk.pieces.close()


def test_the_same_bytes_twice(tmp_path: Path, lines: None) -> None:
    """They count once; a file whose pieces overlap is read to be checked, by whoever asks."""
    data = os.urandom(1000)
    disk = Disk(tmp_path, [File("f", 1000, crc32=crc32(data))])
    with disk.target.inline() as sink:
        write(sink, ("f", 0, data[:600]), ("f", 0, data[:600]), ("f", 600, data[600:]))
    assert sum(new for new, _ in disk.told) == 1000
    assert not disk.pieces.is_checked(0)
    asyncio.run(disk.target.check(0))
    assert disk.pieces.is_checked(0)
    disk.pieces.close()


def test_damaged(tmp_path: Path, lines: None) -> None:
    """Nothing of it is kept."""
    disk = Disk(tmp_path, [File("f", 10, crc32=1)])
    with pytest.raises(Damaged), disk.target.inline() as sink:
        write(sink, ("f", 0, b"0123456789"))
    assert disk.noted() == []
    assert not (disk.staging / "f").exists()
    disk.pieces.close()


def test_checked_pieces(tmp_path: Path, lines: None) -> None:
    """Kept where their sum is right; the file is checked with the last of them."""
    data = os.urandom(100)
    disk = Disk(tmp_path, [File("f", 100, crc32=crc32(data))])

    async def take(sink: Sink, start: int, stop: int, check: int) -> bool:
        parts = [memoryview(data)[start : start + 5], memoryview(data)[start + 5 : stop]]
        return await sink.write_checked("f", start, parts, check)

    with disk.target.inline() as sink:
        assert not asyncio.run(take(sink, 0, 50, 7))
        assert disk.noted() == []
        assert asyncio.run(take(sink, 50, 100, crc32(data[50:])))
        assert asyncio.run(take(sink, 0, 50, crc32(data[:50])))
    assert disk.pieces.is_checked(0)
    assert (disk.staging / "f").read_bytes() == data
    disk.pieces.close()


def test_a_disk_that_takes_no_more(tmp_path: Path, lines: None) -> None:
    """A clear word; what did not fit is not noted, what did is."""
    disk = Disk(tmp_path, [File("f", 10_000)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with disk.target.inline() as sink:
        write(sink, ("f", 4000, b"x" * 500))
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
        try:
            with pytest.raises(Conflict, match="cannot be used"):
                write(sink, ("f", 4500, b"y" * 1000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert disk.noted() == [(4000, 4500)]
    disk.pieces.close()


def test_a_link_in_the_way(tmp_path: Path, lines: None) -> None:
    disk = Disk(tmp_path, [File("f", 100)])
    (disk.staging / "f").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict), disk.target.inline() as sink:
        write(sink, ("f", 0, b"x" * 10))
    assert not (tmp_path / "elsewhere").exists()
    disk.pieces.close()
