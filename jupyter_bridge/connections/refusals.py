"""Refusals: how often a remote has refused a login in a row, and how long the next try waits."""

from __future__ import annotations

import time

from jupyter_bridge.problems import Busy

# Somebody who mistypes is not kept waiting; remotes lock accounts after 5 to 10 tries.
FREE = 3
# Seconds after the first refusal beyond those, doubled by each further one up to the longest.
FIRST, LONGEST = 5.0, 300.0


class Refusals:
    """Of one connection; what was accepted ends the count."""

    def __init__(self) -> None:
        self._count = 0
        self._until = 0.0

    def check(self, name: str) -> None:
        """Pass if a login may be tried now; else Busy, with the seconds to wait."""
        left = self._until - time.monotonic()
        if left > 0:
            raise Busy(
                f"{name} refused {self._count} logins in a row: wait {left:.0f} s before the next.",
                retry_after=round(left, 1),
            )

    def add(self) -> None:
        self._count += 1
        if self._count >= FREE:
            self._until = time.monotonic() + min(FIRST * 2 ** (self._count - FREE), LONGEST)

    def clear(self) -> None:
        self._count, self._until = 0, 0.0
