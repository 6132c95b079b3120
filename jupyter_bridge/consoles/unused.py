"""Unused: consoles that are open only while somebody looks, and a while longer.

Whoever reads on after a dropped connection finds the console as it was. How many wait for that is
bounded, because each holds a file open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.sources.file import FileSource
from jupyter_bridge.interfaces import Source
from jupyter_bridge.problems import Busy

# A console opened by name is closed when it had no viewer for this long, seconds.
LINGER = 60.0
# The most open consoles of one kind without a viewer.
MAX_UNUSED = 64
# How long a request may take from opening a console to looking at it, seconds.
CLAIM_SECONDS = 5.0


class Unused:
    """Calls `close(console)` when a console had no viewer for `linger` seconds."""

    def __init__(self, close: Callable[[Console], None], linger: float) -> None:
        self._close = close
        self._linger = linger
        # Longest without a viewer first.
        self._timers: dict[Console, asyncio.TimerHandle] = {}
        # Since when a request that has opened the console may be about to look at it, loop time.
        self._claims: dict[Console, float] = {}

    def claim(self, console: Console) -> None:
        """Note that a request has opened the console, and will look at it."""
        self.note(console)
        if console in self._timers:
            self._claims[console] = asyncio.get_running_loop().time()

    async def claimed(self, console: Console) -> Console:
        """Return the console, which was open already, as it is now; a request will look at it."""
        if console in self._timers:
            self.claim(console)
        if isinstance(console.source, FileSource) and console.state == "live":
            with suppress(OSError):  # reading it says why
                await console.source.look()
        return console

    def note(self, console: Console) -> None:
        """Note that the console's viewers have changed."""
        self._forget(console)
        if not console.viewers and console.state == "live":
            loop = asyncio.get_running_loop()
            self._timers[console] = loop.call_later(self._linger, self._expire, console)
            if isinstance(console.source, FileSource):
                console.source.rest()

    async def make_room(self, source: Source) -> None:
        """Close the console of this kind that is longest without a viewer, if there are many.

        Closes the new source instead, with Busy, if all of them were opened just now.
        """
        unused = [console for console in self._timers if console.kind == source.kind]
        if len(unused) < MAX_UNUSED:
            return
        since = asyncio.get_running_loop().time() - CLAIM_SECONDS
        for console in unused:
            if self._claims.get(console, since) <= since:
                self._expire(console)
                return
        await source.close()
        raise Busy(f"{MAX_UNUSED} {source.kind} consoles are being opened. Try again in a moment.")

    def stop(self) -> None:
        """Close nothing any more."""
        for console in list(self._timers):
            self._forget(console)

    def _expire(self, console: Console) -> None:
        self._forget(console)
        if not console.viewers:
            self._close(console)

    def _forget(self, console: Console) -> None:
        timer = self._timers.pop(console, None)
        if timer is not None:
            timer.cancel()
        self._claims.pop(console, None)
