"""Staging: the folder of an unfinished download, and the move to its final place.

Everything is written below a hidden folder next to the target and moved at the end: by one rename
if the target does not exist, else by one rename for each file. So an incomplete file never has its
final name, and replaces an older one as a whole. The remote's file names are checked before
anything is written: none leads outside, none is a link.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from jupyter_bridge.connections.listing import MAX_DEPTH
from jupyter_bridge.connections.roles import Sink
from jupyter_bridge.connections.transfers import checksums
from jupyter_bridge.connections.transfers.disk_problems import translated
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.sync_sink import SyncSink
from jupyter_bridge.connections.transfers.writer import ReceivedPiece, Writer
from jupyter_bridge.models.datasets import File
from jupyter_bridge.private_files import entered, owner_of_new
from jupyter_bridge.problems import BadRequest, Denied, RemoteFailed

# Received pieces are joined to this size: a switch to a thread costs like 100 KiB of disk.
FLUSH_BYTES = 1 << 20
# The longest name in a file system, bytes.
MAX_NAME = 255

T = TypeVar("T")


def judge_names(files: Sequence[File]) -> None:
    """Raise if files of a data set would lead outside, or conflict with each other."""
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
            or len(parts) > MAX_DEPTH + 1
        ):
            shown = file.path[:200]
            raise Denied(f"The remote has a file named {shown!r}: nothing was written.", path=shown)
        if file.size < 0:
            raise RemoteFailed(f"The remote reports {file.size} bytes for {file.path}.")
        if kinds.setdefault(file.path, file.directory) is not file.directory:
            raise Denied(f"{file.path!r} is a file and a folder.", path=file.path)
    files_only = {path for path, directory in kinds.items() if not directory}
    if len(kinds) != len(files):
        raise Denied("The remote lists a file twice: nothing was written.")
    for name in kinds:
        for parent in PurePosixPath(name).parents:
            if str(parent) in files_only:
                raise Denied(f"{str(parent)!r} is a file and a folder.", path=str(parent))


class Staging:
    """The disk's side of one download; a Sink. `on_bytes(new, path)` reports written bytes."""

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
        self.on_whole: Callable[[int], None] = lambda index: None  # a file is complete
        self.failed: BaseException | None = None  # the failure of a check, which ends the download
        self._index = {file.path: number for number, file in enumerate(files)}
        self._buffers: dict[str, _Buffer] = {}
        self._flying: dict[str, asyncio.Future[bool]] = {}  # at most one per file
        self.writer = Writer(staging, pieces)
        self._busy: set[asyncio.Future[Any]] = set()

    async def prepare(self) -> None:
        """Create the staging folder, the folders and the empty files."""
        await self._off(self._prepare)

    async def write(self, path: str, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write a piece of a file, later: it may still be in memory when this returns."""
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
        """Write these parts if they have this CRC32; return when they are written."""
        size = sum(map(len, parts))
        index = self.judge(path, offset, size)
        if not size or self.pieces.is_checked(index):
            return checksums.of_parts(parts) == crc32
        await self._flush(path)
        return await self._write(ReceivedPiece(index, path, offset, parts, crc32))

    def inline(self) -> AbstractContextManager[Sink]:
        return closing(SyncSink(self))

    async def flush(self) -> None:
        """Write all buffers."""
        for path in {**self._buffers, **self._flying}:
            await self._flush(path)

    def drop(self) -> None:
        """Discard all buffers."""
        self._buffers.clear()
        self._flying.clear()
        self.writer.drop()

    async def settle(self) -> None:
        """Wait for the disk operations under way; ignore their errors."""
        await self.writer.settle()
        if self._busy:
            await asyncio.wait(self._busy)

    async def check(self, index: int) -> None:
        """Check a complete file; raise Damaged if a checksum does not match."""
        if not self.pieces.is_checked(index):
            await self._off(self._check, index)

    def check_by_pieces(self, index: int) -> None:
        """As `check`, if the checksums of the pieces suffice, without reading the file. Blocks."""
        pieces = self.pieces.of(index)
        whole = pieces.extents.total == self.files[index].size and not pieces.overlap
        if whole and self.files[index].sha256 is None:
            self._check(index)

    async def place(self) -> None:
        """Move everything to its final place."""
        await self._off(self._put)

    async def remove(self) -> None:
        """Delete the staging folder."""
        await self.settle()
        await self._off(shutil.rmtree, self._staging, True)

    # -- in threads ----------------------------------------------------------------------------

    async def _off(self, call: Callable[..., T], *arguments: Any) -> T:
        """Run a blocking call in a thread; its OSError becomes a Problem; `settle` waits for it."""
        future = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
        self._busy.add(future)
        future.add_done_callback(self._on_idle)
        with translated():
            # A thread cannot be stopped: a cancelled caller leaves it to `settle`.
            return await asyncio.shield(future)

    def _on_idle(self, future: asyncio.Future[Any]) -> None:
        self._busy.discard(future)
        if not future.cancelled():
            future.exception()

    def _send_off(self, path: str, buffer: _Buffer) -> None:
        """Write a buffer while the next one fills: disk and network work at the same time."""
        piece = ReceivedPiece(self._index[path], path, buffer.start, buffer.parts)
        flying = self._flying[path] = asyncio.ensure_future(self._write(piece))
        self._busy.add(flying)
        flying.add_done_callback(self._on_idle)

    async def _land(self, path: str) -> None:
        """Wait until the file's last buffer is written; re-raise its error."""
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
        """Return the number of the file of these bytes; RemoteFailed if they are outside of it.

        Re-raises the failure of a check.
        """
        if self.failed is not None:
            raise self.failed
        index = self._index.get(path)
        if index is None or offset < 0 or offset + size > self.files[index].size:
            raise RemoteFailed(f"The remote sends more than the size of {path[:200]}.", path=path)
        return index

    def _prepare(self) -> None:
        self._staging.parent.mkdir(parents=True, exist_ok=True)
        self._staging.mkdir(mode=0o700, exist_ok=True)
        self.writer.owner = owner_of_new(self._staging.parent)
        for index, file in enumerate(self.files):
            if self.pieces.of(index).extents.total or self.pieces.is_checked(index):
                # Written by an earlier process, unless it was deleted meanwhile.
                there = (self._staging / file.path, self._place / file.path)
                if not any(os.path.lexists(path) for path in there):
                    self.pieces.forget(index)
            if file.directory:
                self.writer.make(file.path)
            elif file.size == 0:
                os.close(self.writer.open(file.path))

    def _check(self, index: int) -> None:
        file = self.files[index]
        if file.crc32 is None and file.sha256 is None:
            self.pieces.set_checked(index, file.size)
            return
        check = self.pieces.of(index).crc32(file.size)
        digest: str | None = None
        if check is None or file.sha256 is not None:
            with os.fdopen(self.writer.open(file.path, os.O_RDONLY), "rb", buffering=0) as source:
                check, digest = checksums.of_file(source, sha256=file.sha256 is not None)
        if (file.crc32 is not None and check != file.crc32) or (
            file.sha256 is not None and digest != file.sha256.lower()
        ):
            self.pieces.forget(index)
            self.writer.unlink(file.path)
            raise Damaged(f"The bytes of {file.path} do not match its checksum.", file.path)
        self.pieces.set_checked(index, file.size)

    def _put(self) -> None:
        place = self._place
        with self.writer.entered() as staged:
            if not os.path.lexists(place):
                os.fchmod(staged, 0o777 & ~_umask())
                os.rename(self._staging, place)
                return
            if place.is_symlink() or not place.is_dir():
                raise Denied(f"{place} exists already and is not a folder.")
            with entered(place) as root:
                for file in self.files:
                    self._put_file(file, staged, root)
        shutil.rmtree(self._staging, ignore_errors=True)

    def _put_file(self, file: File, staged: int, root: int) -> None:
        """Move one file to its place below the open folder `root`."""
        *folder, name = PurePosixPath(file.path).parts
        with ExitStack() as stack:
            number = root
            for part in [*folder, name] if file.directory else folder:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=number)
                try:
                    number = stack.enter_context(entered(part, below=number))
                except OSError as error:
                    if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                        raise
                    # An older link, or one that was put there meanwhile.
                    raise Denied(
                        f"{self._place / file.path} may lead outside of {self._place}.",
                        path=file.path,
                    ) from error
            if not file.directory and _is_there(file.path, staged):
                os.replace(file.path, name, src_dir_fd=staged, dst_dir_fd=number)


def _is_there(path: str, folder: int) -> bool:
    try:
        os.stat(path, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


class Damaged(RemoteFailed):
    """A file does not match its checksum; its bytes were discarded."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message, path=path)


class _Buffer:
    """Consecutive pieces of a file."""

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
    """Return the place of a data set, `folder/permId`; BadRequest if that leads outside.

    If the permId is the path of its only file, the place is that file's folder.
    """
    path = PurePosixPath(perm_id)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in perm_id:
        raise BadRequest("permId: must not lead outside of the target.", field="permId")
    alone = len(files) == 1 and not files[0].directory and files[0].path == path.name
    return folder / (path.parent if alone else path)


def _umask() -> int:
    """Return the process's umask; os.umask would change it for other threads."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.partition("\nUmask:")[2].split()[0], 8)
    except (OSError, IndexError, ValueError):
        return 0o022
