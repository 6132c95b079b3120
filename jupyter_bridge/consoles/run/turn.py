"""Turn: a run waits for its turn in a console, and for the shell's prompt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import CommandDriver
from jupyter_bridge.consoles.run.login_shell import failed_start, slow_start
from jupyter_bridge.models.runs import RunBody
from jupyter_bridge.problems import Busy, Gone

# How long to wait for a prompt that is being drawn, or is still on its way, before "busy", seconds.
PROMPT_GRACE = 1.0
# How long a login shell may load modules, conda and a prompt framework, seconds.
START_PATIENCE = 30.0


class Turn:
    """One run's turn. `lock` is the console's; `fresh`: the console was opened for this run."""

    def __init__(self, console: Console, body: RunBody, lock: asyncio.Lock, *, fresh: bool) -> None:
        self._console = console
        self._lock = lock
        self._fresh = fresh
        self._waits = body.waits
        self._queue_timeout = body.queue_timeout
        self._start_timeout = body.start_timeout or START_PATIENCE

    @asynccontextmanager
    async def at_prompt(self, driver: CommandDriver) -> AsyncGenerator[None, None]:
        """Hold the console while its shell is at the prompt.

        Raises a Problem that says what the shell waits for: Busy, Timeout, StartFailed, Gone.
        """
        loop, limit = asyncio.get_running_loop(), self._queue_timeout
        until = None if limit is None else loop.time() + limit
        try:
            await within(limit, self._lock.acquire(), discard=self._give_back)
        except asyncio.TimeoutError:
            raise Busy(f"{self._still_busy()}: other runs are in the queue.") from None
        try:
            if self._fresh:
                await self._new_shell(driver)
            elif self._waits:
                await self._queue(driver, None if until is None else max(0.0, until - loop.time()))
            else:
                await driver.wait_for_prompt(PROMPT_GRACE)
            yield
        finally:
            self._lock.release()

    async def _give_back(self, taken: bool) -> None:
        self._lock.release()

    async def _new_shell(self, driver: CommandDriver) -> None:
        until = asyncio.get_running_loop().time() + self._start_timeout
        try:
            await driver.wait_for_prompt(self._start_timeout)
        except Busy as busy:
            if asyncio.get_running_loop().time() < until:
                raise  # it will never be known
            raise slow_start(self._console, self._start_timeout, busy) from busy
        except Gone as gone:
            raise failed_start(self._console) from gone

    async def _queue(self, driver: CommandDriver, patience: float | None) -> None:
        try:
            await driver.wait_for_prompt(patience)
        except Busy as busy:
            if self._queue_timeout is None:
                raise  # it will never be known
            raise Busy(f"{self._still_busy()}: {busy.message}", **busy.details) from busy

    def _still_busy(self) -> str:
        return f"Console {self._console.name!r} was busy for {self._queue_timeout:g} s"
