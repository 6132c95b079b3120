"""LineDriver: one command in a shell that is reached only by its terminal's bytes.

The terminal itself can only send Ctrl-C. A command that ignores it gets signals from a second
terminal, opened for a moment on the remote; without that, the command cannot be stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import CommandObserver, ShellDriver
from jupyter_bridge.consoles.run.line.prompt import (
    DRAWN,
    KILL_LINE,
    LOOK_BYTES,
    LOOKS,
    shows_prompt,
)
from jupyter_bridge.consoles.run.line.shell import TAKE_PATIENCE, LineShell
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.models.runs import RunBody
from jupyter_bridge.problems import Busy, Problem, RemoteFailed
from jupyter_bridge.wire.shell import line_download, line_upload
from jupyter_bridge.wire.shell.any_bytes import to_bytes
from jupyter_bridge.wire.shell.integration import integration
from jupyter_bridge.wire.shell.line_download import StreamFinder
from jupyter_bridge.wire.shell.line_upload import Reader
from jupyter_bridge.wire.shell.wrapper import Wrapping

# How long the console must be silent if a mark may be lost, and if the shell may have been
# replaced, which only its prompt shows. Seconds.
ASK_AFTER = 0.7
PROMPT_AFTER = 1.5
# A key may be typed while a prompt is tested: test again after this, seconds.
LOOK_AGAIN = 1.5
# A shell that announced its exit, and still answers after this, was a nested one; seconds.
LEAVE_AFTER = 1.5
# Ctrl-C is typed twice: a shell that is starting a child ignores it. Seconds.
INTERRUPTS = (1.0, 1.5)
# Then these signals, each with its grace, seconds; a script continues with its next command.
SIGNALS = (("TERM", 2.0), ("KILL", 1.0), ("KILL", 1.0), ("KILL", 1.0))
# How long to wait for a shell that seems to be at its prompt: it is asked how the command ended,
# and a signal could hit only the shell. Seconds.
ASKING = 10.0
# How long it may take to open a terminal on the remote, type a line and wait for its end, seconds.
NEW_TERMINAL_SECONDS = 20.0

# Some systems have no `ps`, some no /proc. The line is kept out of the history.
_KILL = (
    " unset HISTFILE; exec /bin/sh -c 'g=$(ps -o tpgid= -p {pid}||"
    '{{ set -- $(sed "s/.*) //" /proc/{pid}/stat);'
    "echo $6;}});kill -s {name} -- -$(echo $g)'\r"
)

_WRAPPER, _TEXT, _STDIN, _ASK = "1", "2", "3", "4"


class LineDriver(ShellDriver):
    """Sends the command as files, and has the shell run them."""

    take_patience = TAKE_PATIENCE

    def __init__(
        self, console: Console, shell: LineShell, body: RunBody, run: CommandObserver
    ) -> None:
        super().__init__(console, run, nobody_follows=not body.stays, raw=body.raw)
        self._shell = shell
        self._body = body
        self._stream_finder = StreamFinder(self._nonce)
        self._wrapping: Wrapping | None = None
        self._ask_line = b""
        # The console's end at the last test of its prompt, and the number of tests at that end.
        self._looked_at = self._looks = 0
        self._start = self._breaks = 0
        # `console.typed` after this run's last line.
        self._typed = 0

    async def wait_for_prompt(self, patience: float | None) -> None:
        await self._shell.prompt.wait(patience)

    async def perform(self) -> None:
        await self._shell.send_files(self._to_keep, self._to_run)
        assert self._wrapping is not None
        # Wait for the prompt: a line typed ahead would be echoed twice.
        await self._shell.prompt.settle(1.0, DRAWN)
        self._breaks = self._shell.times_broken
        self._start = self._console.end_offset
        await self._perform(self._type(KILL_LINE + self._wrapping.line() + b"\r"), self._start)
        if self._ready and not self._nobody_follows:
            await self._shell.prompt.settle(1.0, DRAWN)
            # The prompt is free only if nothing else was typed meanwhile.
            if self._typed == self._console.typed:
                self._shell.prompt.is_drawn()

    async def _type(self, data: bytes) -> None:
        self._typed = self._console.typed + 1
        await self._console.write(data)

    def _to_keep(self, reader: Reader) -> Mapping[str, bytes]:
        return {
            line_upload.RECEIVER_FILE: line_upload.RECEIVER.encode(),
            line_download.FILE: line_download.SCRIPT,
            reader.dialect: integration(reader.dialect, reports_exit=True).encode(),
        }

    def _to_run(self, reader: Reader) -> Mapping[str, bytes]:
        body, folder = self._body, reader.folder
        self.shell = reader.dialect
        split = body.output == "split"
        stdin = None if body.stdin is None else to_bytes(body.stdin)
        wrapping = Wrapping(
            reader.dialect,
            self._nonce,
            f"{folder}/{reader.dialect}",
            f"{folder}/{_WRAPPER}",
            f"{folder}/{_TEXT}",
            cwd=body.cwd,
            env=body.env,
            pager=body.pager,
            stdin=f"{folder}/{_STDIN}" if stdin is not None else "/dev/null" if split else None,
            stdout=f"{folder}/{line_download.STREAMS[0]}" if split else None,
            stderr=f"{folder}/{line_download.STREAMS[1]}" if split else None,
            status=reader.status,
            final_script=f"{folder}/{line_download.FILE}",
            command=body.command or "",
        )
        # A shell that is asked is at its prompt, so its `$?` is right.
        asking = replace(wrapping, status=None, wrapper=f"{folder}/{_ASK}")
        self._wrapping, self._ask_line = wrapping, asking.ask_line() + b"\r"
        order = f"{self._nonce} {body.max_output}\n".encode()
        return {
            _WRAPPER: to_bytes(wrapping.script()),
            _TEXT: to_bytes(body.command or ""),
            _ASK: asking.ask().encode(),
            **({} if stdin is None else {_STDIN: stdin}),
            **({line_download.ORDER: order} if split else {}),
        }

    def _take(self, data: bytes) -> bytes:
        if self._body.output == "tty":
            return data
        for stream, piece, lost in self._stream_finder.feed(data):
            if piece:
                self._run.on_data(piece, stream)
            if lost:
                self._run.on_lost()
        return b""

    def _drain(self) -> None:
        if self._body.output == "split":
            # Otherwise it reached its prompt without sending both.
            sure = self._stream_finder.streams == {0, 1}
        else:
            sure = self._shell.times_broken == self._breaks
        if not sure:
            self._run.on_lost()

    def _exit(self) -> Exit:
        exit_ = super()._exit()
        if exit_.code is None and self._status is not None and self._status.leaving:
            return Exit(self._status.status)
        return exit_

    # -- a shell that may never print the mark -------------------------------------------------

    def _not_taken(self) -> Problem:
        name = self._console.name
        if self._gap or self._shell.times_broken != self._breaks:
            return RemoteFailed(
                f"The connection to console {name!r} dropped as the command was typed. It may be "
                "running; look with tail."
            )
        return Busy(f"The shell in console {name!r} does not read its input.")

    def _has_left(self, silent: float) -> bool:
        leaves = self._status is not None  # the shell announced its exit
        return leaves and silent > LEAVE_AFTER and self._console.state == "live"

    async def _is_at_prompt(self, silent: float) -> bool:
        """A mark can be lost if the connection drops, or at an interrupt if the prompt's hook was
        removed. A shell that replaced itself is recognized only by its line editor."""
        lost = self._gap or self.interrupted or self._shell.times_broken != self._breaks
        if self._status is not None or self._console.state != "live":
            return False
        if silent < (ASK_AFTER if lost else PROMPT_AFTER):
            return False
        end = self._console.end_offset
        if end == self._looked_at:
            if self._looks == LOOKS or silent < self._looks * LOOK_AGAIN:
                return False
            self._looks += 1
        else:
            self._looks = 1
        output = await asyncio.to_thread(self._console.newest, min(end - self._start, LOOK_BYTES))
        if not shows_prompt(output, edits=not lost):
            self._looked_at, self._looks = end, LOOKS
            return False
        cut, self._cut = self._cut, end if self._cut is None else self._cut
        found = bool(await self._shell.prompt.is_there())
        self._looked_at = self._console.end_offset
        if not found:
            self._cut = cut
        return found

    async def _ask(self) -> None:
        await self._type(self._ask_line)

    # -- stopping ------------------------------------------------------------------------------

    async def _stop(self) -> None:
        await self._run.begun.wait()
        for grace in INTERRUPTS:
            if not self.interrupted or not await self._seems_at_prompt():
                self.interrupted = True
                with contextlib.suppress(Problem):
                    await self._console.write(b"\x03")
                    self.last_signal = "SIGINT"
            if await self._over(grace):
                return
        if await self._seems_at_prompt() and await self._over(ASKING):
            return
        for name, grace in SIGNALS:
            before, self.last_signal = self.last_signal, f"SIG{name}"
            line = _KILL.format(pid=self._shell.pid, name=name)
            try:
                typing = self._shell.type_in_new_terminal(line.encode(), NEW_TERMINAL_SECONDS)
                await within(NEW_TERMINAL_SECONDS, typing)
            except (Problem, asyncio.TimeoutError):
                self.last_signal = before
            if await self._over(grace):
                return
        self._run.on_unreachable()

    async def _seems_at_prompt(self) -> bool:
        output = await asyncio.to_thread(self._console.newest, LOOK_BYTES)
        return shows_prompt(output, edits=False)
