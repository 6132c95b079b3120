"""UploadSource: an upload's bytes are the files', noted when the remote has them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import pytest

from jupyter_bridge.aio import loop_thread
from jupyter_bridge.aio.deadline import within
from jupyter_bridge.aio.loop_thread import in_daemon_thread
from jupyter_bridge.connections.connectors import folder
from jupyter_bridge.connections.roles import Span, chunks_of
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.upload_source import PIECE, SyncUploadSource, UploadSource
from jupyter_bridge.connections.transfers.writer import Writer
from jupyter_bridge.models.datasets import File
from jupyter_bridge.private_files import entered, open_unlinked
from jupyter_bridge.problems import BadRequest, Conflict, Problem
from tests.support.waiting import PATIENCE, settle

DATA = os.urandom(PIECE * 2 + 100)
WHOLE = Span("big", 0, len(DATA))


class Disk:
    """Two files, one of them empty, and what was told and noted of them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "source"
        self.path.write_bytes(DATA)
        self.pieces = ProgressLog(folder / "pieces")
        self.told: list[tuple[int, str]] = []
        self.inline = SyncUploadSource(
            [File("big", len(DATA)), File("empty")],
            [(str(self.path), self.path.stat().st_mtime_ns), (str(folder), 0)],
            self.pieces,
            lambda *one: self.told.append(one),
        )
        self.supply = UploadSource(self.inline)

    @property
    def noted(self) -> list[tuple[int, int]]:
        return self.pieces.of(0).extents.to_json()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """No descriptor is left open when its pieces are closed."""
    before = len(os.listdir("/proc/self/fd"))
    made = Disk(tmp_path)
    yield made
    made.pieces.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_pieces_are_the_files_and_noted_when_sent(disk: Disk) -> None:
    """Nothing is noted before the remote has it; the sums of the pieces are that of the file."""
    for span in (Span("big", 0, PIECE + 7), Span("big", PIECE + 7, len(DATA))):
        read = list(disk.inline.pieces(span))
        assert b"".join(read) == DATA[span.start : span.stop]
        assert max(map(len, read)) <= PIECE
        assert disk.noted == ([(0, span.start)] if span.start else [])
        disk.inline.sent(span)
    assert disk.pieces.of(0).crc32(len(DATA)) == crc32(DATA)
    assert disk.told == [(PIECE + 7, "big"), (len(DATA) - PIECE - 7, "big")]


def test_pieces_may_be_asked_for_again(disk: Disk) -> None:
    """A try that broke off halfway leaves no trace in the sum."""
    half = disk.inline.pieces(WHOLE)
    next(half)
    half.close()  # type: ignore[attr-defined]
    assert b"".join(disk.inline.pieces(WHOLE)) == DATA
    disk.inline.sent(WHOLE)
    assert disk.pieces.of(0).crc32(len(DATA)) == crc32(DATA)


def test_an_empty_file_is_done_when_it_is_sent(disk: Disk) -> None:
    """It has no bytes to tell that by."""
    assert list(disk.inline.pieces(Span("empty", 0, 0))) == []
    assert not disk.pieces.is_checked(1)
    disk.inline.sent(Span("empty", 0, 0))
    assert disk.pieces.is_checked(1)


@pytest.mark.parametrize("late", [False, True], ids=["before", "between two pieces"])
@pytest.mark.parametrize("shorter", [False, True], ids=["other bytes", "shorter"])
def test_a_changed_file_is_a_conflict(disk: Disk, late: bool, shorter: bool) -> None:
    """Whenever it changes, nothing is given of what it has become."""
    pieces = disk.inline.pieces(WHOLE)
    if late:
        next(pieces)
    disk.path.write_bytes(DATA[:5] if shorter else bytes(len(DATA)))
    with pytest.raises(Conflict, match="changed while it was uploaded"):
        next(pieces)


def test_a_missing_file_is_told(disk: Disk) -> None:
    """By its name, and not as the remote's fault."""
    disk.path.unlink()
    with pytest.raises(BadRequest, match="source does not exist"):
        next(disk.inline.pieces(WHOLE))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["FIFO", "folder"])
async def test_something_else_in_the_files_place(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    """Every opening of a user's file refuses it at once; a FIFO without a writer hung for ever."""
    make(tmp_path / "f")
    pieces = ProgressLog(tmp_path / "pieces")

    def write() -> None:
        with entered(tmp_path) as top:
            folder._write(top, "f", 0, b"x", directory=False)

    openings: list[Callable[[], object]] = [
        lambda: open_unlinked(tmp_path / "f", os.O_RDONLY),
        lambda: Writer(tmp_path, pieces).open("f"),
        lambda: folder._open(tmp_path / "f"),
        write,
    ]
    for opening in openings:
        with pytest.raises(OSError, match="f"):
            await within(PATIENCE, in_daemon_thread(opening))
    source = SyncUploadSource(
        [File("f", 5)], [(str(tmp_path / "f"), 0)], pieces, lambda new, path: None
    )
    with pytest.raises(Problem):
        await within(PATIENCE, in_daemon_thread(lambda: list(source.pieces(Span("f", 0, 5)))))
    pieces.close()


async def test_a_cancel_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that hangs is left behind, and the caller goes on."""
    monkeypatch.setattr(loop_thread, "PATIENCE", 0.1)
    go_on = threading.Event()
    waiting = asyncio.ensure_future(loop_thread.to_its_end(go_on.wait))
    await settle()
    waiting.cancel()
    await asyncio.wait({waiting}, timeout=PATIENCE)
    assert waiting.cancelled()
    go_on.set()


async def test_what_was_sent_is_noted_with_the_next_or_at_the_end(disk: Disk) -> None:
    """One hop to a thread for both; `flush` for the last of them."""
    first, second = chunks_of([WHOLE], PIECE * 2)

    assert await disk.supply.take(first) == DATA[: first.stop]
    disk.supply.sent(first)
    assert disk.noted == []
    assert await disk.supply.take(second) == DATA[second.start :]
    disk.supply.sent(second)
    assert disk.noted == [(0, first.stop)]
    await disk.supply.flush()
    assert disk.noted == [(0, len(DATA))]
    await disk.supply.flush()
    assert [path for _, path in disk.told] == ["big", "big"]


async def test_who_is_cancelled_waits_for_the_reading(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The notes are closed after a cancel: nothing may still be written to them."""
    begun, go_on = threading.Event(), threading.Event()
    pread = os.pread

    def slow(*about: int) -> bytes:
        begun.set()
        assert go_on.wait(10)
        return pread(*about)

    monkeypatch.setattr(os, "pread", slow)
    taking = asyncio.ensure_future(disk.supply.take(WHOLE))
    assert await asyncio.to_thread(begun.wait, 10)
    taking.cancel()
    await settle()
    assert not taking.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await taking


def test_chunks_of() -> None:
    """None is longer than asked; an empty span stays one."""
    spans = [Span("a", 5, 25), Span("b", 0, 0), Span("c", 0, 10)]
    assert list(chunks_of(spans, 10)) == [
        Span("a", 5, 15),
        Span("a", 15, 25),
        Span("b", 0, 0),
        Span("c", 0, 10),
    ]
