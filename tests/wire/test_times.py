from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.wire.times import from_iso, now, to_iso

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# Until the year 9999, to the microsecond.
MOMENTS = st.builds(datetime.fromtimestamp, st.floats(0, 253e9), ZONES)


def test_a_time_is_told_in_utc_to_the_millisecond() -> None:
    """Whatever its zone, it ends with Z and has three digits behind the point."""
    berlin = timezone(timedelta(hours=1))
    assert to_iso(datetime(2026, 11, 22, 10, 30, tzinfo=berlin)) == "2026-11-22T09:30:00.000Z"
    assert to_iso(datetime(2026, 1, 2, 3, 4, 5, 678_999, timezone.utc)).endswith("05.678Z")


@given(MOMENTS)
def test_what_was_told_is_read_back(when: datetime) -> None:
    """To the millisecond, as a time with a zone."""
    again = from_iso(to_iso(when))
    assert again.tzinfo is not None
    assert timedelta(0) <= when - again < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T09:30:00Z",
        "2026-11-22T09:30:00",
        "2026-11-22T10:30:00+01:00",
        "2026-11-22 09:30",
    ],
)
def test_others_tell_times_their_way(text: str) -> None:
    """With Z, with an offset, with nothing, which is UTC."""
    assert from_iso(text) == datetime(2026, 11, 22, 9, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize("text", ["", "Z", "yesterday", "2026-13-01", "12"])
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    """And no other error."""
    with pytest.raises(ValueError, match=r"."):
        from_iso(text)


def test_now_has_a_zone() -> None:
    """A time without one cannot be told."""
    assert now().utcoffset() == timedelta(0)


@given(st.text(max_size=30) | st.datetimes().map(str) | st.from_regex(r"[0-9TZ:+. -]{0,30}\Z"))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    """What is read has a zone, and a place on the Unix time line."""
    try:
        when = from_iso(text)
    except ValueError:
        return
    assert when.utcoffset() is not None
    assert isinstance(when.timestamp(), float)
