"""LineStop: end what runs in the foreground of a terminal at the end of a line.

Ctrl-C is all that the line itself can do. What does not mind it gets its signals from a second
terminal over there, opened for a moment; where none can be had, the console's end is the last word.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.line.prompt import LOOK_BYTES, shows_prompt
from jupyter_bridge.consoles.run.line.shell import LineShell
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.problems import Problem

# Ctrl-C is typed again once: a shell that is just starting a child does not act on it. Seconds.
INTERRUPTS = (1.0, 1.5)
# Then these, each with its grace; a text of many commands goes on with the next one. Seconds.
SIGNALS = (("TERM", 2.0), ("KILL", 1.0), ("KILL", 1.0), ("KILL", 1.0))
# A shell that seems to be at its prompt is asked how the command ended: that may take so long,
# and then only the shell could be hit. Seconds.
ASKING = 10.0
# Opening a terminal there, typing a line and waiting for its end may take so long, seconds.
BESIDE_SECONDS = 20.0

# `ps` is not everywhere, /proc neither. No history is to have it.
_KILL = (
    " unset HISTFILE; exec /bin/sh -c 'g=$(ps -o tpgid= -p {pid}||"
    '{{ set -- $(sed "s/.*) //" /proc/{pid}/stat);'
    "echo $6;}});kill -s {name} -- -$(echo $g)'\r"
)


class StopObserver(Protocol):
    """The run that is stopped."""

    ended: asyncio.Event

    def on_unreachable(self) -> None:
        """Nothing helped."""


class LineStop:
    """As `Stop`: `last` is the newest signal's name, `interrupted` that the shell may have been."""

    def __init__(self, console: Console, shell: LineShell, run: StopObserver) -> None:
        self.interrupted = False
        self.last: str | None = None
        self._console = console
        self._shell = shell
        self._run = run
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._go())

    def close(self) -> None:
        """Send nothing more."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _go(self) -> None:
        for grace in INTERRUPTS:
            if not self.interrupted or not await self._at_prompt():
                self.interrupted = True
                with contextlib.suppress(Problem):
                    await self._console.write(b"\x03")
                    self.last = "SIGINT"
            if await self._over(grace):
                return
        if await self._at_prompt() and await self._over(ASKING):
            return
        for name, grace in SIGNALS:
            before, self.last = self.last, f"SIG{name}"
            try:
                await within(BESIDE_SECONDS, self._send(name))
            except (Problem, asyncio.TimeoutError):
                self.last = before
            if await self._over(grace):
                return
        self._run.on_unreachable()

    async def _at_prompt(self) -> bool:
        said = await asyncio.to_thread(self._console.newest, LOOK_BYTES)
        return shows_prompt(said, edits=False)

    async def _send(self, name: str) -> None:
        source = self._console.source
        assert isinstance(source, RemoteSource)
        line = _KILL.format(pid=self._shell.pid, name=name)
        await source.beside(line.encode(), BESIDE_SECONDS)

    async def _over(self, grace: float) -> bool:
        with contextlib.suppress(asyncio.TimeoutError):
            await within(grace, self._run.ended.wait())
        return self._run.ended.is_set()
