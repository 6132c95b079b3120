"""How many bytes are held at once."""

from __future__ import annotations

import pytest

from jupyter_bridge.aio.budget import Budget


@pytest.mark.parametrize(
    ("before", "last", "fits"),
    [((), 10, True), ((4,), 6, True), ((4,), 7, False), ((), 11, True), ((11,), 1, False)],
)
def test_what_fits(before: tuple[int, ...], last: int, fits: bool) -> None:
    """What is held at once is bounded; a single one that is larger still has its turn."""
    budget = Budget(10)
    assert all(budget.take(size) for size in before)
    assert budget.take(last) is fits
    assert budget.held == sum(before) + last * fits


def test_what_is_given_back_fits_again() -> None:
    """What was refused took nothing, and what is given back may be taken again."""
    budget = Budget(10)
    assert budget.take(8)
    assert not budget.take(3)
    budget.give(8)
    assert budget.held == 0
    assert budget.take(10)
