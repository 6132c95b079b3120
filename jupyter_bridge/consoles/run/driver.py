"""CommandDriver: types one command into a console's shell, follows it, and stops it.

`LocalDriver` is for a terminal of this server, `LineDriver` for a terminal reached only by its
bytes, `BridgeDriver` for a console of another bridge. The first two type the command themselves, by
the protocol of `wire/shell/marks.py`: both are a `ShellDriver`.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, Protocol

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.problems import Conflict, Gone, Problem
from jupyter_bridge.wire.shell.marks import (
    CommandBegan,
    CommandEnded,
    CommandOutput,
    Newlines,
    PromptReady,
    Scanner,
)

# How long to wait for the prompt after the end; then the next run looks for it itself, seconds.
SETTLE = 2.0
READ_BYTES = 256 << 10
# For a shell that prints no mark: how often to check it, how long it may take to answer when it is
# asked for a mark (seconds), and how many times it is asked.
LOOK_EVERY = 0.25
ANSWER_SECONDS = 2.8
ASKS = 3


async def more(console: Console, offset: int, patience: float | None) -> bool:
    """Tell whether output after `offset`, or the end, comes in `patience` s (None: no limit)."""
    if console.end_offset > offset:
        return True
    with contextlib.suppress(asyncio.TimeoutError):
        await within(patience, console.wait(offset))
    return console.end_offset > offset or console.state == "ended"


class AsShown(Newlines):
    """Leaves the terminal's CR LF as it is."""

    def feed(self, data: bytes) -> bytes:
        return data


class CommandObserver(Protocol):
    """The run whose command is driven."""

    begun: asyncio.Event
    ended: asyncio.Event

    def on_began(self, offset: int) -> None:
        """The command has begun; its output begins at this console offset."""

    def on_data(self, data: bytes, stream: int) -> None:
        """The command wrote this."""

    async def room(self) -> None:
        """Return when more output may come; for a driver that fetches it."""

    def on_lost(self) -> None:
        """Some of the output is lost."""

    def on_status(self, status: int | None, cwd: str | None, offset: int) -> None:
        """The command has ended. Called once, after all data."""

    def on_session_end(self, exit: Exit, offset: int) -> None:  # noqa: A002
        """The console has ended, and the command with it."""

    def on_unreachable(self) -> None:
        """The command can be neither stopped nor followed."""


class CommandDriver(ABC):
    """One command: `wait_for_prompt`, `perform`, then `close`; `stop` at any time.

    `shell` is the name of the shell, once the command is typed.
    `interrupted`: the shell may have been interrupted, and print no mark. `last_signal` is the last
    signal sent to stop the command.
    """

    def __init__(self, console: Console, run: CommandObserver) -> None:
        self._console = console
        self._run = run
        self.shell: str | None = None
        self.interrupted = False
        self.last_signal: str | None = None
        self._stopping: asyncio.Task[None] | None = None

    @abstractmethod
    async def wait_for_prompt(self, patience: float | None) -> None:
        """Return when a shell is at its prompt; Busy after `patience` seconds (None: never)."""

    @abstractmethod
    async def perform(self) -> None:
        """Type the command; return when the shell is ready for another. Busy if no shell reads."""

    async def send_input(self, data: bytes) -> None:
        """Type into the command."""
        await self._console.write(data)

    async def send_stdin(self, data: bytes, offset: int | None, *, end: bool) -> int:
        """Write to the pipe that is the command's stdin, from this offset of it on.

        Returns how many bytes it has taken; `end` ends the input. Only for `input: "pipe"`.
        """
        raise Conflict('This run reads its terminal. An end or offset needs input: "pipe".')

    @property
    def stdin_taken(self) -> int:
        """How many bytes the command's stdin has taken."""
        return 0

    def reader_of_terminal(self) -> str | None:
        """Return the name of a program that waits for a key of the terminal, if that is known."""
        return None

    def hold(self, on: bool) -> None:  # noqa: B027
        """Let the command's output wait, or flow again, if the driver can: a reader is slow."""

    def stop(self) -> None:
        """Begin to stop the command, once; the observer is told of its end."""
        self._stopping = self._stopping or asyncio.ensure_future(self._stop())

    @abstractmethod
    async def _stop(self) -> None:
        """Stop the command, gently first."""

    def on_end(self) -> None:
        """The run has ended: send no more signals."""
        if self._stopping is not None and self._stopping is not asyncio.current_task():
            self._stopping.cancel()

    def close(self) -> None:  # noqa: B027
        """Release everything that is still held."""

    async def _over(self, grace: float) -> bool:
        """Tell whether the run ends within `grace` seconds."""
        with contextlib.suppress(asyncio.TimeoutError):
            await within(grace, self._run.ended.wait())
        return self._run.ended.is_set()


