"""GapAllowance: how many gaps the source of a console may still leave.

Each gap costs the journal a segment, two files. A source that loses output now and then, or much
of it, earns more gaps than it leaves; one that sends a byte and a gap in turn does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# At most so many gaps in a burst, ...
BURST = 1_000
# ... and beyond it one for so many bytes of output, and one a second.
EARN_BYTES = 4096


class GapAllowance:
    """Counts gaps against output and time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left = float(BURST)
        self._since = clock()
        self._bytes = 0

    def earn(self, size: int) -> None:
        """Count so many bytes of output. Cheap."""
        self._bytes += size

    def spend(self) -> bool:
        """Count a gap; False if it is one too many."""
        now = self._clock()
        earned = now - self._since + self._bytes / EARN_BYTES
        self._left = min(float(BURST), self._left + earned) - 1
        self._since, self._bytes = now, 0
        return self._left >= 0
