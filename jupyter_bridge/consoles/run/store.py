"""RunStore: the shell commands that are running or can still be read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec

from jupyter_bridge.aio.result_store import Limits, ResultStore
from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.registry import ConsoleRegistry, Permit, anybody
from jupyter_bridge.consoles.run.bridge import BridgeDriver
from jupyter_bridge.consoles.run.driver import CommandDriver
from jupyter_bridge.consoles.run.line.driver import LineDriver
from jupyter_bridge.consoles.run.line.shell import LineShell
from jupyter_bridge.consoles.run.local.driver import LocalDriver
from jupyter_bridge.consoles.run.local.scripts import Scripts
from jupyter_bridge.consoles.run.login_shell import login_shell, login_words
from jupyter_bridge.consoles.run.run import Run
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.consoles.terminals.spawn import folder_at
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.models.runs import RunBody
from jupyter_bridge.problems import Busy, Gone, Problem, Unsupported

# The most output of all ended runs, bytes, and the most ended runs, each with up to
# `output.MEMORY_BYTES` in memory.
TOTAL_BYTES = 1 << 30
TOTAL_RUNS = 1000
# The most runs that may run or wait, and the most bytes that they were sent together.
MAX_RUNNING = 1000
MAX_RUNNING_BYTES = 64 << 20


@dataclass
class _Shell:
    """A console's shell: its turn lock, the newest run until it has ended, its LineShell."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    newest: Run | None = None
    line: LineShell | None = None


class RunStore(ResultStore[Run]):
    """Starts and finds runs; each is kept `keep` seconds after its end.

    A relative `cwd` is below `root_dir`.
    """

    def __init__(self, consoles: ConsoleRegistry, *, root_dir: Path, keep: float) -> None:
        limits = Limits(MAX_RUNNING, MAX_RUNNING_BYTES, TOTAL_RUNS, TOTAL_BYTES)
        super().__init__("run", keep, limits)
        self.consoles = consoles
        self._root_dir = root_dir
        self._scripts = Scripts(consoles.shells)
        # Entries of ended consoles are removed explicitly: a LineShell keeps its console alive.
        self._shells: WeakKeyDictionary[Console, _Shell] = WeakKeyDictionary()
        self._tasks = TaskSet()

    async def start(
        self, user: str, body: RunBody, *, key: str | None = None, permit: Permit = anybody
    ) -> Run:
        """Type the command; return when it runs, or is queued. Busy if the console's shell is.

        `permit(console)` raises if the command may not run in that console. A second call of the
        same user with the same `key` returns the first call's run.
        """
        own = checked(body, self._root_dir)  # the run empties it
        if key is None:
            return await self._start(own, permit)
        return await self.once((user, key), body, lambda: self._start(own, permit))

    async def _start(self, body: RunBody, permit: Permit) -> Run:
        self.check_room(body.size)
        fresh, instead_of = body.is_fresh, None
        if fresh and body.connection is not None:
            # Not every server accepts a cwd and an environment; the shell there always does.
            words = None if body.shell is None else login_words(body.shell)
            options = TerminalOptions(shell_command=words)
            console = await self.consoles.create_remote(body.connection, options)
        elif fresh:
            words, instead_of = login_shell(body.shell)
            console = await self.consoles.create(
                TerminalOptions(
                    cwd=body.cwd, env=body.env, shell_command=words, rows=body.rows, cols=body.cols
                )
            )
        else:
            console = await self.consoles.open(str(body.console), to_write=True)
        if not body.stays:
            console.is_for_one_run = True
        try:
            await permit(console)
            self.check_room(body.size)  # other runs may have begun meanwhile
            run = self._begin(console, body, fresh=fresh, instead_of=instead_of)
        except BaseException:
            if not body.stays:
                self._end_console(console)
            raise
        # A run that is to be sent its input is answered at once, so that its client can begin.
        if body.input == "terminal" and (fresh or not body.waits):
            await run.begun.wait()
            if run.problem is not None:
                self.discard(run)
                raise run.problem
        return run

    def _begin(
        self, console: Console, body: RunBody, *, fresh: bool, instead_of: str | None
    ) -> Run:
        if console.state == "ended":
            name = console.name
            raise Gone(f"Console {name!r} has ended and has no shell.")
        for other in [one for one in self._shells if one.state == "ended"]:
            del self._shells[other]
        shell = self._shells.setdefault(console, _Shell())
        if shell.newest is not None and not body.waits:
            raise Busy(
                f"Console {console.name!r} is busy with run {shell.newest.id}. Try later, or send "
                "queue: true.",
                run=shell.newest.id,
            )

        def drive(run: Run) -> CommandDriver:
            source = console.source
            if isinstance(source, TerminalSource):
                return LocalDriver(console, source, self._scripts, body, run, fresh=fresh)
            if not isinstance(source, RemoteSource):
                raise Unsupported(
                    f"Console {console.name!r} is of kind {console.kind}. A run needs a terminal "
                    "of this server or of a connected Jupyter server."
                )
            if not source.types_runs:
                return BridgeDriver(console, source, body, run, fresh=fresh)
            if body.input == "pipe":
                raise Unsupported(
                    f"Console {console.name!r} is a terminal of a server without a bridge, which "
                    "takes no input by a pipe. Send it with the command, as stdin."
                )
            shell.line = shell.line or LineShell(console, source)
            return LineDriver(console, shell.line, body, run)

        def on_end(run: Run) -> None:
            if shell.newest is run:
                shell.newest = None
            if not body.stays:
                self._end_console(console, run)
            self.end(run)

        run = Run(
            console, body, drive, shell.turn, fresh=fresh, instead_of=instead_of, on_end=on_end
        )
        shell.newest = run
        self.add(run, body.size)
        run.start()
        return run

    def _release(self, result: Run) -> None:
        result.spool.close()
        if result.console.is_for_one_run and result.console.state == "ended":
            self.consoles.forget(result.console)

    def _end_console(self, console: Console, run: Run | None = None) -> None:
        """End the console of one run; its journal is kept as long as the run."""

        async def end() -> None:
            try:
                await self.consoles.end(console.name)
            except Problem:
                pass  # the console has ended by itself
            if run is None or self.find(run.id) is None:
                self.consoles.forget(console)

        self._tasks.start(end())

    async def close(self) -> None:
        """Forget all runs and end the shells opened for a run; other commands run on."""
        await super().close()
        for run in self:
            await run.close()
        await self._tasks.settle()


def checked(body: RunBody, root_dir: Path) -> RunBody:
    """Return the body with an absolute `cwd`; BadRequest if a shell cannot take a value."""
    body = body.in_text()
    if body.cwd is None or body.connection is not None:
        return body  # the remote checks its own folders
    return msgspec.structs.replace(body, cwd=folder_at(body.cwd, root_dir))