class ShellDriver(CommandDriver):
    """Types a command into the console, and follows the marks around its output.

    `nobody_follows` says that no other command comes after this.
    """

    # The longest time between the typed line and the first mark, seconds.
    take_patience: float

    def __init__(
        self, console: Console, run: CommandObserver, *, nobody_follows: bool, raw: bool
    ) -> None:
        super().__init__(console, run)
        self._nobody_follows = nobody_follows
        self._loop = asyncio.get_running_loop()
        self._nonce = uuid.uuid4().hex
        self._newlines = AsShown() if raw else Newlines()
        self._began = self._is_over = self._ready = self._gap = False
        self._status: CommandEnded | None = None
        # When the command ended, when a mark or output came last, and the offset of the first
        # question for a mark.
        self._over_at = self._heard_at = 0.0
        self._cut: int | None = None

    @abstractmethod
    def _take(self, data: bytes) -> bytes:
        """Return the part of these bytes, which are between the marks, that is output."""

    def _drain(self) -> None:
        """The command has ended: pass on output that came by pipes."""

    def _exit(self) -> Exit:
        """Return how the console ended."""
        return self._console.exit or Exit()

    def _sees_prompt(self) -> bool:
        """Tell whether the shell is at its prompt; called only after the command's end."""
        return False

    # -- a shell that may never print the mark -------------------------------------------------

    @abstractmethod
    def _not_taken(self) -> Problem:
        """Return the Problem of a typed line that no shell read."""

    def _is_refused(self) -> bool:
        """Tell whether the shell said that it is not at its prompt."""
        return False

    def _has_left(self, silent: float) -> bool:
        """Tell whether the shell was left without the command's last mark."""
        return False

    @abstractmethod
    async def _is_at_prompt(self, silent: float) -> bool:
        """Tell whether the shell is at its prompt although the command printed no mark.

        `silent` is the time since the last output, seconds.
        """

    @abstractmethod
    async def _ask(self) -> None:
        """Have the shell print the mark of the command that it ran."""

    async def _look(self) -> None:
        """Check the shell: it may not read, or be replaced, left, or interrupted.

        Returns when the command seems to have ended although there is no mark.
        """
        take_until = self._loop.time() + self.take_patience
        asked = 0
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = self._loop.time()
            silent = now - self._heard_at
            if not self._began:
                if now > take_until or self._is_refused():
                    raise self._not_taken()
            elif self._is_over:
                continue  # until this task is cancelled
            elif self._has_left(silent):
                break
            elif await self._is_at_prompt(silent):
                if asked == ASKS:
                    break
                asked += 1
                self._heard_at = now + ANSWER_SECONDS
                await self._ask()
        self._end()

    # -- the console's output ------------------------------------------------------------------

    async def _perform(self, typing: Coroutine[Any, Any, None], offset: int) -> None:
        """Type the command's line, and follow the console's output from `offset`."""
        follow = asyncio.ensure_future(self._follow(Scanner(self._nonce, offset), offset))
        look = asyncio.ensure_future(self._look())
        try:
            await typing
            await asyncio.wait({follow, look}, return_when=asyncio.FIRST_COMPLETED)
            await (look if look.done() else follow)
        finally:
            for task in (follow, look):
                task.cancel()
            await asyncio.wait({follow, look})

    async def _follow(self, scanner: Scanner, offset: int) -> None:
        console = self._console
        while not self._ready:
            data = await console.fetch(offset, READ_BYTES)
            if data:
                offset += len(data)
                for event in scanner.feed(data):
                    self._on_event(event)
                continue
            held = console.log.held(offset)
            if held > offset:  # deleted by retention before it was read
                self._run.on_lost()
                self._gap = True
                for missed in scanner.skip(held - offset):
                    self._on_event(missed)
                offset = held
            elif console.state == "ended" and console.end_offset <= offset:
                self._on_console_end(scanner.rest(), offset)
                return
            elif self._is_over:
                if not await self._more_before_prompt(offset):
                    return
            else:
                await console.wait(offset)

    async def _more_before_prompt(self, offset: int) -> bool:
        """After the end, tell whether more output comes before the prompt, within SETTLE."""
        if self._nobody_follows:
            return False
        until = self._over_at + SETTLE
        waiting = asyncio.ensure_future(self._console.wait(offset))
        try:
            while not waiting.done() and self._loop.time() < until:
                await asyncio.wait({waiting}, timeout=0.02)
                if not waiting.done() and self._sees_prompt():
                    return False
            return waiting.done()
        finally:
            waiting.cancel()

    def _on_event(self, event: CommandBegan | CommandOutput | CommandEnded | PromptReady) -> None:
        self._heard_at = self._loop.time()
        if isinstance(event, CommandOutput):
            self._on_output(event)
        elif isinstance(event, CommandBegan):
            self._began = True
            self._run.on_began(event.offset)
        elif isinstance(event, CommandEnded):
            self._status = event
            if not event.leaving:
                self._end()
        else:
            self._ready = True
            self._end()

    def _on_output(self, event: CommandOutput) -> None:
        data = event.data
        if self._cut is not None:
            data = data[: max(0, len(data) - max(0, event.end - self._cut))]
        if data := self._newlines.feed(self._take(data)):
            self._run.on_data(data, 0)

    def _end(self) -> None:
        if self._is_over:
            return
        self._flush()
        status = self._status
        if status is None:
            self._run.on_status(None, None, self._cut or self._console.end_offset)
        else:
            end = status.offset if self._cut is None else min(status.offset, self._cut)
            self._run.on_status(status.status, status.cwd or None, end)

    def _on_console_end(self, rest: bytes, offset: int) -> None:
        if self._is_over:
            return
        if not self._began:
            raise Gone(f"Console {self._console.name!r} ended before the command was run.")
        if rest:
            self._on_output(CommandOutput(rest, offset))
        self._flush()
        end = offset if self._status is None else self._status.offset
        self._run.on_session_end(self._exit(), end)

    def _flush(self) -> None:
        self._is_over = True
        self._over_at = self._loop.time()
        self._drain()
        if rest := self._newlines.rest():
            self._run.on_data(rest, 0)
