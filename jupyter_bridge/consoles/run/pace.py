"""Pace: a command waits for the slowest client that follows its output."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_bridge.aio.news import News

# The command waits when a client is so far behind, and goes on when it is nearer than the second.
# Bytes; `output.WINDOW_BYTES` is larger.
PAUSE_BYTES = 4 << 20
RESUME_BYTES = 1 << 20


class Pace:
    """Calls `hold(True)` when the output must wait, and `hold(False)` when it may flow again."""

    def __init__(self, hold: Callable[[bool], None]) -> None:
        self._hold = hold
        self._size = 0
        # Where each client is; none counts once `release` was called.
        self._readers: dict[object, int] = {}
        self._is_held = self._is_released = False
        self._more_room = News()

    def wrote(self, size: int) -> None:
        """Note how many bytes the command has written."""
        self._size = size
        self._update()

    def reads(self, reader: object, offset: int) -> None:
        """Note that a client has taken all bytes before `offset`."""
        self._readers[reader] = offset
        self._update()

    def leaves(self, reader: object) -> None:
        """Note that a client has gone; leaving twice is fine."""
        self._readers.pop(reader, None)
        self._update()

    def release(self) -> None:
        """Wait for nobody from now on: a shell that must wait cannot report the command's end."""
        self._is_released = True
        self._update()

    async def room(self) -> None:
        """Return when the clients can take more."""
        while self._is_held:
            await self._more_room.next.wait()

    def _update(self) -> None:
        behind = self._size - min(self._readers.values(), default=self._size)
        held = behind > (RESUME_BYTES if self._is_held else PAUSE_BYTES)
        held = held and not self._is_released
        if held != self._is_held:
            self._is_held = held
            self._hold(held)
            if not held:
                self._more_room.tell()
