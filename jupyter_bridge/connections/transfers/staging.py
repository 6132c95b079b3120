"""Staging: where a download grows, beside the place where it will be, and how it gets there.

Everything is written below a hidden folder next to the target and put in place at the end: by one
rename where nothing was there, else file by file, each by one rename. So no half of a file ever has
its final name, and a longer older file leaves nothing behind. Names that the remote chose are
judged before anything is written: none leads outside, none is a link.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from jupyter_bridge.connections.roles import Sink
from jupyter_bridge.connections.transfers import checksums
from jupyter_bridge.connections.transfers.disk_problems import translated
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.sync_sink import SyncSink
from jupyter_bridge.connections.transfers.writer import ReceivedPiece, Writer, keep_freed, open_new
from jupyter_bridge.models.datasets import File
from jupyter_bridge.problems import BadRequest, Denied, RemoteFailed

# Network pieces are gathered to this size: a hop to a thread costs as much as 100 KiB of disk.
FLUSH_BYTES = 1 << 20
# What a file system takes as one name, in bytes.
MAX_NAME = 255

T = TypeVar("T")


def judge_names(files: Sequence[File]) -> None:
    """Refuse a data set one of whose members would not stay inside, or stand in another's way."""
    kinds: dict[str, bool] = {}
    for file in files:
        path = PurePosixPath(file.path)
        parts = path.parts
        if (
            not parts
            or path.is_absolute()
            or str(path) != file.path
            or ".." in parts
            or any("\0" in part or "\\" in part for part in parts)
            or any(len(part.encode("utf-8", "surrogateescape")) > MAX_NAME for part in parts)
        ):
            shown = file.path[:200]
            raise Denied(f"The remote names a file {shown!r}: nothing was written.", path=shown)
        if file.size < 0:
            raise RemoteFailed(f"The remote says that {file.path} has {file.size} bytes.")
        if kinds.setdefault(file.path, file.directory) is not file.directory:
            raise Denied(f"{file.path!r} is a file and a folder.", path=file.path)
    files_only = {path for path, directory in kinds.items() if not directory}
    if len(kinds) != len(files):
        raise Denied("The remote names a file twice: nothing was written.")
    for name in kinds:
        for parent in PurePosixPath(name).parents:
            if str(parent) in files_only:
                raise Denied(f"{str(parent)!r} is a file and a folder.", path=str(parent))


