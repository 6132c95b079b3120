"""Run: one shell command typed into a terminal, its exact output and its exit status.

A Run takes its turn in the console, and has its CommandDriver type and follow the command. Its
answer can be read as soon as the command has ended, and until the Run expires.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from typing import Any

from jupyter_bridge.aio.news import News
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import CommandDriver
from jupyter_bridge.consoles.run.output import CapturedOutput
from jupyter_bridge.consoles.run.text import fill, text_of
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.models.runs import RunBody, RunModel
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import Gone, Problem
from jupyter_bridge.wire.times import now

# A prompt that is drawn just now, or has its way to come, is not "busy", seconds.
PROMPT_GRACE = 1.0
# A login shell may load modules, conda and a prompt framework before its first prompt, seconds.
START_PATIENCE = 30.0
# One event of a stream.
EVENT_BYTES = 64 << 10


class Run:
    """One run. `start` it once; then read `model`, iterate `events`, wait for `answered`.

    `drive(run)` makes its driver; `turn` is held while the command is at work; `fresh` is for a
    console that was opened for it; `on_end` is called once, at the end.
    """

    def __init__(
        self,
        console: Console,
        body: RunBody,
        drive: Callable[[Run], CommandDriver],
        turn: asyncio.Lock,
        *,
        fresh: bool,
        on_end: Callable[[Run], None],
    ) -> None:
        self.id = uuid.uuid4().hex
        self.console = console
        self.body = body
        # Set when there is an answer to give: at the end, or at a timeout that leaves it running.
        self.answered = asyncio.Event()
        # Set when the command runs, or never will.
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
        self._turn = turn
        self._fresh = fresh
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._created = now()
        self._since: float | None = None
        self._seconds = 0.0
        self._driver = drive(self)
        self._at_work = self._timed_out = self._cancelled = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._news = News()

    # -- asking --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; failures are told through `problem` once `begun` is set."""
        self._task = self._loop.create_task(self._go())

    def cancel(self) -> None:
        """Stop it: never type it, or SIGINT, then TERM, then KILL to the foreground group."""
        if self.ended.is_set() or self._cancelled:
            return
        self._cancelled = True
        if self._at_work:
            self._driver.stop()
        else:
            self._give_up()

    async def send_input(self, data: bytes) -> None:
        """Type `data` as it is while the command runs; raises Gone after its end."""
        await self.begun.wait()
        if self.ended.is_set():
            raise Gone("This run has ended; nothing reads its input.", run=self.id)
        if b"\x03" in data:
            self._driver.interrupted = True
        await self._driver.send_input(data)

    async def close(self) -> None:
        """Let go of everything; a command that still runs is left to its shell."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._finish("cancelled")
        self._driver.close()
        self.spool.close()

    async def _go(self) -> None:
        try:
            async with self._turn:
                if self.body.queue and not self._fresh:
                    patience = None
                else:
                    patience = START_PATIENCE if self._fresh else PROMPT_GRACE
                await self._driver.wait_for_prompt(patience)
                self._at_work = True
                await self._driver.perform()
        except Problem as problem:
            self._fail(problem)
        except Exception as error:
            self._fail(Problem(f"The run failed: {error}."))
            raise
        finally:
            self._finish("cancelled")

    # -- what is heard of the command ----------------------------------------------------------

    def on_began(self, offset: int) -> None:
        """The command runs; told again where the offset is known only later."""
        self._offsets[0] = offset
        if self._since is not None:  # told anew, more exactly
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

    def on_lost(self) -> None:
        """Some of it is lost."""
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
        """It cannot be stopped, nor its end be heard: nobody knows more than what came so far."""
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
        for told in (self.ended, self.begun, self.answered):
            told.set()
        self._driver.on_end()
        self._news.tell()
        self._on_end(self)
        self.body.empty()

    # -- reading -------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Bytes of its output that are held."""
        return self.spool.size

    @property
    def seconds(self) -> float:
        """How long the command ran, or has run so far."""
        if self._since is not None and not self.ended.is_set():
            return self._loop.time() - self._since
        return self._seconds

    @property
    def status(self) -> str:
        """As the answer shows it: a timeout that left the command running shows until its end."""
        left = self._timed_out and self.answered.is_set() and not self.ended.is_set()
        return "timeout" if left else self._status

    def model(self, *, outputs: bool = True) -> RunModel:
        """The run as it stands now; raises its Problem if the command never ran."""
        if self.problem is not None:
            raise self.problem
        model = RunModel(
            run=self.id,
            console=self.console.name,
            status=self.status,
            exit_code=self._exit_code,
            truncated=self.spool.truncated,
            cwd=self._cwd,
            started=self._created,
            seconds=round(self.seconds, 6),
            start_offset=self._offsets[0],
            end_offset=self._offsets[1],
            signal=self._signal,
        )
        if outputs:
            fill(model, self.spool, strip=self.body.strip)
        return model

    async def events(self, after: int = 0) -> AsyncGenerator[tuple[int, str, Any], None]:
        """What happens, as (id, name, data), up to `done`; an id is how much output came so far.

        `done` is the answer without the output, which the events before it were.
        """
        position = after
        while True:
            more = self._news.next
            over = self.answered.is_set()
            stream, data, open_ended = self.spool.read(position, EVENT_BYTES)
            text = text_of(data, last=over or not open_ended, more=len(data) == EVENT_BYTES)
            if text.used:
                position += text.used
                yield position, "output", {"stream": stream, **text.fields}
            elif over:
                yield position, "done", self.model(outputs=False)
                return
            else:
                await more.wait()
