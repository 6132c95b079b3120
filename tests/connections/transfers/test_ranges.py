"""connections/transfers/ranges.py: a set of bytes as spans."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.connections.transfers.ranges import ByteRanges

spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12)


@given(spans, st.integers(0, 45), st.integers(0, 45))
def test_extents_are_a_set(added: list[tuple[int, int]], start: int, stop: int) -> None:
    """Whatever is added, in whatever order, it is the set of those bytes."""
    extents, known = ByteRanges(), set[int]()
    for one in added:
        new = set(range(*one)) - known
        assert extents.add(*one) == len(new)
        known |= new
    assert extents.total == len(known)
    missing = {byte for gap in extents.missing(start, stop) for byte in range(*gap)}
    assert missing == set(range(start, stop)) - known
    assert ByteRanges(extents.to_json()).to_json() == extents.to_json()


@given(spans)
def test_extents_are_as_few_as_possible(added: list[tuple[int, int]]) -> None:
    """Spans that touch are one."""
    found = ByteRanges(added).to_json()
    assert all(stop < start for (_, stop), (start, _) in itertools.pairwise(found))
