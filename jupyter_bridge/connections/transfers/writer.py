"""Writer: pieces of a download to the disk. All of it blocks, and is called in threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from jupyter_bridge.connections.transfers import checksums
from jupyter_bridge.connections.transfers.progress_log import ProgressLog

# Bytes written by one call. More at once takes the largest pages of memory, which a virtual machine
# may have given back to its host: then it is four times as slow.
STEP = 256 << 10
# Freed memory that may stay with the process, in bytes: above all pieces of one download that wait
# at a time.
KEPT = 16 << 20


class Writer:
    """Writes below `folder`, and tells `pieces` what is there, in this order."""

    def __init__(self, folder: Path, pieces: ProgressLog) -> None:
        self._folder = folder
        self._pieces = pieces
        self._made: set[Path] = set()

    def make(self, folder: Path) -> None:
        """Make a folder, once."""
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)

    def open(self, path: str) -> int:
        """A descriptor of the file at `path`, for writing."""
        target = self._folder / path
        self.make(target.parent)
        return open_new(target)

    def put(
        self,
        index: int,
        path: str,
        start: int,
        parts: Sequence[bytes | bytearray | memoryview],
        crc32: int | None = None,
    ) -> int | None:
        """Write bytes that follow each other, of the file `index` at `path`.

        `crc32` is what the remote says of them, if it does. Returns how many of them are new, or
        None where they are not what `crc32` says; then nothing of them is kept.
        """
        check = checksums.of_parts(parts)
        if crc32 is not None and check != crc32:
            return None
        line = self.open(path)
        try:
            stop = write_at(line, start, parts)
        finally:
            os.close(line)
        return self._pieces.add(index, start, stop, check)


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
