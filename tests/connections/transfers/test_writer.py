"""connections/transfers/writer.py: pieces on their way to the disk."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from jupyter_bridge.connections.transfers import checksums
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.staging import FLUSH_BYTES, Staging
from jupyter_bridge.connections.transfers.writer import STEP, Writer
from jupyter_bridge.models.datasets import File
from jupyter_bridge.problems import Conflict

Part = bytes | bytearray | memoryview


@pytest.fixture
def pieces(tmp_path: Path) -> Iterator[ProgressLog]:
    pieces = ProgressLog(tmp_path / "pieces")
    yield pieces
    pieces.close()


def test_pieces_of_many_files_find_their_places(tmp_path: Path, pieces: ProgressLog) -> None:
    """In any order, in parts of any size: each byte is where it belongs, and noted with its sum."""
    contents = [os.urandom(STEP * 2 + 5), b"x", os.urandom(1000)]
    writer = Writer(tmp_path / "new", pieces)
    for index, content in enumerate(contents):
        step = max(1, len(content) // 3)
        for start in reversed(range(0, len(content), step)):
            view = memoryview(content)[start : start + step]
            cut = len(view) // 2
            parts: list[Part] = [view[:cut], bytearray(view[cut:])]
            assert writer.put(index, f"a/{index}", start, parts, crc32(view)) == len(view)
        assert pieces.of(index).crc32(len(content)) == crc32(content)
    assert [(tmp_path / f"new/a/{n}").read_bytes() for n in range(3)] == contents


def test_a_wrong_checksum_keeps_nothing(tmp_path: Path, pieces: ProgressLog) -> None:
    """Neither a byte on the disk nor a note of it."""
    writer = Writer(tmp_path / "new", pieces)
    assert writer.put(0, "f", 0, [b"good"], crc32(b"good")) == 4
    assert writer.put(1, "g", 0, [b"bad"], 7) is None
    assert (pieces.done, os.listdir(tmp_path / "new")) == (4, ["f"])


def staging_of(folder: Path, pieces: ProgressLog, files: list[File]) -> Staging:
    return Staging(folder / "there", folder / "new", files, pieces, lambda count, path: None)


async def test_an_error_is_told_to_its_own_file(tmp_path: Path, pieces: ProgressLog) -> None:
    """One file that cannot be written stops nothing else."""
    staging = staging_of(tmp_path, pieces, [File("link", 1), File("g", 1)])
    await staging.prepare()
    (tmp_path / "new/link").symlink_to(tmp_path / "elsewhere")
    writes = (staging.write("link", 0, b"x"), staging.write("g", 0, b"y"))
    ends = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(ends[0], Conflict)
    assert (ends[1], pieces.done) == (None, 1)
    assert not (tmp_path / "elsewhere").exists()


async def test_what_is_dropped_is_not_written(tmp_path: Path, pieces: ProgressLog) -> None:
    """What was under way is waited for by settle."""
    size = 2 * FLUSH_BYTES
    staging = staging_of(tmp_path, pieces, [File("f", size), File("g", size)])
    await staging.prepare()
    await staging.write("f", 0, bytes(FLUSH_BYTES))
    for _ in range(3):
        await asyncio.sleep(0)  # until the thread has it
    await staging.write("g", 0, bytes(FLUSH_BYTES))
    staging.drop()
    await staging.settle()
    assert pieces.done == FLUSH_BYTES
    assert os.listdir(tmp_path / "new") == ["f"]


async def test_what_came_is_kept_where_its_sender_is_cancelled(
    tmp_path: Path, pieces: ProgressLog
) -> None:
    """A line that breaks ends the other streams in the midst of a write."""
    staging = staging_of(tmp_path, pieces, [File("f", 10), File("g", 10)])
    await staging.prepare()
    writes = [asyncio.ensure_future(staging.write(name, 0, b"0123456789")) for name in "fg"]
    await asyncio.sleep(0)
    for write in writes:
        write.cancel()
    await asyncio.wait(writes)
    await staging.flush()
    await staging.settle()
    assert pieces.done == 20


def test_the_sum_of_parts_is_that_of_the_whole() -> None:
    """However the bytes are cut."""
    data = os.urandom(1000)
    parts: list[Part] = [data[:1], bytearray(data[1:400]), memoryview(data)[400:]]
    assert checksums.of_parts(parts) == crc32(data)
    assert checksums.of_parts([]) == 0


_TURNS = """
import resource, sys
from jupyter_bridge.connections.transfers.writer import keep_freed

def turns():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(64):
        held = [b"x" * (256 << 10) for _ in range(8)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

turns()
before = turns()
keep_freed()
turns()
print(before, turns())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's memory alone")
def test_memory_of_pieces_is_not_brought_anew_for_the_next_ones() -> None:
    """64 times 2 MiB in pieces: hardly any page is brought again, where each was before."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    told = subprocess.run(
        [sys.executable, "-c", _TURNS], env=plain, capture_output=True, check=True
    )
    before, after = map(int, told.stdout.split())
    assert after < before / 20
