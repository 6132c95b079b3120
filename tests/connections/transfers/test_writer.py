"""connections/transfers/writer.py: pieces on their way to the disk."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from zlib import crc32

import pytest

from jupyter_bridge.connections.transfers import checksums
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.writer import STEP, ReceivedPiece, Writer

Part = bytes | bytearray | memoryview


@asynccontextmanager
async def writing(tmp_path: Path) -> AsyncIterator[tuple[Writer, ProgressLog]]:
    """A writer below `tmp_path`/new, and the log of what it has written."""
    pieces = ProgressLog(tmp_path / "pieces")
    (tmp_path / "new").mkdir(exist_ok=True)
    writer = Writer(tmp_path / "new", pieces)
    try:
        yield writer, pieces
    finally:
        await writer.settle()
        pieces.close()


async def test_pieces_of_many_files_find_their_places(tmp_path: Path) -> None:
    """In any order, in parts of any size: each byte is where it belongs, and noted with its sum."""
    contents = [os.urandom(STEP * 2 + 5), b"x", os.urandom(1000)]

    async with writing(tmp_path) as (writer, pieces):
        made = []
        for index, content in enumerate(contents):
            step = max(1, len(content) // 3)
            for start in reversed(range(0, len(content), step)):
                view = memoryview(content)[start : start + step]
                cut = len(view) // 2
                parts: list[Part] = [view[:cut], bytearray(view[cut:])]
                made.append(ReceivedPiece(index, f"a/{index}", start, parts, crc32(view)))
        new = await asyncio.gather(*map(writer.write, made))
        assert new == [sum(map(len, piece.parts)) for piece in made]
        for index, content in enumerate(contents):
            assert pieces.of(index).crc32(len(content)) == crc32(content)
    assert [(tmp_path / f"new/a/{n}").read_bytes() for n in range(3)] == contents


async def test_a_wrong_checksum_keeps_nothing(tmp_path: Path) -> None:
    """Neither a byte on the disk nor a note of it; the pieces beside it are kept."""
    async with writing(tmp_path) as (writer, pieces):
        made = [
            ReceivedPiece(0, "f", 0, [b"good"], crc32(b"good")),
            ReceivedPiece(1, "g", 0, [b"bad"], 7),
        ]
        assert await asyncio.gather(*map(writer.write, made)) == [4, None]
        assert pieces.done == 4
    assert os.listdir(tmp_path / "new") == ["f"]


async def test_an_error_is_told_to_its_own_piece(tmp_path: Path) -> None:
    """One file that cannot be written stops nothing else."""
    (tmp_path / "new").mkdir()
    (tmp_path / "new/link").symlink_to(tmp_path / "elsewhere")

    async with writing(tmp_path) as (writer, _):
        made = [ReceivedPiece(0, "link", 0, [b"x"]), ReceivedPiece(1, "g", 0, [b"y"])]
        ends = await asyncio.gather(*map(writer.write, made), return_exceptions=True)
        assert isinstance(ends[0], OSError)
        assert ends[1] == 1
    assert not (tmp_path / "elsewhere").exists()


async def test_what_is_dropped_is_not_written(tmp_path: Path) -> None:
    """Who waits is told; what was under way is waited for by settle."""
    async with writing(tmp_path) as (writer, pieces):
        first = asyncio.ensure_future(writer.write(ReceivedPiece(0, "f", 0, [b"x" * STEP])))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the thread has it
        second = asyncio.ensure_future(writer.write(ReceivedPiece(1, "g", 0, [b"y"])))
        await asyncio.sleep(0)
        writer.drop()
        with pytest.raises(asyncio.CancelledError):
            await second
        await writer.settle()
        assert await first == STEP
        assert pieces.done == STEP
    assert os.listdir(tmp_path / "new") == ["f"]


def test_the_sum_of_parts_is_that_of_the_whole() -> None:
    """However the bytes are cut."""
    data = os.urandom(1000)
    parts: list[Part] = [data[:1], bytearray(data[1:400]), memoryview(data)[400:]]
    assert checksums.of_parts(parts) == crc32(data)
    assert checksums.of_parts([]) == 0
