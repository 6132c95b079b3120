"""An answer that is kept for repeats."""

from __future__ import annotations

from typing import NamedTuple


class StoredAnswer(NamedTuple):
    """A sent answer: status, `Location` if any, and the body."""

    status: int
    location: str | None
    body: bytes
