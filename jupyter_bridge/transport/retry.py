"""RetryPeriod: how long and how often a failed action is retried."""

from __future__ import annotations

import asyncio
import time

from jupyter_bridge.problems import Unavailable

# How long a client retries: enough for a server's restart or a short network outage. Seconds.
PATIENCE_SECONDS = 60.0
_FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0


class RetryPeriod:
    """Pauses that double up to `longest` seconds, until `seconds` without success have passed."""

    def __init__(self, seconds: float = PATIENCE_SECONDS, longest: float = LONGEST_PAUSE) -> None:
        self._seconds = seconds
        self._longest = longest
        self.renew()

    def renew(self) -> None:
        """Start a new period, after a success."""
        self._pause = 0.0
        self._until: float | None = None

    async def wait(self, error: BaseException | str) -> None:
        """Pause before the next try (the first comes at once); Unavailable after the period."""
        now = time.monotonic()
        if self._until is None:
            self._until = now + self._seconds
        if now >= self._until:
            raise Unavailable(f"No connection for {self._seconds:g} s: {str(error).rstrip('.')}.")
        await asyncio.sleep(min(self._pause, self._until - now))
        self._pause = min(self._longest, self._pause * 2 or _FIRST_PAUSE)
