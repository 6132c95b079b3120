"""StderrTail: the last lines of a kernel's stderr, for the Problem of a failed kernel."""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections import deque

# Enough for a Python traceback; longer lines are cut.
_LINES = 40
_LINE = 2000
_CHUNK = 65536


class StderrTail:
    """A pipe as a kernel's stderr: copies to the server's stderr, and keeps the last lines.

    The write end also stays open here: the host stores its number and passes it to the kernel again
    at a restart. `close` it when the kernel is gone.
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
        """Return the last lines, including an unfinished line."""
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
    """Copy to the server's stderr, without waiting for it."""
    try:
        fd = sys.__stderr__.fileno() if sys.__stderr__ is not None else -1
        for start in range(0, len(data), select.PIPE_BUF):
            if fd < 0 or not select.select([], [fd], [], 0)[1]:
                return
            os.write(fd, data[start : start + select.PIPE_BUF])
    except (OSError, ValueError):
        return
