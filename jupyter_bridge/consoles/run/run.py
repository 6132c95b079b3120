"""Run: one shell command typed into a terminal, its exact output and its exit status.

A Run waits for its turn in the console, and its CommandDriver types and follows the command. The
answer can be read from the command's end until the Run expires.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Callable
from typing import Any

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.aio.news import News
from jupyter_bridge.consoles.console import Console, Viewer
from jupyter_bridge.consoles.run.driver import CommandDriver
from jupyter_bridge.consoles.run.output import CapturedOutput, fill, text_of
from jupyter_bridge.consoles.run.pace import Pace
from jupyter_bridge.consoles.run.turn import Turn
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.models.runs import RunBody, RunModel
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import Gone, Problem
from jupyter_bridge.wire.shell.any_bytes import odd_bytes, readable
from jupyter_bridge.wire.times import now

# How long a request with input may wait for a command that does not read, seconds. Proxies cut
# silent answers at 30 s.
INPUT_SECONDS = 10.0
# A command that is silent for this long may be waiting for a key, seconds.
SILENCE_SECONDS = 3.0
# The most bytes of one event.
EVENT_BYTES = 64 << 10


class Run:
    """One run. `start` it once; then read `model`, iterate `events`, wait for `answered`.

    `drive(run)` makes the driver; `turn` is held while the command is driven; `fresh` says that the
    console was opened for this run, `instead_of` the user's shell if that one cannot be used;
    `on_end` is called once, at the end.
    """

    def __init__(
        self,
        console: Console,
        body: RunBody,
        drive: Callable[[Run], CommandDriver],
        turn: asyncio.Lock,
        *,
        fresh: bool,
        instead_of: str | None = None,
        on_end: Callable[[Run], None],
    ) -> None:
        self.id = uuid.uuid4().hex
        self.console = console
        self.body = body
        # Set when there is an answer: at the end, or at a timeout that leaves the command running.
        self.answered = asyncio.Event()
        # Set when the command has begun, or never will.
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.problem: Problem | None = None
        streams = ("stdout", "stderr") if body.output == "split" else ("output",)
        self.spool = CapturedOutput(streams, body.max_output)
        self._status: str = "queued"
        self._exit_code: int | None = None
        self._signal: str | None = None
        self._cwd: str | None = None
        self._offsets: list[int | None] = [None, None]
        self._turn = Turn(console, body, turn, fresh=fresh)
        self._instead_of = instead_of
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._created = now()
        self._since: float | None = None
        self._seconds = 0.0
        self._driver = drive(self)
        self._viewer = Viewer("run", "join", lambda: None)
        self._at_work = self._timed_out = self._cancelled = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._news = News()
        self._pace = Pace(self._driver.hold)
        self.room = self._pace.room

    # -- requests ------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; a failure is in `problem` once `begun` is set."""
        self._task = self._loop.create_task(self._go())

    def resize(self, rows: int, cols: int) -> None:
        """Set the size of the client's screen, while the run has its turn."""
        self.body.rows, self.body.cols = rows, cols
        if self._viewer in self.console.viewers:
            self.console.resize(self._viewer, rows, cols)

    def cancel(self) -> None:
        """Stop the command by SIGINT, TERM, then KILL to the foreground group, or never type it."""
        if self.ended.is_set() or self._cancelled:
            return
        self._cancelled = True
        self._pace.release()
        if self._at_work:
            self._driver.stop()
        else:
            self._give_up()

    async def send_stdin(self, data: bytes, offset: int | None = None, *, end: bool = False) -> int:
        """Write to the command's stdin, of a run with `input: "pipe"`; see CommandDriver.

        With an offset this waits INPUT_SECONDS at most, and not all data may be taken.
        """
        with self.console.waiting.hold(data):
            try:
                sending = self._send(data, offset, end)
                await within(None if offset is None else INPUT_SECONDS, sending)
            except asyncio.TimeoutError:
                pass  # the command does not read
        return self._driver.stdin_taken

    async def _send(self, data: bytes, offset: int | None, end: bool) -> None:
        await self.begun.wait()
        if not self.ended.is_set():
            await self._driver.send_stdin(data, offset, end=end)
        elif data:
            raise Gone("This run has ended and takes no input.", run=self.id)

    async def send_input(self, data: bytes) -> None:
        """Type `data` unchanged while the command runs; raises Gone after its end.

        Busy if too much waits already; what waits for a command to begin counts, too.
        """
        if not self.begun.is_set():
            with self.console.waiting.hold(data):
                await self.begun.wait()
        if self.ended.is_set():
            raise Gone("This run has ended and takes no input.", run=self.id)
        if b"\x03" in data:
            self._driver.interrupted = True
        await self._driver.send_input(data)

    async def close(self) -> None:
        """Release everything; a command that still runs is left to its shell."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._finish("cancelled")
        self._driver.close()
        self.spool.close()

    async def _go(self) -> None:
        try:
            async with self._turn.at_prompt(self._driver):
                self._at_work = True
                self._bring_screen()
                await self._driver.perform()
        except Problem as problem:
            self._fail(problem)
        except Exception as error:
            self._fail(Problem(f"The run failed: {error}."))
            raise
        finally:
            self._finish("cancelled")

    def _bring_screen(self) -> None:
        """Let the size of the client's screen count for the terminal's, as a viewer's."""
        if self.body.rows and self.body.cols:
            self.console.enter(self._viewer)
            self.console.resize(self._viewer, self.body.rows, self.body.cols)

    # -- reports of the driver -----------------------------------------------------------------

    def on_began(self, offset: int) -> None:
        """The command has begun; called again if the exact offset is known only later."""
        self._offsets[0] = offset
        if self._since is not None:
            return
        self._status = "running"
        self._since = self._loop.time()
        if self.body.timeout is not None:
            self._timer = self._loop.call_later(self.body.timeout, self._on_timeout)
        self.begun.set()

    def on_data(self, data: bytes, stream: int) -> None:
        """The command wrote this."""
        self.spool.write(data, stream)
        self._news.tell()
        self._pace.wrote(self.spool.size)

    def on_lost(self) -> None:
        """Some of the output is lost."""
        self.spool.truncated = True

    def on_status(self, status: int | None, cwd: str | None, offset: int) -> None:
        """The command has ended."""
        self._exit_code, self._cwd, self._offsets[1] = status, cwd, offset
        self._finish("done")

    def on_session_end(self, exit: Exit, offset: int) -> None:  # noqa: A002
        """The shell has ended."""
        self._exit_code, self._signal, self._offsets[1] = exit.code, exit.signal, offset
        self._finish("session-closed")

    def on_unreachable(self) -> None:
        """The command can be neither stopped nor followed: end the run with its output so far."""
        self._give_up()

    def _give_up(self) -> None:
        self._finish("cancelled")
        if self._task is not None:
            self._task.cancel()

    def _on_timeout(self) -> None:
        self._timed_out = True
        if self.body.on_timeout == "leave":
            self.answered.set()
            self._news.tell()
        else:
            self._pace.release()
            self._driver.stop()

    def _fail(self, problem: Problem) -> None:
        if not self.ended.is_set():
            self.problem = problem
            self._finish("cancelled")

    def _finish(self, status: str) -> None:
        if self.ended.is_set():
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._since is not None:
            self._seconds = self._loop.time() - self._since
        if self._signal is None and (self._timed_out or self._cancelled):
            self._signal = self._driver.last_signal
        if self._timed_out and self.body.on_timeout == "kill":
            status = "timeout"
        elif self._cancelled and status != "session-closed":
            status = "cancelled"
        self._status = status
        if self._since is not None:
            metrics.RUN_SECONDS.labels(status).observe(self._seconds)
        for event in (self.ended, self.begun, self.answered):
            event.set()
        self._pace.release()
        self.console.leave(self._viewer)
        self._driver.on_end()
        self._news.tell()
        self._on_end(self)
        self.body.empty()

    # -- reading -------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The bytes of output that are held."""
        return self.spool.held_bytes

    @property
    def seconds(self) -> float:
        """How long the command has run."""
        if self._since is not None and not self.ended.is_set():
            return self._loop.time() - self._since
        return self._seconds

    @property
    def status(self) -> str:
        """The status as answers show it: `timeout` while a command runs on after its timeout."""
        left = self._timed_out and self.answered.is_set() and not self.ended.is_set()
        return "timeout" if left else self._status

    def model(self, *, outputs: bool = True) -> RunModel:
        """Return the run as it is now; raises its Problem if the command never ran."""
        if self.problem is not None:
            raise self.problem
        model = RunModel(
            run=self.id,
            console=self.console.name,
            status=self.status,
            exit_code=self._exit_code,
            truncated=self.spool.truncated,
            cwd=None if self._cwd is None else readable(self._cwd),
            cwd_base64=None if self._cwd is None else odd_bytes(self._cwd),
            started=self._created,
            seconds=round(self.seconds, 6),
            start_offset=self._offsets[0],
            end_offset=self._offsets[1],
            signal=self._signal,
            shell=self._driver.shell,
            instead_of=self._instead_of,
        )
        if outputs:
            fill(model, self.spool, strip=self.body.strip)
        return model

    async def events(self, after: int = 0) -> AsyncGenerator[tuple[int, str, Any], None]:
        """Yield events as (id, name, data), up to `done`; an id is the output's size so far.

        After a silence `waiting` names, once, a program that waits for a key of the terminal.
        The command waits for a reader that is far behind. One that was away may find a `gap`, of
        output that is no longer held. `done` is the answer without the output, which the earlier
        events have.
        """
        reader, position, hint = object(), after, True
        try:
            while True:
                self._pace.reads(reader, position)
                more = self._news.next
                over = self.answered.is_set()
                held = self.spool.held(position)
                if held > position:
                    lost, position = {"from": position, "to": held}, held
                    yield position, "gap", lost
                    continue
                stream, data, open_ended = self.spool.read(position, EVENT_BYTES)
                text = text_of(data, last=over or not open_ended, more=len(data) == EVENT_BYTES)
                if text.used:
                    position += text.used
                    yield position, "output", {"stream": stream, **text.fields}
                elif over:
                    yield position, "done", self.model(outputs=False)
                    return
                elif await self._is_silent(more) and hint:
                    program = await asyncio.to_thread(self._driver.reader_of_terminal)
                    if program is not None:
                        hint = False
                        yield position, "waiting", {"program": program}
        finally:
            self._pace.leaves(reader)

    async def _is_silent(self, more: asyncio.Event) -> bool:
        """Wait for more, at most SILENCE_SECONDS; tell whether there was nothing."""
        with contextlib.suppress(asyncio.TimeoutError):
            await within(SILENCE_SECONDS, more.wait())
        return not more.is_set()
