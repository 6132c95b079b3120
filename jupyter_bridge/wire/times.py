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


def from_epoch(seconds: float) -> str | None:
    """Return a stranger's time (since the epoch) in ISO 8601, to the second, in UTC.

    None if it is in no year that a calendar has: a file's date may be any number.
    """
    try:
        when = datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
    return when.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def from_iso(text: str) -> datetime:
    """Parse a time in ISO 8601, in UTC if it has no zone. Raises ValueError.

    Also for a time that is in no year of UTC, as the first of January of year 1 in Tokyo.
    """
    # Python 3.10 does not accept the Z.
    when = datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)
    if when.tzinfo is None:
        return when.replace(tzinfo=timezone.utc)
    try:
        when.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError(f"{text} is out of range") from error
    return when


def read_iso(value: object) -> datetime | None:
    """Return the time that `value` holds in ISO 8601; None if it holds none."""
    try:
        return from_iso(str(value)).astimezone(timezone.utc)
    except (ValueError, OverflowError):  # beyond the years 1 to 9999
        return None