class Staging:
    """The disk's side of one download; a Sink. `on_bytes(new, path)` tells of what was written."""

    def __init__(
        self,
        place: Path,
        staging: Path,
        files: Sequence[File],
        pieces: ProgressLog,
        on_bytes: Callable[[int, str], None],
    ) -> None:
        self._place = place
        self._staging = staging
        self.files = files
        self.pieces = pieces
        self.on_bytes = on_bytes
        self.on_whole: Callable[[int], None] = lambda index: None  # all bytes of a file are there
        self.failed: BaseException | None = None  # what a check found: nothing more is taken
        self._index = {file.path: number for number, file in enumerate(files)}
        self._buffers: dict[str, _Buffer] = {}
        self._flying: dict[str, asyncio.Future[bool]] = {}  # at most one of each file
        self.writer = Writer(staging, pieces)
        self._busy: set[asyncio.Future[Any]] = set()

    async def prepare(self) -> None:
        """Make the staging folder and what holds no bytes."""
        keep_freed()
        await self._off(self._prepare)

    async def write(self, path: str, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Take a piece of a file; it is on its way to the disk when this returns."""
        index = self.judge(path, offset, len(data))
        if not data or self.pieces.is_checked(index):
            return
        buffer = self._buffers.get(path)
        if buffer is not None and buffer.stop != offset:
            await self._flush(path)
            buffer = None
        if buffer is None:
            buffer = self._buffers[path] = _Buffer(offset)
        buffer.add(data)
        if buffer.stop == self.files[index].size:
            await self._flush(path)
        elif buffer.size >= FLUSH_BYTES:
            await self._land(path)
            self._send_off(path, self._buffers.pop(path))

    async def write_checked(
        self, path: str, offset: int, parts: Sequence[memoryview | bytearray], crc32: int
    ) -> bool:
        """Take these parts if they have this CRC32; they are written when this returns."""
        size = sum(map(len, parts))
        index = self.judge(path, offset, size)
        if not size or self.pieces.is_checked(index):
            return checksums.of_parts(parts) == crc32
        await self._flush(path)
        return await self._write(ReceivedPiece(index, path, offset, parts, crc32))

    def inline(self) -> AbstractContextManager[Sink]:
        return closing(SyncSink(self))

    async def flush(self) -> None:
        """Write what is still gathered."""
        for path in {**self._buffers, **self._flying}:
            await self._flush(path)

    def drop(self) -> None:
        """Forget what is gathered and not written."""
        self._buffers.clear()
        self._flying.clear()
        self.writer.drop()

    async def settle(self) -> None:
        """Wait for the disk work under way, whatever comes of it."""
        await self.writer.settle()
        if self._busy:
            await asyncio.wait(self._busy)

    async def check(self, index: int) -> None:
        """Say that a file is whole; RemoteFailed where a checksum says it is not."""
        if not self.pieces.is_checked(index):
            await self._off(self._check, index)

    def check_by_pieces(self, index: int) -> None:
        """The same where the sums of its pieces tell; leaves what has to be read. Blocks."""
        pieces = self.pieces.of(index)
        whole = pieces.extents.total == self.files[index].size and not pieces.overlap
        if whole and self.files[index].sha256 is None:
            self._check(index)

    async def place(self) -> None:
        """Put everything in its place."""
        await self._off(self._put)

    async def remove(self) -> None:
        """Throw away what was written beside."""
        await self.settle()
        await self._off(shutil.rmtree, self._staging, True)

    # -- in threads ----------------------------------------------------------------------------

    async def _off(self, call: Callable[..., T], *arguments: Any) -> T:
        """A blocking call in a thread, its OSError as a Problem; `settle` waits for it."""
        future = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
        self._busy.add(future)
        future.add_done_callback(self._on_idle)
        with translated():
            # A thread cannot be stopped: who is cancelled does not wait for it, `settle` does.
            return await asyncio.shield(future)

    def _on_idle(self, future: asyncio.Future[Any]) -> None:
        self._busy.discard(future)
        if not future.cancelled():
            future.exception()

    def _send_off(self, path: str, buffer: _Buffer) -> None:
        """Have a buffer written while the next one fills: the disk and the line work together."""
        piece = ReceivedPiece(self._index[path], path, buffer.start, buffer.parts)
        flying = self._flying[path] = asyncio.ensure_future(self._write(piece))
        self._busy.add(flying)
        flying.add_done_callback(self._on_idle)

    async def _land(self, path: str) -> None:
        """Wait until what was sent off is written; raises what became of it."""
        flying = self._flying.pop(path, None)
        if flying is not None:
            await flying

    async def _flush(self, path: str) -> None:
        await self._land(path)
        buffer = self._buffers.pop(path, None)
        if buffer is not None:
            await self._write(ReceivedPiece(self._index[path], path, buffer.start, buffer.parts))

    async def _write(self, piece: ReceivedPiece) -> bool:
        with translated():
            new = await self.writer.write(piece)
        if new is None:
            return False
        self.on_bytes(new, piece.path)
        if self.pieces.of(piece.index).extents.total == self.files[piece.index].size:
            self.on_whole(piece.index)
        return True

    def judge(self, path: str, offset: int, size: int) -> int:
        """The number of a file that may have these bytes; RemoteFailed if none may.

        Raises what a check has found meanwhile.
        """
        if self.failed is not None:
            raise self.failed
        index = self._index.get(path)
        if index is None or offset < 0 or offset + size > self.files[index].size:
            raise RemoteFailed(f"The remote sends more than it said of {path[:200]}.", path=path)
        return index

    def _prepare(self) -> None:
        self._staging.parent.mkdir(parents=True, exist_ok=True)
        self._staging.mkdir(mode=0o700, exist_ok=True)
        for index, file in enumerate(self.files):
            if self.pieces.of(index).extents.total or self.pieces.is_checked(index):
                # From before this process: unless somebody has cleaned up meanwhile.
                there = (self._staging / file.path, self._place / file.path)
                if not any(os.path.lexists(path) for path in there):
                    self.pieces.forget(index)
            if file.directory:
                (self._staging / file.path).mkdir(parents=True, exist_ok=True)
            elif file.size == 0:
                self.writer.make((self._staging / file.path).parent)
                os.close(open_new(self._staging / file.path))

    def _check(self, index: int) -> None:
        file, path = self.files[index], self._staging / self.files[index].path
        if file.crc32 is None and file.sha256 is None:
            self.pieces.set_checked(index, file.size)
            return
        check = self.pieces.of(index).crc32(file.size)
        digest: str | None = None
        if check is None or file.sha256 is not None:
            check, digest = checksums.of_file(path, sha256=file.sha256 is not None)
        if (file.crc32 is not None and check != file.crc32) or (
            file.sha256 is not None and digest != file.sha256.lower()
        ):
            self.pieces.forget(index)
            path.unlink(missing_ok=True)
            raise Damaged(f"The bytes of {file.path} are not what its checksum says.", file.path)
        self.pieces.set_checked(index, file.size)

    def _put(self) -> None:
        place = self._place
        if not os.path.lexists(place):
            os.chmod(self._staging, 0o777 & ~_umask())
            os.rename(self._staging, place)
            return
        if place.is_symlink() or not place.is_dir():
            raise Denied(f"{place} is there already and is no folder.")
        root = place.resolve(strict=True)
        for file in self.files:
            target = place / file.path
            folder = target if file.directory else target.parent
            folder.mkdir(parents=True, exist_ok=True)
            inside = folder.resolve(strict=True)
            if inside != root and root not in inside.parents:
                # A link that lies there from before.
                raise Denied(f"{target} leads outside of {place}.", path=file.path)
            if not file.directory and os.path.lexists(self._staging / file.path):
                os.replace(self._staging / file.path, target)
        shutil.rmtree(self._staging, ignore_errors=True)


class Damaged(RemoteFailed):
    """A file's checksum denies its bytes; what was there of it is forgotten."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message, path=path)


class _Buffer:
    """Pieces of a file that follow each other."""

    def __init__(self, start: int) -> None:
        self.start = self.stop = start
        self.parts: list[memoryview] = []

    @property
    def size(self) -> int:
        return self.stop - self.start

    def add(self, data: bytes | bytearray | memoryview) -> None:
        self.parts.append(memoryview(data))
        self.stop += len(data)


def place_of(folder: Path, perm_id: str, files: Sequence[File]) -> Path:
    """Where a data set goes: below `folder`, under its permId; BadRequest if that leads elsewhere.

    A permId that is the path of one file names the file itself: its folder is the place.
    """
    path = PurePosixPath(perm_id)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in perm_id:
        raise BadRequest("permId: must not lead outside of the target.", field="permId")
    alone = len(files) == 1 and not files[0].directory and files[0].path == path.name
    return folder / (path.parent if alone else path)


def _umask() -> int:
    """The process's; asking by os.umask would change it for other threads."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("\nUmask:")[2].split()[0], 8)
    except (OSError, IndexError, ValueError):
        return 0o022
