"""CapturedOutput: a run's output, in order, and its text in answers and events.

Output that is not UTF-8 is also given in base64.
"""

from __future__ import annotations

import base64
import os
import tempfile
from array import array
from bisect import bisect_right
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_bridge.models.runs import Omitted, RunModel
from jupyter_bridge.wire import ansi

# Larger output is kept in a file: most runs write little, and a thousand runs are kept.
MEMORY_BYTES = 32 << 10
# A reader that follows is told of a gap only if it is this far behind: twice what it may be before
# the command has to wait for it (`run.PAUSE_BYTES`), and what the pipes hold then.
WINDOW_BYTES = 16 << 20


class Kept(NamedTuple):
    """One stream as an answer shows it: `omitted` bytes are missing after its first `head`."""

    head: bytes
    omitted: int
    tail: bytes


class CapturedOutput:
    """The bytes of one or two streams, by one common offset: their beginning and their end.

    `streams` are their names; one `read` returns bytes of one stream. Answers show `limit` bytes:
    the first half of it, which is kept, and the last. The newest WINDOW_BYTES at least are held for
    readers that follow; older bytes after the first half are discarded.
    """

    def __init__(self, streams: tuple[str, ...], limit: int, folder: Path | None = None) -> None:
        self.streams = streams
        self.limit = limit
        # The bytes written so far, held or not.
        self.size = 0
        # Bytes of the command were lost before they came here.
        self.truncated = False
        self._head = limit - limit // 2
        self._window = max(limit - self._head, WINDOW_BYTES)
        self._folder = folder
        self._memory = bytearray()
        self._file: int | None = None
        # The end of each piece of one stream, ascending, and the index of its stream. Pieces of
        # discarded bytes are removed.
        self._ends = array("Q")
        self._of = bytearray()
        self._sizes = [0] * len(streams)
        self._tidy_at = 2 * self._window

    @property
    def held_bytes(self) -> int:
        """The bytes that are held."""
        return min(self.size, self._head + self._window)

    def write(self, data: bytes, stream: int = 0) -> None:
        """Add `data`; discards the oldest bytes if there are too many."""
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
            view, offset = memoryview(data), self.size
            while view:
                room = self._room(offset)
                _write_all(self._file, view[:room], self._place(offset))
                view, offset = view[room:], offset + len(view[:room])
        self.size += len(data)
        self._sizes[stream] += len(data)
        if self._of and self._of[-1] == stream:
            self._ends[-1] = self.size
        else:
            self._of.append(stream)
            self._ends.append(self.size)
        if self.size > self._tidy_at:
            self._tidy_at = self.size + self._window
            first, last = bisect_right(self._ends, self._head), self._piece(self._oldest)
            del self._ends[first + 1 : last], self._of[first + 1 : last]

    def held(self, offset: int) -> int:
        """Return the first offset held at or after `offset`."""
        return offset if offset < self._head else max(offset, self._oldest)

    def read(self, offset: int, max_bytes: int) -> tuple[str, bytes, bool]:
        """Return a stream's name, at most `max_bytes` of it, and whether more may follow.

        `offset` must be held. True if no bytes of the other stream follow these so far.
        """
        index = self._piece(offset)
        if index == len(self._ends):
            return self.streams[0], b"", True
        end = min(self._ends[index], offset + max_bytes)
        if self._file is None:
            data = bytes(self._memory[offset:end])
        else:
            data = os.pread(self._file, min(end - offset, self._room(offset)), self._place(offset))
        return self.streams[self._of[index]], data, index == len(self._ends) - 1

    def of(self, stream: str) -> Kept:
        """Return one stream, without its middle if there are more than `limit` bytes in all."""
        if self.size <= self.limit:
            return Kept(self._part(stream, 0, self.size), 0, b"")
        head = self._part(stream, 0, self._head)
        tail = self._part(stream, self.size - (self.limit - self._head), self.size)
        total = self._sizes[self.streams.index(stream)]
        if len(head) + len(tail) == total:
            return Kept(head + tail, 0, b"")
        # Whole characters, so that a cut text is still UTF-8.
        head = head[: len(head) - _unfinished(head)]
        tail = tail[_rest_of_character(tail) :]
        return Kept(head, total - len(head) - len(tail), tail)

    def close(self) -> None:
        """Delete the output; closing twice is fine."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self._memory = bytearray()
        self._ends, self._of, self.size = array("Q"), bytearray(), 0

    @property
    def _oldest(self) -> int:
        """The first byte of the window."""
        return max(self._head, self.size - self._window)

    def _part(self, stream: str, offset: int, end: int) -> bytes:
        parts = []
        while offset < end:
            name, data, _ = self.read(offset, min(1 << 20, end - offset))
            offset += len(data)
            if name == stream:
                parts.append(data)
        return b"".join(parts)

    def _piece(self, offset: int) -> int:
        return bisect_right(self._ends, offset)

    def _place(self, offset: int) -> int:
        """Return where a byte is in the file: the window is written in a circle behind the head."""
        if offset < self._head:
            return offset
        return self._head + (offset - self._head) % self._window

    def _room(self, offset: int) -> int:
        """Return how many bytes from `offset` on are in one piece in the file."""
        if offset < self._head:
            return self._head - offset
        return self._head + self._window - self._place(offset)


def _write_all(file: int, data: bytes | memoryview, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view = view[written:]
        offset += written


def fill(model: RunModel, spool: CapturedOutput, *, strip: bool) -> None:
    """Set the model's output fields from the output so far."""
    for stream in spool.streams:
        head, omitted, tail = spool.of(stream)
        if omitted:
            # The text of an answer's only stream has the shorter name.
            prefix = "" if stream == "output" else f"{stream}_"
            setattr(model, f"{prefix}omitted", Omitted(omitted, len(head)))
            model.truncated = True
        data = ansi.strip(head) + ansi.strip(tail) if strip else head + tail
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


def _rest_of_character(data: bytes) -> int:
    """Return how many bytes at the beginning belong to a UTF-8 character that began before."""
    for index, byte in enumerate(data[:4]):
        if not 0x80 <= byte < 0xC0:
            return index
    return 0


def _fields(data: bytes, name: str) -> dict[str, str]:
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        encoded = base64.b64encode(data).decode("ascii")
        key = "base64" if name == "text" else f"{name}_base64"
        return {name: data.decode(errors="replace"), key: encoded}
