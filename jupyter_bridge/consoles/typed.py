"""Typed: one command at work in a terminal, from the line that starts it to the prompt after it.

The protocol is `wire/shell.py`. What is found is told to a `Hearer`, which is the Run.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Protocol

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.pipes import Pipes
from jupyter_bridge.consoles.runbody import RunBody
from jupyter_bridge.consoles.scripts import Files, Scripts
from jupyter_bridge.consoles.shell import Shell
from jupyter_bridge.problems import Busy, Gone
from jupyter_bridge.seams import Exit
from jupyter_bridge.wire.shell import Began, Ended, Newlines, Output, Ready, Scanner, Wrapping

# Between the typed line and the mark a shell only opens two files, seconds.
TAKE_PATIENCE = 10.0
# After the end the prompt is waited for this long, then the next run may look itself, seconds.
SETTLE = 2.0
# How often to look whether the shell is still the one that was typed into, and how long the console
# must have been silent before a shell that gave no mark is asked for its status, seconds.
LOOK_EVERY = 0.25
ASK_AFTER = 0.5
ASKS = 3
READ_BYTES = 256 << 10
# Whatever somebody typed and did not send stands at the prompt: Ctrl-E, Ctrl-U kill it.
KILL_LINE = {"sh": b"\x15"}
KILL_EDITED_LINE = b"\x05\x15"


class Hearer(Protocol):
    """Who hears of a typed command."""

    @property
    def interrupted(self) -> bool:
        """Whether the shell may have been interrupted, so that no mark may come."""

    def on_began(self, offset: int) -> None:
        """The command runs; its output begins at this console offset."""

    def on_data(self, data: bytes, stream: int) -> None:
        """It wrote this."""

    def on_lost(self) -> None:
        """Some of what it wrote is lost."""

    def on_status(self, status: int | None, cwd: str | None, offset: int) -> None:
        """It has ended so. Comes once, and all data before it."""

    def on_session_end(self, exit: Exit, offset: int) -> None:  # noqa: A002
        """The console has ended, and the command with it."""


class Typed:
    """Type one command and follow it: `perform` once, then `close`."""

    def __init__(
        self,
        console: Console,
        shell: Shell,
        scripts: Scripts,
        body: RunBody,
        hearer: Hearer,
        *,
        fresh: bool,
    ) -> None:
        self._console = console
        self._shell = shell
        self._scripts = scripts
        self._body = body
        self._hearer = hearer
        self._fresh = fresh
        self._loop = asyncio.get_running_loop()
        self._nonce = uuid.uuid4().hex
        self._newlines = Newlines()
        self._files: Files | None = None
        self._pipes: Pipes | None = None
        self._began = self._over = self._ready = False
        self._status: Ended | None = None
        # When the command ended; when its console said something last; where the asking began.
        self._over_at = self._heard_at = 0.0
        self._cut: int | None = None

    async def perform(self) -> None:
        """Type the command; return when the shell is ready for another. Busy when it takes none."""
        offset = self._console.end_offset
        image = self._shell.image()
        wrapping = self._write_files()
        keys = b"" if self._fresh else KILL_LINE.get(wrapping.dialect, KILL_EDITED_LINE)
        follow = asyncio.ensure_future(self._follow(Scanner(self._nonce, offset), offset))
        look = asyncio.ensure_future(self._look(image))
        try:
            await self._console.write(keys + wrapping.typed())
            await asyncio.wait({follow, look}, return_when=asyncio.FIRST_COMPLETED)
            if look.done():
                look.result()
            await follow
        finally:
            for task in (follow, look):
                task.cancel()
            await asyncio.wait({follow, look})
            assert self._files is not None
            self._scripts.remove(self._files, wrapper=self._began)

    def close(self) -> None:
        """Let go of the pipes, which background jobs may still hold."""
        if self._pipes is not None:
            self._pipes.close()

    def _write_files(self) -> Wrapping:
        dialect = self._shell.dialect()
        if dialect is None:
            raise Busy(f"There is no shell in the foreground of console {self._console.name!r}.")
        body = self._body
        split = body.output == "split"
        stdin = None if body.stdin is None else body.stdin.encode()
        files = self._scripts.new(body.command.encode(), stdin=stdin, split=split)
        self._files = files
        wrapping = Wrapping(
            dialect,
            self._nonce,
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
        self._pipes = Pipes(files.ends, self._hearer.on_data)
        return wrapping

    # -- what the console says -----------------------------------------------------------------

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
            if held > offset:  # retention took it before we came to it
                self._hearer.on_lost()
                scanner.feed(b"\0" * (held - offset))
                offset = held
            elif console.state == "ended" and console.end_offset <= offset:
                self._on_console_end(scanner.rest(), offset)
                return
            elif self._over:
                if not await self._more_before_prompt(offset):
                    return
            else:
                await console.wait(offset)

    async def _more_before_prompt(self, offset: int) -> bool:
        """After the end: whether more came before the prompt, or before patience was over."""
        if self._fresh and not self._body.stays:
            return False  # nobody comes after this one
        until = self._over_at + SETTLE
        waiting = asyncio.ensure_future(self._console.wait(offset))
        try:
            while not waiting.done() and self._loop.time() < until:
                await asyncio.wait({waiting}, timeout=0.02)
                if not waiting.done() and self._shell.at_prompt():
                    return False
            return waiting.done()
        finally:
            waiting.cancel()

    def _on_event(self, event: Began | Output | Ended | Ready) -> None:
        self._heard_at = self._loop.time()
        if isinstance(event, Output):
            self._on_output(event)
        elif isinstance(event, Began):
            self._began = True
            self._hearer.on_began(event.offset)
        elif isinstance(event, Ended):
            self._status = event
            if not event.leaving:
                self._end()
        else:
            self._ready = True
            self._end()

    def _on_output(self, event: Output) -> None:
        data = event.data
        if self._cut is not None:
            data = data[: max(0, len(data) - max(0, event.end - self._cut))]
        if self._body.output == "tty" and (data := self._newlines.feed(data)):
            self._hearer.on_data(data, 0)

    def _end(self) -> None:
        if self._over:
            return
        self._flush()
        status = self._status
        if status is None:
            self._hearer.on_status(None, None, self._cut or self._console.end_offset)
        else:
            end = status.offset if self._cut is None else min(status.offset, self._cut)
            self._hearer.on_status(status.status, status.cwd or None, end)

    def _on_console_end(self, rest: bytes, offset: int) -> None:
        if self._over:
            return
        if not self._began:
            raise Gone(f"Console {self._console.name!r} ended before the command was run.")
        if rest:
            self._on_output(Output(rest, offset))
        self._flush()
        end = offset if self._status is None else self._status.offset
        self._hearer.on_session_end(self._console.exit or Exit(), end)

    def _flush(self) -> None:
        self._over = True
        self._over_at = self._loop.time()
        if self._pipes is not None:
            self._pipes.drain()
        if rest := self._newlines.rest():
            self._hearer.on_data(rest, 0)

    # -- a shell that may never give the mark --------------------------------------------------

    async def _look(self, image: str | None) -> None:
        """Watch over the shell: it may take no line, be replaced, be left, or be interrupted."""
        take_until = self._loop.time() + TAKE_PATIENCE
        asked = 0
        while not self._over:
            await asyncio.sleep(LOOK_EVERY)
            now = self._loop.time()
            if not self._began:
                if now > take_until and self._files is not None:
                    self._scripts.disarm(self._files)
                    raise Busy(f"The shell in console {self._console.name!r} takes no line.")
                continue
            lost = self._hearer.interrupted or self._shell.image() != image
            quiet = now - self._heard_at > ASK_AFTER
            if lost and quiet and self._console.state == "live" and self._shell.at_prompt():
                if asked == ASKS:
                    self._end()
                    break
                asked += 1
                self._heard_at = now + ASK_AFTER * 4
                await self._ask()
        await asyncio.Event().wait()  # until this task is cancelled

    async def _ask(self) -> None:
        dialect = self._shell.dialect()
        if dialect is None or self._files is None:
            return
        wrapper = str(self._files.wrapper)
        wrapping = Wrapping(
            dialect, self._nonce, self._scripts.integration(dialect), wrapper, str(self._files.text)
        )
        self._scripts.write(self._files, wrapping.ask())
        self._cut = self._console.end_offset if self._cut is None else self._cut
        await self._console.write(wrapping.asking())
