"""StderrTail: what a kernel wrote to stderr lately, so that one that fails can be quoted."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections import deque

# Enough for a Python traceback; a line is cut where a terminal would have scrolled away.
_LINES = 40
_LINE = 2000
_CHUNK = 65536


class StderrTail:
    """A pipe to give a kernel as stderr: passed on to the server's own, its end remembered.

    The write end stays open here, too: the host keeps its number and hands it to the kernel again
    when it restarts it. `close` it when the kernel is gone.
    """

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read_end, self._read)
        self._lines: deque[str] = deque(maxlen=_LINES)
        self._partial = b""
        self._closed = False

    def _read(self) -> None:
        try:
            data = os.read(self._read_end, _CHUNK)
        except BlockingIOError:
            return
        _pass_on(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._partial = self._partial[-_LINE:]
        self._lines.extend(line.decode("utf-8", "replace")[:_LINE] for line in lines)

    def lines(self) -> list[str]:
        """The last lines, an unfinished one included."""
        while not self._closed and select.select([self._read_end], [], [], 0)[0]:
            self._read()
        last = [self._partial.decode("utf-8", "replace")] if self._partial else []
        return [*self._lines, *last]

    def close(self) -> None:
        """Close the pipe; closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
            os.close(self.write_end)


def _pass_on(data: bytes) -> None:
    """Copy to the server's stderr, but never wait for it."""
    try:
        fd = sys.__stderr__.fileno() if sys.__stderr__ is not None else -1
        for start in range(0, len(data), select.PIPE_BUF):
            if fd < 0 or not select.select([], [fd], [], 0)[1]:
                return
            os.write(fd, data[start : start + select.PIPE_BUF])
    except (OSError, ValueError):
        return
