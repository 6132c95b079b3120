"""Times as they are told: ISO 8601 in UTC, `2026-11-22T09:30:00.250Z`."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(timezone.utc)


def to_iso(when: datetime) -> str:
    """A time with its zone, to the millisecond, in UTC."""
    utc = when.astimezone(timezone.utc).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def from_iso(text: str) -> datetime:
    """A time in ISO 8601; one without a zone is in UTC. Raises ValueError."""
    # Python 3.10 does not know the Z.
    when = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)
    return when if when.tzinfo is not None else when.replace(tzinfo=timezone.utc)
