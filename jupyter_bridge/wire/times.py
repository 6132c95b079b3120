"""Times in answers: ISO 8601 in UTC, as `2026-11-22T09:30:00.250Z`."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> datetime:
    """Return the present time, in UTC."""
    return datetime.now(timezone.utc)


def to_iso(when: datetime) -> str:
    """Format a time that has a zone, to the millisecond, in UTC."""
    utc = when.astimezone(timezone.utc).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def from_iso(text: str) -> datetime:
    """Parse a time in ISO 8601, in UTC if it has no zone. Raises ValueError."""
    # Python 3.10 does not accept the Z.
    when = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)
    return when if when.tzinfo is not None else when.replace(tzinfo=timezone.utc)


def read_iso(value: object) -> datetime | None:
    """Return the time that `value` holds in ISO 8601; None if it holds none."""
    try:
        return from_iso(str(value)).astimezone(timezone.utc)
    except (ValueError, OverflowError):  # beyond the years 1 to 9999
        return None
