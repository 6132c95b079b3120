"""LocalStop: end what runs in a terminal's foreground, gently first."""

from __future__ import annotations

import asyncio
import os
import signal

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.local.shell import Shell, image_of

# What is sent, and how long it may take, seconds. A text of many commands goes on with its next one
# when one is killed, so the round begins anew, faster; at last the shell itself is killed.
STEPS = ((signal.SIGINT, 2.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0))
AGAIN = ((signal.SIGINT, 0.5), (signal.SIGKILL, 0.5))
ROUNDS = 5
LOOK_EVERY = 0.05


class LocalStop:
    """Sends the signals one after the other until `ended` is set; `last` is the newest one's name.

    `interrupted` says that the shell may have been interrupted, by this or by somebody's Ctrl-C.
    """

    def __init__(self, console: Console, shell: Shell, ended: asyncio.Event) -> None:
        self.interrupted = False
        self.last: str | None = None
        self._console = console
        self._shell = shell
        self._ended = ended
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._go())

    def close(self) -> None:
        """Send nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def _go(self) -> None:
        for number, grace in STEPS + AGAIN * ROUNDS:
            if await self._send(number, grace):
                return
        await self._console.write(b"\x04")

    async def _send(self, number: signal.Signals, grace: float) -> bool:
        """Send, and wait for the end; a program that comes to the foreground meanwhile gets it too.

        As at a keyboard, a shell that is just starting a child does not act on its own SIGINT, and
        the child loses one that comes before its exec.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        reached: str | None = None
        while not self._ended.is_set() and loop.time() < until:
            group = self._shell.group
            image = None if group is None else image_of(group) or str(group)
            if group is not None and group > 1 and image != reached:
                reached = image
                self.interrupted = True
                self.last = number.name
                await self._reach(group, number)
            try:
                await within(LOOK_EVERY, self._ended.wait())
            except asyncio.TimeoutError:
                continue
        return self._ended.is_set()

    async def _reach(self, group: int, number: signal.Signals) -> None:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            pass
        except PermissionError:  # another user's program (sudo): the terminal's own key reaches it
            await self._console.write(b"\x03")
