"""RunStore: the shell commands that are under way or can still be read."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import OrderedDict
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec

from jupyter_bridge.aio.idempotency import Idempotency
from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.registry import ConsoleRegistry, Permit, anybody
from jupyter_bridge.consoles.run.line.shell import LineShell
from jupyter_bridge.consoles.run.local.scripts import Scripts
from jupyter_bridge.consoles.run.models import RunBody
from jupyter_bridge.consoles.run.run import Run
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.consoles.terminals.spawn import TerminalOptions
from jupyter_bridge.problems import Busy, Gone, NotFound, Problem

# All output that is kept, together; that of the oldest finished runs goes first. Bytes.
TOTAL_BYTES = 1 << 30
# How many finished runs are kept, each with up to `spool.MEMORY_BYTES` in memory.
TOTAL_RUNS = 1000
# How many may run or be queued, and what they were sent together, bytes.
MAX_RUNNING = 1000
MAX_RUNNING_BYTES = 64 << 20
# How many expired ids are remembered, to answer 410 instead of 404.
EXPIRED_IDS = 10_000


class RunStore:
    """Start and find runs; each is kept `keep` seconds after its end.

    A relative `cwd` is one below `root_dir`.
    """

    def __init__(self, consoles: ConsoleRegistry, *, root_dir: Path, keep: float) -> None:
        self.consoles = consoles
        self._root_dir = root_dir
        self._keep = keep
        self._scripts = Scripts()
        self._runs: dict[str, Run] = {}
        self._expired: OrderedDict[str, None] = OrderedDict()
        # One run at a time in each console, in the order they came; and the last of them until it
        # has ended. A Run and a LineShell know their console: no weak key would ever let go of it.
        self._turns: WeakKeyDictionary[Console, asyncio.Lock] = WeakKeyDictionary()
        self._newest: dict[Console, Run] = {}
        self._lines: dict[Console, LineShell] = {}
        self._repeats: Idempotency[Run] = Idempotency(keep=None)
        self._names: dict[str, tuple[str, str]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._beside = TaskSet()

    def get(self, run_id: str) -> Run:
        """The run of this id; Gone when it has expired."""
        if run_id in self._expired:
            raise Gone("This run's result has expired.", run=run_id)
        try:
            return self._runs[run_id]
        except KeyError:
            raise NotFound(f"There is no run {run_id}.", run=run_id) from None

    def console_of(self, run_id: str) -> Console | None:
        """The console that a run is in; None if there is no such run."""
        run = self._runs.get(run_id)
        return None if run is None else run.console

    async def start(
        self, user: str, body: RunBody, *, key: str | None = None, permit: Permit = anybody
    ) -> Run:
        """Type the command; returns when it runs, or is queued. Busy if the console's shell is.

        `permit(console)` raises if the command may not run in the console that was found. A second
        call of the same user with the same `key` gets the first call's run.
        """
        body = msgspec.structs.replace(body.checked(self._root_dir))  # the run empties its own
        if key is None:
            return await self._start(body, permit)
        run = await self._repeats.once((user, key), body, lambda: self._start(body, permit))
        if run.id in self._runs:
            self._names[run.id] = (user, key)
        return run

    async def _start(self, body: RunBody, permit: Permit) -> Run:
        self._check_room(body.size)
        fresh = body.is_fresh
        if fresh and body.connection is not None:
            # Not every server takes a folder and an environment; the shell there always does.
            console = await self.consoles.create_remote(body.connection, TerminalOptions())
        elif fresh:
            console = await self.consoles.create(
                cwd=body.cwd, env=body.env, shell_command=[login_shell(), "-l"]
            )
        else:
            console = await self.consoles.open(str(body.console), to_write=True)
        try:
            await permit(console)
            self._check_room(body.size)  # others came while the console was opened
            turn = self._turns.setdefault(console, asyncio.Lock())
            before = self._newest.get(console)
            if before is not None and not body.queue:
                raise Busy(
                    f"Console {console.name!r} is busy with run {before.id}. Try later, or ask "
                    "with queue: true.",
                    run=before.id,
                )
            run = Run(
                console,
                body,
                self._scripts,
                turn,
                fresh=fresh,
                line=self._line(console),
                on_end=self._on_end,
            )
            self._newest[console] = self._runs[run.id] = run
            run.start()
        except BaseException:
            if not body.stays:
                self._end_console(console)
            raise
        if fresh or not body.queue:
            await run.begun.wait()
            if run.problem is not None:
                self._forget(run)
                raise run.problem
        return run

    def _check_room(self, size: int) -> None:
        """Busy if one more of `size` bytes may not begin."""
        running = [run for run in self._runs.values() if run.id not in self._timers]
        held = sum(run.body.size for run in running)
        if len(running) >= MAX_RUNNING or held + size > MAX_RUNNING_BYTES:
            raise Busy("Too many runs wait or run already. Stop some, or try later.")

    def _line(self, console: Console) -> LineShell | None:
        """What is known of the console's shell, where it is at the end of a line."""
        self._lines = {known: line for known, line in self._lines.items() if known.state == "live"}
        source = console.source
        if not isinstance(source, RemoteSource) or not source.types_runs:
            return None
        return self._lines.setdefault(console, LineShell(console))

    def _on_end(self, run: Run) -> None:
        if self._newest.get(run.console) is run:
            del self._newest[run.console]
        if not run.body.stays:
            self._end_console(run.console)
        if run.id not in self._runs:
            return
        loop = asyncio.get_running_loop()
        self._timers[run.id] = loop.call_later(self._keep, self._expire, run.id)
        # Only what has ended is in _timers, oldest first: that is what may make room.
        while len(self._timers) > 1 and (
            len(self._timers) > TOTAL_RUNS
            or sum(run.spool.size for run in self._runs.values()) > TOTAL_BYTES
        ):
            self._expire(next(iter(self._timers)))

    def _end_console(self, console: Console) -> None:
        async def end() -> None:
            try:
                await self.consoles.end(console.name)
            except Problem:
                pass  # it ended by itself

        self._beside.start(end())

    def _expire(self, run_id: str) -> None:
        run = self._runs[run_id]
        self._forget(run)
        self._expired[run_id] = None
        if len(self._expired) > EXPIRED_IDS:
            self._expired.popitem(last=False)

    def _forget(self, run: Run) -> None:
        timer = self._timers.pop(run.id, None)
        if timer is not None:
            timer.cancel()
        del self._runs[run.id]
        if (name := self._names.pop(run.id, None)) is not None:
            self._repeats.forget(name)
        run.spool.close()

    async def close(self) -> None:
        """Forget everything and end the shells of unnamed runs; others are left to their shells."""
        await self._repeats.close()
        for run in list(self._runs.values()):
            await run.close()
        for timer in self._timers.values():
            timer.cancel()
        await self._beside.settle()
        self._runs.clear()
        self._scripts.close()


def login_shell() -> str:
    """The user's shell if it is there, else bash, else sh."""
    for shell in (os.environ.get("SHELL"), "bash", "sh"):
        if shell and (found := shutil.which(shell)):
            return found
    return "/bin/sh"
