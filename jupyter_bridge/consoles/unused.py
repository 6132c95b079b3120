"""UnusedConsoles: consoles that are open only while they have viewers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.interfaces import Source

# A console opened by name is closed when it had no viewer for this long, seconds.
LINGER = 60.0


class UnusedConsoles:
    """Calls `close(console, source)` when a watched console had no viewer for `linger` seconds."""

    def __init__(self, linger: float, close: Callable[[Console, Source], None]) -> None:
        self._linger = linger
        self._close = close
        self._timers: dict[Console, asyncio.TimerHandle] = {}

    def watch(self, console: Console) -> Console:
        """Watch a console from now on; return it."""
        console.on_viewers = lambda: self._on_viewers(console)
        self._on_viewers(console)
        return console

    def stop(self) -> None:
        """Close nothing any more."""
        for timer in self._timers.values():
            timer.cancel()

    def _on_viewers(self, console: Console) -> None:
        timer = self._timers.pop(console, None)
        if timer is not None:
            timer.cancel()
        if not console.viewers and console.state == "live":
            loop = asyncio.get_running_loop()
            self._timers[console] = loop.call_later(self._linger, self._on_timer, console)

    def _on_timer(self, console: Console) -> None:
        self._timers.pop(console, None)
        if not console.viewers and console.source is not None:
            self._close(console, console.source)
