"""A server extension for tests: shifts the server's clock by the seconds in the file TEST_CLOCK.

libfaketime shifts all clocks of a process, also those of its locks, which breaks kernels. This
extension shifts only the time of day, as if the machine's clock were set.
"""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.wire import times

_time, _time_ns = time.time, time.time_ns


def off() -> int:
    return int(Path(os.environ["TEST_CLOCK"]).read_text())


class Shifted(datetime):
    """A datetime with a shifted `now`."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(seconds=off())

    @classmethod
    def fromisoformat(cls, text: str) -> datetime:  # type: ignore[override]
        return datetime.fromisoformat(text)


def shifted_ns() -> int:
    return _time_ns() + off() * 10**9


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "tests.support.clock"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    time.time = lambda: _time() + off()
    time.time_ns = shifted_ns
    vars(times)["datetime"] = Shifted
    defaults = Journal.__init__.__kwdefaults__
    assert defaults is not None
    defaults["clock"] = shifted_ns
