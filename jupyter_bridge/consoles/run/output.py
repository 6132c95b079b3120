"""CapturedOutput: a run's output, in order, up to a limit; and its text in answers and events.

Output that is not UTF-8 is also given in base64.
"""

from __future__ import annotations

import base64
import os
import tempfile
from bisect import bisect_right
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_bridge.models.runs import RunModel
from jupyter_bridge.wire import ansi

# Larger output is kept in a file: most runs write little, and a thousand runs are kept.
MEMORY_BYTES = 32 << 10


class CapturedOutput:
    """The bytes of one or two streams, by one common offset; at most `limit` bytes are kept.

    `streams` are their names; one `read` returns bytes of one stream.
    """

    def __init__(self, streams: tuple[str, ...], limit: int, folder: Path | None = None) -> None:
        self.streams = streams
        self.limit = limit
        self.size = 0
        self.truncated = False
        self._folder = folder
        self._memory = bytearray()
        self._file: int | None = None
        # The end of each piece of one stream, ascending, and the index of its stream.
        self._ends: list[int] = []
        self._of: list[int] = []

    def write(self, data: bytes, stream: int = 0) -> None:
        """Add `data`, as far as there is room."""
        room = self.limit - self.size
        if len(data) > room:
            data = data[:room]
            self.truncated = True
        if not data:
            return
        if self._file is None and self.size + len(data) > MEMORY_BYTES:
            self._file, path = tempfile.mkstemp(dir=self._folder)
            os.unlink(path)
            _write_all(self._file, bytes(self._memory), 0)
            self._memory = bytearray()
        if self._file is None:
            self._memory += data
        else:
            _write_all(self._file, data, self.size)
        self.size += len(data)
        if self._of and self._of[-1] == stream:
            self._ends[-1] = self.size
        else:
            self._of.append(stream)
            self._ends.append(self.size)

    def read(self, offset: int, max_bytes: int) -> tuple[str, bytes, bool]:
        """Return a stream's name, at most `max_bytes` of it, and whether more may follow.

        True if no bytes of the other stream follow these so far.
        """
        index = bisect_right(self._ends, offset)
        if index == len(self._ends):
            return self.streams[0], b"", True
        end = min(self._ends[index], offset + max_bytes)
        if self._file is None:
            data = bytes(self._memory[offset:end])
        else:
            data = os.pread(self._file, end - offset, offset)
        return self.streams[self._of[index]], data, index == len(self._ends) - 1

    def of(self, stream: str) -> bytes:
        """Return all bytes of one stream."""
        parts = []
        offset = 0
        while offset < self.size:
            name, data, _ = self.read(offset, 1 << 20)
            offset += len(data)
            if name == stream:
                parts.append(data)
        return b"".join(parts)

    def close(self) -> None:
        """Delete the output; closing twice is fine."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._memory = bytearray()
        self._ends, self._of, self.size = [], [], 0


def _write_all(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view = view[written:]
        offset += written


def fill(model: RunModel, spool: CapturedOutput, *, strip: bool) -> None:
    """Set the model's output fields from the output so far."""
    for stream in spool.streams:
        data = spool.of(stream)
        if strip:
            data = ansi.strip(data)
        for name, value in _fields(data, stream).items():
            setattr(model, name, value)


class OutputText(NamedTuple):
    """A piece of output for an event, and its size in bytes."""

    used: int
    fields: dict[str, Any]


def text_of(data: bytes, *, last: bool, more: bool = False) -> OutputText:
    """Return the part of `data` that ends with a whole character, or all if nothing can follow."""
    if not last or more:
        data = data[: len(data) - _unfinished(data)]
    return OutputText(len(data), _fields(data, "text")) if data else OutputText(0, {})


def _unfinished(data: bytes) -> int:
    """Return how many bytes at the end belong to an incomplete UTF-8 character."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < size else 0
        if byte < 0x80:
            return 0
    return 0


def _fields(data: bytes, name: str) -> dict[str, str]:
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        encoded = base64.b64encode(data).decode("ascii")
        key = "base64" if name == "text" else f"{name}_base64"
        return {name: data.decode(errors="replace"), key: encoded}
