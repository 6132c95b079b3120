"""Changes: log changes of a remote's messages, cut, and at a limited rate."""

from __future__ import annotations

import logging
import time
from typing import Any

# A longer line is cut, characters.
MAX_LINE = 500
# The shortest time between two logged changes, seconds.
PERIOD = 1.0


class Changes:
    """Logs lines about one subject. A line that repeats the last, or comes too soon, is skipped.

    The next logged line tells how many came too soon.
    """

    def __init__(
        self, log: logging.Logger | logging.LoggerAdapter[Any], period: float = PERIOD
    ) -> None:
        self._log = log
        self._period = period
        self._last: tuple[int, str] | None = None
        self._next = 0.0
        self._left_out = 0

    def info(self, form: str, *values: object) -> None:
        self._write(logging.INFO, form, values)

    def warning(self, form: str, *values: object) -> None:
        self._write(logging.WARNING, form, values)

    def _write(self, level: int, form: str, values: tuple[object, ...]) -> None:
        text = form % values
        if len(text) > MAX_LINE:
            text = f"{text[: MAX_LINE - 1]}…"
        if (level, text) == self._last:
            return
        now = time.monotonic()
        if now < self._next:
            self._left_out += 1
            return
        self._last, self._next = (level, text), now + self._period
        left_out, self._left_out = self._left_out, 0
        more = f" ({left_out} lines were left out before this)" if left_out else ""
        self._log.log(level, "%s%s", text, more)
