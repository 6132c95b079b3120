"""SyncSink: writes a download's bytes in the thread that receives them.

A piece that moves to another thread has left the processor's cache when it is written, and needs
new memory: that costs as much again as to receive and to write it. So a fast connector receives in
a thread of its own (Outbound.apart), which may wait for the disk, and writes each piece at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Protocol

from jupyter_bridge.connections.transfers import checksums
from jupyter_bridge.connections.transfers.disk_problems import translated
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.connections.transfers.writer import Writer, write_at
from jupyter_bridge.models.datasets import File

# Bytes of a stream between two log records: a killed process downloads these again.
NOTE_BYTES = 1 << 20


class StagedFiles(Protocol):
    """The target of a SyncSink: `staging.Staging`."""

    @property
    def files(self) -> Sequence[File]:
        """The files, by their index."""

    @property
    def pieces(self) -> ProgressLog:
        """The log of the pieces that are written."""

    @property
    def writer(self) -> Writer:
        """The writer below the staging folder."""

    def judge(self, path: str, offset: int, size: int) -> int:
        """Return the index of the file at `path`; raise if these bytes are outside of it."""

    def on_bytes(self, count: int, path: str) -> None:
        """Report new bytes of a file."""

    def check_by_pieces(self, index: int) -> None:
        """Check a complete file by the checksums of its pieces."""


class SyncSink:
    """A Sink that blocks its thread while it writes; `close` logs the last bytes."""

    def __init__(self, target: StagedFiles) -> None:
        self._target = target
        self._runs: dict[tuple[str, int], _Run] = {}  # by path and next offset

    async def write(self, path: str, offset: int, data: bytes | bytearray | memoryview) -> None:
        index = self._target.judge(path, offset, len(data))
        if not data or self._target.pieces.is_checked(index):
            return
        with translated():
            run = self._runs.pop((path, offset), None)
            if run is None:
                run = _Run(index, path, offset, self._target.writer.open(path))
            try:
                run.write(data)
            finally:
                self._keep(run)
            if run.stop == self._target.files[index].size:
                self._end(run)
                self._check(index)
            elif run.size >= NOTE_BYTES:
                self._note(run)

    async def write_checked(
        self, path: str, offset: int, parts: Sequence[memoryview | bytearray], crc32: int
    ) -> bool:
        size = sum(map(len, parts))
        index = self._target.judge(path, offset, size)
        if not size or self._target.pieces.is_checked(index):
            return checksums.of_parts(parts) == crc32
        with translated():
            new = self._target.writer.put(index, path, offset, parts, crc32)
            if new is None:
                return False
            self._target.on_bytes(new, path)
            self._check(index)
        return True

    def inline(self) -> AbstractContextManager[SyncSink]:
        return nullcontext(self)  # itself

    def close(self) -> None:
        with translated(), ExitStack() as stack:
            for run in list(self._runs.values()):
                stack.callback(self._end, run)

    def _keep(self, run: _Run) -> None:
        # Two runs of overlapping spans may reach the same offset.
        other = self._runs.get(run.key)
        if other is not None:
            self._end(other)
        self._runs[run.key] = run

    def _end(self, run: _Run) -> None:
        del self._runs[run.key]
        try:
            self._note(run)
        finally:
            os.close(run.line)

    def _note(self, run: _Run) -> None:
        if run.size:
            new = self._target.pieces.add(run.index, run.start, run.stop, run.check)
            run.start, run.check = run.stop, 0
            self._target.on_bytes(new, run.path)

    def _check(self, index: int) -> None:
        # A damaged file is deleted: no run may be writing to it.
        if not any(run.index == index for run in self._runs.values()):
            self._target.check_by_pieces(index)


class _Run:
    """Consecutive bytes of a file; `start` to `stop` are written and not logged yet."""

    def __init__(self, index: int, path: str, start: int, line: int) -> None:
        self.index = index
        self.path = path
        self.start = self.stop = start
        self.line = line
        self.check = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.path, self.stop

    @property
    def size(self) -> int:
        return self.stop - self.start

    def write(self, data: bytes | bytearray | memoryview) -> None:
        check = checksums.crc32(data, self.check)
        self.stop = write_at(self.line, self.stop, (data,))
        self.check = check
