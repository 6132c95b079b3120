"""WaitingInput: what waits to be typed into one console, bounded.

A terminal whose program reads nothing, a kernel and a remote console take no input for as long as
they like, and their writers may send and hang up again and again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_bridge.aio.budget import Budget
from jupyter_bridge.problems import Busy

# The most bytes that wait: those of the largest request. Each write counts WRITE_COST more, for its
# objects.
MAX_WAITING = 16 << 20
WRITE_COST = 1 << 10


class WaitingInput:
    """The input that waits for the console `name`, of all its writers."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._budget = Budget(MAX_WAITING + WRITE_COST)

    @contextmanager
    def hold(self, data: bytes) -> Iterator[None]:
        """Count `data` as waiting; Busy if more than MAX_WAITING bytes would wait."""
        size = len(data) + WRITE_COST
        if not self._budget.take(size):
            raise Busy(
                f"Console {self._name!r} has not read {self._budget.held} bytes that were typed "
                "before. Try again later."
            )
        try:
            yield
        finally:
            self._budget.give(size)
