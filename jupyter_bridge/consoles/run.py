"""Run: one shell command typed into a terminal, its exact output and its exit status.

The protocol is `wire/shell.py`. A Run takes its turn in the console, waits for the prompt, types
one line, and reads the console at its own pace until the mark that ends it; the answer can be read
then and until the Run expires. After that the shell gets ready for the next run, which is still
this Run's turn.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timezone
from typing import Any, Literal

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.runbody import RunBody, RunModel, fill, text_of
from jupyter_bridge.consoles.scripts import Files, Scripts
from jupyter_bridge.consoles.shell import Shell
from jupyter_bridge.consoles.spool import Spool
from jupyter_bridge.consoles.stop import Stop
from jupyter_bridge.problems import Busy, Gone, Problem
from jupyter_bridge.wire.shell import Began, Ended, Newlines, Output, Ready, Scanner, Wrapping

Status = Literal["queued", "running", "done", "timeout", "cancelled", "session-closed"]

# A prompt that is drawn just now is not "busy", seconds.
PROMPT_GRACE = 0.3
# A login shell may load modules, conda and a prompt framework before its first prompt, seconds.
START_PATIENCE = 30.0
# Between the typed line and the mark a shell only opens two files, seconds.
TAKE_PATIENCE = 10.0
# After the end the prompt is waited for this long, then the next run may look itself, seconds.
SETTLE = 2.0
# How often a run looks whether its shell is still the one it typed into, and how long the console
# must have been silent before a shell that gave no mark is asked for its status, seconds.
LOOK_EVERY = 0.25
ASK_AFTER = 0.5
ASKS = 3
READ_BYTES = 256 << 10
# One event of a stream.
EVENT_BYTES = 64 << 10


class Run:
    """One run. `start` it once; then read `model`, iterate `events`, wait for `answered`."""

    def __init__(
        self,
        console: Console,
        body: RunBody,
        scripts: Scripts,
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
        # Set when the command began to run, or never will.
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.problem: Problem | None = None
        self.status: Status = "queued"
        streams = ("stdout", "stderr") if body.output == "split" else ("output",)
        self.spool = Spool(streams, body.max_output)
        self.exit_code: int | None = None
        self.signal: str | None = None
        self.cwd: str | None = None
        self.start_offset: int | None = None
        self.end_offset: int | None = None
        self._scripts = scripts
        self._turn = turn
        self._fresh = fresh
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._created = datetime.now(timezone.utc)
        self._since: float | None = None
        self._seconds = 0.0
        self._shell = Shell(console)
        self._newlines = Newlines()
        self._stop = Stop(console, self._shell, self.ended)
        self._timed_out = self._cancelled = self._typed = False
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._files: Files | None = None
        self._ends: dict[int, int] = {}
        self._cut: int | None = None
        self._quiet_since = 0.0
        self._ready = False
        self._more = asyncio.Event()

    # -- asking --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; failures are told through `problem` once `begun` is set."""
        self._task = self._loop.create_task(self._go())

    def cancel(self) -> None:
        """Stop it: never type it, or SIGINT, then TERM, then KILL to the foreground group."""
        if self.ended.is_set() or self._cancelled:
            return
        self._cancelled = True
        if self.begun.is_set():
            self._stop.start()
        elif not self._typed:
            self._finish("cancelled")
            if self._task is not None:
                self._task.cancel()

    async def send_input(self, data: bytes) -> None:
        """Type `data` as it is while the command runs; raises Gone after its end."""
        if self.ended.is_set():
            raise Gone("This run has ended; nothing reads its input.", run=self.id)
        await self.begun.wait()
        if b"\x03" in data:
            self._stop.interrupted = True
        await self.console.write(data)

    # -- the run itself ------------------------------------------------------------------------

    async def _go(self) -> None:
        try:
            async with self._turn:
                await self._wait_for_prompt()
                await self._run_in_turn()
        except Problem as problem:
            self._fail(problem)
        except asyncio.CancelledError:
            self._finish("cancelled")
        except Exception as error:
            self._fail(Problem(f"The run failed: {error}."))
            raise
        finally:
            self._finish("cancelled")
            self._stop.close()

    async def _wait_for_prompt(self) -> None:
        patience = START_PATIENCE if self._fresh else PROMPT_GRACE
        until = None if self.body.queue else self._loop.time() + patience
        pause = 0.001
        while not self._shell.at_prompt():
            if self.console.state == "ended":
                raise Gone(f"Console {self.console.name!r} ended before the command was typed.")
            if until is not None and self._loop.time() > until:
                raise Busy(
                    f"Console {self.console.name!r} is busy: {self._shell.program()} is in the "
                    "foreground. Try later, or ask with queue: true.",
                    foreground=self._shell.program(),
                )
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.02 if self._fresh else 0.2)

    async def _run_in_turn(self) -> None:
        nonce = uuid.uuid4().hex
        offset = self.console.end_offset
        self._image = self._shell.image()
        wrapping = self._write_files(nonce)
        scanner = Scanner(nonce, offset)
        # Whatever somebody typed and did not send stands there: kill the line first (Ctrl-E, -U).
        keys = b"" if self._fresh else b"\x05\x15" if wrapping.dialect != "sh" else b"\x15"
        self._take_until = self._loop.time() + TAKE_PATIENCE
        looker = self._loop.create_task(self._look(nonce))
        self._typed = True
        try:
            await self.console.write(keys + wrapping.typed())
            await self._follow(scanner, offset)
        finally:
            looker.cancel()
            if self._timer is not None:
                self._timer.cancel()
            self._finish("cancelled")
            if self._files is not None:
                self._scripts.remove(self._files, wrapper=self.start_offset is not None)

    def _write_files(self, nonce: str) -> Wrapping:
        dialect = self._shell.dialect()
        if dialect is None:
            raise Busy(f"There is no shell in the foreground of console {self.console.name!r}.")
        body = self.body
        split = body.output == "split"
        stdin = None if body.stdin is None else body.stdin.encode()
        files = self._files = self._scripts.new(body.command.encode(), stdin=stdin, split=split)
        wrapping = Wrapping(
            dialect,
            nonce,
            self._scripts.integration(dialect),
            str(files.wrapper),
            str(files.text),
            cwd=None if self._fresh else body.cwd,
            env={} if self._fresh else body.env,
            stdin=str(files.stdin) if files.stdin else None,
            stdout=str(files.pipes[0]) if split else None,
            stderr=str(files.pipes[1]) if split else None,
        )
        self._scripts.write(files, wrapping.script())
        for index, end in enumerate(files.ends):
            self._ends[end] = index
            self._loop.add_reader(end, self._on_pipe, end)
        return wrapping

    async def _follow(self, scanner: Scanner, offset: int) -> None:
        console = self.console
        while not self._ready:
            data = await console.fetch(offset, READ_BYTES)
            if not data:
                held = console.log.held(offset)
                if held > offset:  # what retention took before we came to it
                    self.spool.truncated = True
                    scanner.feed(b"\0" * (held - offset))
                    offset = held
                elif console.state == "ended" and console.end_offset <= offset:
                    self._on_session_end(scanner.rest(), offset)
                    return
                elif self.ended.is_set():
                    if not await self._settled(offset):
                        return
                else:
                    await console.wait(offset)
                continue
            offset += len(data)
            for event in scanner.feed(data):
                self._on_event(event)

    async def _settled(self, offset: int) -> bool:
        """After the end: wait for the prompt, no longer than the next run would; False gives up."""
        until = self._ended_at + SETTLE
        waiting = self._loop.create_task(self.console.wait(offset))
        try:
            while not waiting.done():
                if self._loop.time() > until or (self._fresh and self.body.console is None):
                    return False
                await asyncio.wait({waiting}, timeout=0.02)
                if not waiting.done() and self._shell.at_prompt():
                    return False
        finally:
            waiting.cancel()
        return True

    def _on_event(self, event: Began | Output | Ended | Ready) -> None:
        if isinstance(event, Output):
            self._on_output(event)
        elif isinstance(event, Began):
            self.start_offset = event.offset
            self._begin()
        elif isinstance(event, Ended):
            self.exit_code = event.status
            self.cwd = event.cwd or None
            self.end_offset = event.offset
            if not event.leaving:
                self._finish("done")
        else:
            self._ready = True
            self._finish("done")

    def _on_output(self, event: Output) -> None:
        data = event.data
        if self._cut is not None:
            data = data[: max(0, len(data) - max(0, event.end - self._cut))]
        self._quiet_since = self._loop.time()
        if self.body.output == "tty" and (data := self._newlines.feed(data)):
            self.spool.write(data)
            self._wake()

    def _on_pipe(self, end: int, limit: int = 1 << 20) -> None:
        while limit > 0:
            try:
                data = os.read(end, min(limit, EVENT_BYTES))
            except BlockingIOError:
                return
            if not data:
                self._close_pipe(end)
                return
            limit -= len(data)
            if not self.ended.is_set():  # afterwards only a background job still writes
                self.spool.write(data, self._ends[end])
                self._wake()
                if len(data) < EVENT_BYTES:
                    return

    def _close_pipe(self, end: int) -> None:
        self._loop.remove_reader(end)
        del self._ends[end]
        os.close(end)

    def _begin(self) -> None:
        self.status = "running"
        self._since = self._quiet_since = self._loop.time()
        if self.body.timeout is not None:
            self._timer = self._loop.call_later(self.body.timeout, self._on_timeout)
        self.begun.set()
        if self._cancelled:
            self._stop.start()

    def _on_timeout(self) -> None:
        self._timed_out = True
        if self.body.on_timeout == "leave":
            self.answered.set()
            self._wake()
        else:
            self._stop.start()

    async def _look(self, nonce: str) -> None:
        """Watch over a shell that may never give the mark: it was replaced, left or interrupted."""
        asked = 0
        while not self.ended.is_set():
            await asyncio.sleep(LOOK_EVERY)
            now = self._loop.time()
            if not self.begun.is_set():
                if now > self._take_until:
                    assert self._files is not None
                    assert self._task is not None
                    self._scripts.disarm(self._files)
                    self._fail(Busy(f"The shell in console {self.console.name!r} takes no line."))
                    self._task.cancel()
                continue
            lost = self._stop.interrupted or self._shell.image() != self._image
            quiet = now - self._quiet_since > ASK_AFTER
            if lost and quiet and self.console.state == "live" and self._shell.at_prompt():
                if asked == ASKS:
                    self._finish("done")
                    assert self._task is not None
                    self._task.cancel()
                    return
                asked += 1
                self._quiet_since = now + ASK_AFTER * 4
                await self._ask(nonce)

    async def _ask(self, nonce: str) -> None:
        dialect = self._shell.dialect()
        if dialect is None or self._files is None:
            return
        files = self._files
        wrapping = Wrapping(
            dialect, nonce, self._scripts.integration(dialect), str(files.wrapper), ""
        )
        self._scripts.write(files, wrapping.ask())
        self._cut = self.console.end_offset if self._cut is None else self._cut
        await self.console.write(wrapping.asking())

    # -- the end -------------------------------------------------------------------------------

    def _on_session_end(self, rest: bytes, offset: int) -> None:
        if self.start_offset is None:
            raise Gone(f"Console {self.console.name!r} ended before the command was run.")
        if rest:
            self._on_output(Output(rest, offset))
        if self.ended.is_set():
            return
        self.end_offset = self.end_offset or offset
        if self.console.exit is not None:
            self.exit_code, self.signal = self.console.exit.code, self.console.exit.signal
        self._finish("session-closed")

    def _fail(self, problem: Problem) -> None:
        if not self.ended.is_set():
            self.problem = problem
            self._finish("cancelled")

    def _finish(self, status: Status) -> None:
        if self.ended.is_set():
            return
        for end in list(self._ends):
            self._on_pipe(end)
        if rest := self._newlines.rest():
            self.spool.write(rest)
        self._ended_at = self._loop.time()
        if self._since is not None:
            self._seconds = self._ended_at - self._since
        if self.signal is None and (self._timed_out or self._cancelled):
            self.signal = self._stop.last
        if self._timed_out and self.body.on_timeout == "kill":
            status = "timeout"
        elif self._cancelled and status != "session-closed":
            status = "cancelled"
        self.status = status
        self.ended.set()
        self.begun.set()
        self.answered.set()
        self._wake()
        self._on_end(self)

    async def close(self) -> None:
        """Let go of everything; a command that still runs is left to its shell."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        self._stop.close()
        for end in list(self._ends):
            self._close_pipe(end)
        self.spool.close()

    # -- reading -------------------------------------------------------------------------------

    def model(self, *, outputs: bool = True) -> RunModel:
        """The run as it stands now; raises its Problem if the command never ran."""
        if self.problem is not None:
            raise self.problem
        left = self._timed_out and not self.ended.is_set() and self.answered.is_set()
        seconds = self._seconds
        if self._since is not None and not self.ended.is_set():
            seconds = self._loop.time() - self._since
        model = RunModel(
            run=self.id,
            console=self.console.name,
            status="timeout" if left else self.status,
            exit_code=self.exit_code,
            truncated=self.spool.truncated,
            cwd=self.cwd,
            started=self._created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            seconds=round(seconds, 6),
            start_offset=self.start_offset,
            end_offset=self.end_offset,
        )
        if self.signal is not None:
            model.signal = self.signal
        if outputs:
            fill(model, self.spool, strip=self.body.strip)
        return model

    async def events(self, after: int = 0) -> AsyncIterator[tuple[int, str, Any]]:
        """What happens, as (id, name, data), up to `done`; an id is how much output came so far.

        `done` is the answer without the output, which the events before it were.
        """
        position = after
        while True:
            more = self._more
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

    def _wake(self) -> None:
        more, self._more = self._more, asyncio.Event()
        more.set()
