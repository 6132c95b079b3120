"""The bytes of one remote file from an offset on, even if the session expires meanwhile."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Expired
from jupyter_bridge.connections.roles import CanRead


async def read(
    connection: Connection, perm_id: str, path: str, start: int = 0, stop: int | None = None
) -> AsyncIterator[bytes]:
    """As CanRead.read; if the session expires between two pieces, resume after a login."""
    at, renewed_at = start, -1
    while True:
        connector = await connection.ready(CanRead)
        count = connection.session.count
        pieces: Any = connector.read(perm_id, path, at, stop)
        try:
            async for piece in pieces:
                yield piece
                at += len(piece)
            return
        except Expired:
            if renewed_at == at:
                raise
            renewed_at = at
            await connection.renew(count)
        finally:
            await pieces.aclose()


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return start and stop (exclusive) of a Range header; None for the whole or several ranges.

    Raises ValueError if the file has none of these bytes.
    """
    unit, _, ends = header.partition("=")
    first, dash, last = (part.strip() for part in ends.partition("-"))
    # An offset has at most 19 digits.
    if unit.strip() != "bytes" or not dash or not re.fullmatch("[0-9]{0,19}", first):
        return None
    if not re.fullmatch("[0-9]{0,19}", last) or first == last == "":
        return None
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start = int(first)
        stop = min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= stop:
        raise ValueError("unsatisfiable")
    return start, stop
