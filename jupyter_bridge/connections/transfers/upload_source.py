"""UploadSource: reads the bytes of an upload as they are sent, and logs acknowledged ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from jupyter_bridge.aio.loop_thread import to_its_end
from jupyter_bridge.connections.roles import Span
from jupyter_bridge.connections.transfers import checksums
from jupyter_bridge.connections.transfers.disk_problems import translated
from jupyter_bridge.connections.transfers.progress_log import ProgressLog
from jupyter_bridge.models.datasets import File
from jupyter_bridge.private_files import open_unlinked
from jupyter_bridge.problems import Conflict

# Bytes read and sent at a time, small enough to stay in the processor's cache.
PIECE = 256 << 10


class UploadSource:
    """Reads in threads."""

    def __init__(self, inline: SyncUploadSource) -> None:
        self._inline = inline
        self._sent: list[Span] = []

    def file(self, path: str) -> File:
        return self._inline.file(path)

    async def take(self, span: Span) -> bytes:
        """Log the acknowledged spans, then read: one switch to a thread for both."""
        sent, self._sent = self._sent, []

        def note_and_read() -> bytes:
            self._note(sent)
            return b"".join(self._inline.pieces(span))

        return await to_its_end(note_and_read)

    def sent(self, span: Span) -> None:
        self._sent.append(span)

    async def flush(self) -> None:
        """Log the acknowledged spans."""
        sent, self._sent = self._sent, []
        if sent:
            await to_its_end(lambda: self._note(sent))

    def inline(self) -> AbstractContextManager[SyncUploadSource]:
        return nullcontext(self._inline)

    def _note(self, sent: list[Span]) -> None:
        for span in sent:
            self._inline.sent(span)


class SyncUploadSource:
    """Blocks its thread while it reads and logs.

    `sources` are the path and mtime (ns since the epoch) of each file; `on_bytes(new, path)`
    reports acknowledged bytes.
    """

    def __init__(
        self,
        files: Sequence[File],
        sources: Sequence[tuple[str, int]],
        pieces: ProgressLog,
        on_bytes: Callable[[int, str], None],
    ) -> None:
        self._files = files
        self._sources = sources
        self._pieces = pieces
        self._on_bytes = on_bytes
        self._index = {file.path: number for number, file in enumerate(files)}
        self._checks: dict[Span, int] = {}

    def file(self, path: str) -> File:
        return self._files[self._index[path]]

    def pieces(self, span: Span) -> Iterator[bytes]:
        """Yield the span's bytes; Conflict if the file has changed since the upload began."""
        check = 0
        if span.start < span.stop:
            path, changed = self._sources[self._index[span.path]]
            with translated(), _opened(path) as line:
                for start in range(span.start, span.stop, PIECE):
                    size = min(PIECE, span.stop - start)
                    piece = os.pread(line, size, start)
                    if len(piece) != size or os.fstat(line).st_mtime_ns != changed:
                        raise Conflict(f"{path} changed while it was uploaded.", path=path)
                    check = checksums.crc32(piece, check)
                    yield piece
        self._checks[span] = check

    def sent(self, span: Span) -> None:
        """Log an acknowledged span."""
        index = self._index[span.path]
        with translated():
            check = self._checks.pop(span)
            new = self._pieces.add(index, span.start, span.stop, check)
            if span.start == span.stop:
                self._pieces.set_checked(index, 0)
        self._on_bytes(new, span.path)


@contextmanager
def _opened(path: str) -> Iterator[int]:
    line = open_unlinked(path, os.O_RDONLY)
    try:
        yield line
    finally:
        os.close(line)
