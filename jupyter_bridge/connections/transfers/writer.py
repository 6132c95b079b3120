"""Writer: writes the pieces of a download to the disk.

One thread at a time writes all waiting pieces: several threads would only wait for the file
system's lock of one large file, and a switch to a thread costs like 100 KiB written.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_bridge.connections.transfers import checksums
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.private_files import entered, make_below, open_unlinked

# Bytes written by one call. More at once uses the largest pages of memory, which a virtual machine
# may have returned to its host: then it is four times as slow.
STEP = 256 << 10


@dataclass(eq=False)
class ReceivedPiece:
    """Consecutive bytes of the file `index` at `path` below the writer's folder.

    `crc32` is the remote's checksum, if there is one. `done` becomes the number of new bytes, or
    None if the checksum does not match: then nothing is kept.
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
    """Writes below `folder`, and then logs the bytes in `pieces`.

    `folder` is the user's alone, but others may write in the folder above, and so put another one
    in its place: it must be `owner`'s, and is entered without following a link, each time.
    """

    def __init__(self, folder: Path, pieces: ProgressLog) -> None:
        self.owner = os.geteuid()
        self._folder = folder
        self._pieces = pieces
        self._made: set[str] = {""}
        self._waiting: list[ReceivedPiece] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, piece: ReceivedPiece) -> int | None:
        """Write the piece; return its `done`. May raise OSError."""
        self._waiting.append(piece)
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())
        return await piece.done

    def drop(self) -> None:
        """Discard the waiting pieces."""
        waiting, self._waiting = self._waiting, []
        for piece in waiting:
            piece.done.cancel()

    async def settle(self) -> None:
        """Wait until no thread writes."""
        while self._task is not None:
            await asyncio.wait({self._task})

    def entered(self) -> AbstractContextManager[int]:
        """Open the folder, and close it at the end; OSError if it is another one now."""
        return entered(self._folder, owner=self.owner)

    def make(self, folder: str) -> None:
        """Create the folder at this path; blocks."""
        with self.entered() as top:
            make_below(top, folder)

    def open(self, path: str, flags: int = os.O_WRONLY | os.O_CREAT) -> int:
        """Return a descriptor of the file at `path`; keeps its contents. Blocks."""
        folder = os.path.dirname(path)
        with self.entered() as top:
            if folder not in self._made:
                make_below(top, folder)
                self._made.add(folder)
            return open_unlinked(path, flags, below=top)

    def unlink(self, path: str) -> None:
        """Remove the file at `path`, if it is there; blocks."""
        with self.entered() as top, suppress(FileNotFoundError):
            os.unlink(path, dir_fd=top)

    def put(
        self,
        index: int,
        path: str,
        start: int,
        parts: Sequence[bytes | bytearray | memoryview],
        crc32: int | None,
    ) -> int | None:
        """As `write`, but blocks."""
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
                        continue  # the caller was cancelled
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


def write_at(line: int, at: int, parts: Sequence[bytes | bytearray | memoryview]) -> int:
    """Write all parts from `at` on; return the offset of their end."""
    for part in parts:
        left = memoryview(part)
        while left:
            count = os.pwrite(line, left[:STEP], at)
            at += count
            left = left[count:]
    return at
