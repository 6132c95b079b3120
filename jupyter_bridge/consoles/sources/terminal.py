"""A host terminal as a Source."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from jupyter_bridge.seams import Exit, Source


class TerminalSource(Source):
    """One pty of the host's terminal manager."""

    kind = "terminal"

    pid: int
    """The shell's process id."""

    fd: int
    """The pty's master, for tcgetattr and tcgetpgrp; -1 once it is closed."""

    @property
    def foreground(self) -> int | None:
        """The foreground process group, or None when there is none (any more)."""
        try:
            return os.tcgetpgrp(self.fd)
        except OSError:
            return None

    def signal_foreground(self, number: signal.Signals) -> None:
        """Send a signal to the foreground process group; nothing happens when there is none."""
        group = self.foreground
        if group is not None and group > 1:
            try:
                os.killpg(group, number)
            except ProcessLookupError:
                pass

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        raise NotImplementedError

    async def write(self, data: bytes) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
