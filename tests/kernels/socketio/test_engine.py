"""Packets of socket.io: what is none is refused before anything comes of it."""

from __future__ import annotations

import pytest

from jupyter_bridge.kernels.socketio.engine import Packet, Unreadable


@pytest.mark.parametrize("message", ["", b"", "9", "x", "2", b"attachment of nothing"])
def test_no_packet(message: str | bytes) -> None:
    """An empty message, too, is no packet, and no event without data."""
    with pytest.raises(Unreadable):
        Packet(encoded_packet=message)
