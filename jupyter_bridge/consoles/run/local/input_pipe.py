"""InputPipe: a command's stdin as a named pipe, which is filled as the input comes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from jupyter_bridge.problems import Conflict, Gone

# The longest pause between two attempts to open the pipe, which its reader has to open first, s.
LOOK_EVERY = 0.02


class InputPipe:
    """The writing end of the pipe at `path`; `start` it, and `close` it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._end: int | None = None
        self._is_open = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._is_over = False
        self._has_room = asyncio.Event()
        # The bytes written so far.
        self.taken = 0

    def start(self) -> None:
        """Open the pipe as soon as the shell has: its open waits for ours."""
        self._opening = self._loop.create_task(self._open())

    async def send(self, data: bytes, offset: int | None, *, end: bool) -> int:
        """Write `data`, which begins at `offset` of the input; return the bytes taken so far.

        What was taken before is skipped, so a repeated call is safe. With `end`, the command sees
        the end of the input after the data. Conflict if input is missing before the offset.
        """
        async with self._one_at_a_time:
            start = self.taken if offset is None else offset
            if start > self.taken:
                raise Conflict(f"Input is missing: send it from offset {self.taken} on.")
            data = data[self.taken - start :]
            if self._is_over:
                if data:
                    raise Gone("The input was ended before.")
                return self.taken
            await self._is_open.wait()
            await self._write(data)
            if end:
                self.close()
        return self.taken

    async def _open(self) -> None:
        pause = 0.001
        while not self._is_over:
            try:
                self._end = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError:  # ENXIO: the shell has not opened it yet
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LOOK_EVERY)
        self._is_open.set()

    async def _write(self, data: bytes) -> None:
        while data:
            if self._end is None:
                raise Gone("The command has ended and takes no input.")
            try:
                written = os.write(self._end, data[: 64 << 10])
            except BlockingIOError:
                await self._room(self._end)
                continue
            except BrokenPipeError as error:
                self.close()
                raise Gone("The command takes no more input.") from error
            self.taken += written
            data = data[written:]

    async def _room(self, end: int) -> None:
        """Return when the pipe has room, or is closed."""
        self._has_room.clear()
        self._loop.add_writer(end, self._has_room.set)
        try:
            await self._has_room.wait()
        finally:
            if self._end is not None:
                self._loop.remove_writer(end)

    def close(self) -> None:
        """End the input; closing twice is fine."""
        self._is_over = True
        if self._opening is not None:
            self._opening.cancel()
        end, self._end = self._end, None
        if end is not None:
            self._loop.remove_writer(end)
            os.close(end)
        self._is_open.set()
        self._has_room.set()
