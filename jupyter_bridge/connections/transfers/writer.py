"""Writer: the pieces of a download on their way to the disk.

One thread at a time writes, and takes all that waits: several would only wait for each other, in
the file system's lock of the one large file, and a hop to a thread costs like 100 KiB written.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_bridge.connections.transfers import checksums
from jupyter_bridge.connections.transfers.progress_log import ProgressLog

# Bytes written by one call. More at once takes the largest pages of memory, which a virtual machine
# may have given back to its host: then it is four times as slow.
STEP = 256 << 10
# Freed memory that may stay with the process, in bytes: above all pieces of one download that wait
# at a time.
KEPT = 16 << 20


@dataclass(eq=False)
class ReceivedPiece:
    """Bytes that follow each other, of the file `index` at `path` below the writer's folder.

    `crc32` is what the remote says of them, if it does. `done` becomes how many of them are new,
    or None where they are not what `crc32` says; then nothing of them is kept.
    """

    index: int
    path: str
    start: int
    parts: Sequence[bytes | bytearray | memoryview]
    crc32: int | None = None
    done: asyncio.Future[int | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Writer:
    """Writes below `folder`, and tells `pieces` what is there, in this order."""

    def __init__(self, folder: Path, pieces: ProgressLog) -> None:
        self._folder = folder
        self._pieces = pieces
        self._made: set[Path] = set()
        self._waiting: list[ReceivedPiece] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, piece: ReceivedPiece) -> int | None:
        """What becomes of the piece (its `done`), once it is on the disk; may raise OSError."""
        self._waiting.append(piece)
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())
        return await piece.done

    def drop(self) -> None:
        """Forget what waits."""
        waiting, self._waiting = self._waiting, []
        for piece in waiting:
            piece.done.cancel()

    async def settle(self) -> None:
        """Wait until nothing is being written."""
        while self._task is not None:
            await asyncio.wait({self._task})

    def make(self, folder: Path) -> None:
        """Make a folder, once; blocks."""
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)

    def open(self, path: str) -> int:
        """A descriptor of the file at `path`, for writing; blocks."""
        target = self._folder / path
        self.make(target.parent)
        return open_new(target)

    def put(
        self,
        index: int,
        path: str,
        start: int,
        parts: Sequence[bytes | bytearray | memoryview],
        crc32: int | None,
    ) -> int | None:
        """As `write` of such a piece; blocks."""
        check = checksums.of_parts(parts)
        if crc32 is not None and check != crc32:
            return None
        line = self.open(path)
        try:
            stop = write_at(line, start, parts)
        finally:
            os.close(line)
        return self._pieces.add(index, start, stop, check)

    async def _work(self) -> None:
        try:
            while self._waiting:
                pieces, self._waiting = self._waiting, []
                # A thread cannot be stopped, so neither is this task: `settle` waits for both.
                for piece, end in await asyncio.to_thread(self._write_all, pieces):
                    if piece.done.done():
                        continue  # nobody waits any more
                    if isinstance(end, OSError):
                        piece.done.set_exception(end)
                    else:
                        piece.done.set_result(end)
        finally:
            self._task = None

    def _write_all(
        self, pieces: list[ReceivedPiece]
    ) -> list[tuple[ReceivedPiece, int | OSError | None]]:
        return [(piece, self._try(piece)) for piece in pieces]

    def _try(self, piece: ReceivedPiece) -> int | OSError | None:
        try:
            return self.put(piece.index, piece.path, piece.start, piece.parts, piece.crc32)
        except OSError as error:
            return error


def keep_freed() -> None:
    """Have the C library keep up to KEPT bytes that are freed, for what is received next.

    glibc gives back what exceeds twice the largest block it ever mapped for itself and freed, at
    first 256 KiB. Pieces of that size come and go all the time: each would be given back, and
    brought again page by page. So a block of half of KEPT is mapped, untouched, and freed. Other
    libraries, and a glibc that was told by MALLOC_TRIM_THRESHOLD_ what to keep, do as they did.
    """
    bytes(KEPT // 2)


def open_new(path: Path) -> int:
    """A descriptor for writing; what is there stays, a link is not followed."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def write_at(line: int, at: int, parts: Sequence[bytes | bytearray | memoryview]) -> int:
    """Write all parts from `at` on; returns where they end."""
    for part in parts:
        left = memoryview(part)
        while left:
            count = os.pwrite(line, left[:STEP], at)
            at += count
            left = left[count:]
    return at
