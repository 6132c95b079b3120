"""SocketSource: a console whose bytes come over one websocket that reconnects."""

from __future__ import annotations

import logging
from abc import abstractmethod
from typing import Any

from jupyter_bridge.interfaces import Source
from jupyter_bridge.transport.reconnect import ReconnectingSocket, Socket


class SocketSource(Source):
    """Base class: `_dial` opens the websocket, `_size_frame` encodes a screen size."""

    def __init__(self, log: logging.Logger | logging.LoggerAdapter[Any]) -> None:
        self._socket = ReconnectingSocket(self._dial, log)
        self._size: tuple[int, int] | None = None

    @abstractmethod
    async def _dial(self) -> Socket:
        """Open the websocket, the first time or again."""

    def _size_frame(self, rows: int, cols: int) -> str | bytes | None:
        """Return the frame with the size of the screen; None if the remote takes none."""
        return None

    def resize(self, rows: int | None, cols: int | None) -> None:
        if rows and cols:
            self._size = (rows, cols)
            self._send_size()

    def _send_size(self) -> None:
        if self._size is not None and self._socket.is_up:
            frame = self._size_frame(*self._size)
            if frame is not None:
                self._socket.post(frame)

    def pause(self) -> None:
        self._socket.pause()

    def resume(self) -> None:
        self._socket.resume()

    async def close(self) -> None:
        await self._socket.close()
