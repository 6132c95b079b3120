"""ProgressLog: the finished parts of a transfer, in an append-only file.

A record is appended after its bytes are written to disk, or acknowledged by the remote, so the file
is correct even after a crash; an incomplete last record is removed. Little-endian: kind u8, file
u32, start u64, stop u64, CRC32 u32.
"""

from __future__ import annotations

import os
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_bridge.connections.transfers import checksums
from jupyter_bridge.connections.transfers.ranges import ByteRanges
from jupyter_bridge.private_files import open_private, read_regular

_RECORD = struct.Struct("<BIQQI")
_PIECE, _CHECKED, _FORGET = 1, 2, 3
# The largest log that is read: 40 million pieces. Bytes.
MAX_FILE = 1 << 30


@dataclass
class FileProgress:
    """The finished pieces of one file, and the CRC32 of each."""

    extents: ByteRanges = field(default_factory=ByteRanges)
    sums: dict[int, tuple[int, int]] = field(default_factory=dict)  # start: (stop, CRC32)
    overlap: bool = False

    def add(self, start: int, stop: int, check: int) -> int:
        new = self.extents.add(start, stop)
        if new != stop - start:
            self.overlap = True
        self.sums[start] = (stop, check)
        return new

    def crc32(self, size: int) -> int | None:
        """Return that of the whole file; None if its pieces overlap or are incomplete."""
        if self.overlap or self.extents.total != size:
            return None
        parts = [(check, stop - start) for start, (stop, check) in sorted(self.sums.items())]
        return checksums.combine(parts)


class ProgressLog:
    """The pieces of all files, by number. Thread-safe; each call blocks for a small write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[int, FileProgress] = {}
        self._checked: dict[int, int] = {}  # size by file; their pieces are not needed
        self._file: int | None = None
        self._lock = threading.Lock()

    def load(self) -> None:
        """Read the file of an earlier process."""
        self._files.clear()
        self._checked.clear()
        try:
            data = read_regular(self._path, MAX_FILE)
        except FileNotFoundError:
            return
        whole = len(data) - len(data) % _RECORD.size
        for kind, index, start, stop, check in _RECORD.iter_unpack(data[:whole]):
            self._apply(kind, index, start, stop, check)
        if whole != len(data):
            os.truncate(self._path, whole)

    def of(self, index: int) -> FileProgress:
        """Return the pieces of a file that is not checked yet."""
        return self._files.get(index) or FileProgress()

    def is_checked(self, index: int) -> bool:
        return index in self._checked

    def add(self, index: int, start: int, stop: int, check: int) -> int:
        """Add finished bytes; return how many of them are new."""
        with self._lock:
            self._write(_PIECE, index, start, stop, check)
            return self._apply(_PIECE, index, start, stop, check)

    def set_checked(self, index: int, size: int) -> None:
        """Note that a file of this size is complete and checked."""
        with self._lock:
            self._write(_CHECKED, index, 0, size, 0)
            self._apply(_CHECKED, index, 0, size, 0)

    def forget(self, index: int) -> None:
        """Remove all pieces of a file."""
        with self._lock:
            self._write(_FORGET, index, 0, 0, 0)
            self._apply(_FORGET, index, 0, 0, 0)

    def clear(self) -> None:
        """Remove all pieces of all files."""
        with self._lock:
            self._close()
            self._path.unlink(missing_ok=True)
            self._files.clear()
            self._checked.clear()

    @property
    def done(self) -> int:
        """The number of finished bytes."""
        open_files = sum(file.extents.total for file in list(self._files.values()))
        return open_files + sum(self._checked.values())

    def rest(self) -> None:
        """Close the file, and keep nothing in memory until the next `load`."""
        with self._lock:
            self._close()
            self._files.clear()
            self._checked.clear()

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _apply(self, kind: int, index: int, start: int, stop: int, check: int) -> int:
        if kind == _PIECE:
            return self._files.setdefault(index, FileProgress()).add(start, stop, check)
        self._files.pop(index, None)
        if kind == _CHECKED:
            self._checked[index] = stop
        else:
            self._checked.pop(index, None)
        return 0

    def _write(self, *record: int) -> None:
        if self._file is None:
            self._file = open_private(self._path, os.O_WRONLY | os.O_APPEND)
        os.write(self._file, _RECORD.pack(*record))
