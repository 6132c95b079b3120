"""Pipes: what a command writes to its stdout and stderr, read as it comes."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Callable

READ_BYTES = 64 << 10


class Pipes:
    """Reads the ends of named pipes and calls `on_data(data, index)`; owns the descriptors.

    A background job may hold a pipe open after its command: it is read on and forgotten, so that
    the job neither blocks nor dies of it.
    """

    def __init__(self, ends: list[int], on_data: Callable[[bytes, int], None]) -> None:
        self._ends = {end: index for index, end in enumerate(ends)}
        self._on_data: Callable[[bytes, int], None] | None = on_data
        self._loop = asyncio.get_running_loop()
        for end in ends:
            self._loop.add_reader(end, self._read, end)

    def drain(self) -> None:
        """The command has ended: pass on what it wrote, and nothing after it."""
        for end in list(self._ends):
            ready = int(struct.unpack("i", fcntl.ioctl(end, termios.FIONREAD, b"\0" * 4))[0])
            while ready > 0 and (got := self._read(end, min(ready, READ_BYTES))):
                ready -= got
        self._on_data = None

    def close(self) -> None:
        """Close what is open; closing twice is fine."""
        for end in list(self._ends):
            self._close(end)

    def _read(self, end: int, size: int = READ_BYTES) -> int:
        try:
            data = os.read(end, size)
        except BlockingIOError:
            return 0
        if not data:
            self._close(end)
        elif self._on_data is not None:
            self._on_data(data, self._ends[end])
        return len(data)

    def _close(self, end: int) -> None:
        self._loop.remove_reader(end)
        del self._ends[end]
        os.close(end)
