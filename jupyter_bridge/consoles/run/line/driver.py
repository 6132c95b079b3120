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
from jupyter_bridge.consoles.run.known_prompt import no_answer
from jupyter_bridge.consoles.run.line.shell import TAKE_PATIENCE, LineShell
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.models.runs import RunBody
from jupyter_bridge.problems import Problem, RemoteFailed
from jupyter_bridge.wire.shell import line_download
from jupyter_bridge.wire.shell.any_bytes import to_bytes
from jupyter_bridge.wire.shell.line_download import StreamFinder
from jupyter_bridge.wire.shell.line_upload import WRAPPER
from jupyter_bridge.wire.shell.wrapper import Wrapping

# How long the console must be silent before a shell is asked for a mark that may be lost, seconds.
ASK_AFTER = 0.7
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

# Some systems have no `ps`, some no /proc.
_KILL = (
    "read -r l;g=$(ps -o tpgid= -p {pid}||"
    '{{ set -- $(sed "s/.*) //" /proc/{pid}/stat);'
    "echo $6;}});kill -s {name} -- -$(echo $g)"
)

_TEXT, _STDIN = "2", "3"


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
        self._breaks = 0

    async def wait_for_prompt(self, patience: float | None) -> None:
        await self._shell.wait_for_prompt(patience)

    async def perform(self) -> None:
        await self._shell.send_files(self._files)
        self._breaks = self._shell.times_broken
        await self._perform(self._shell.go(), self._console.end_offset)

    def _files(self, status: int) -> Mapping[str, bytes]:
        known = self._shell.known
        assert known.dialect is not None, "it is at its prompt"
        body, folder = self._body, known.folder
        self.shell = known.dialect
        split = body.output == "split"
        stdin = None if body.stdin is None else to_bytes(body.stdin)
        wrapping = Wrapping(
            known.dialect,
            self._nonce,
            f"{folder}/{known.dialect}",
            f"{folder}/{WRAPPER}",
            f"{folder}/{_TEXT}",
            cwd=body.cwd,
            env=body.env,
            pager=body.pager,
            stdin=f"{folder}/{_STDIN}" if stdin is not None else "/dev/null" if split else None,
            stdout=f"{folder}/{line_download.STREAMS[0]}" if split else None,
            stderr=f"{folder}/{line_download.STREAMS[1]}" if split else None,
            status=status,
            final_script=f"{folder}/{line_download.FILE}",
            command=body.command or "",
        )
        self._wrapping = wrapping
        order = f"{self._nonce} {body.max_output}\n".encode()
        return {
            WRAPPER: to_bytes(wrapping.script()),
            _TEXT: to_bytes(body.command or ""),
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

    def _sees_prompt(self) -> bool:
        return self._shell.at_prompt()

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
        return no_answer(self._console)

    def _has_left(self, silent: float) -> bool:
        leaves = self._status is not None  # the shell announced its exit
        return leaves and silent > LEAVE_AFTER and self._console.state == "live"

    async def _is_at_prompt(self, silent: float) -> bool:
        """A mark can be lost if the connection drops, or at an interrupt if the prompt's hook was
        removed."""
        lost = self._gap or self.interrupted or self._shell.times_broken != self._breaks
        if not lost or self._status is not None or self._console.state != "live":
            return False
        return silent > ASK_AFTER and self._shell.at_prompt()

    async def _ask(self) -> None:
        wrapping = self._wrapping
        assert wrapping is not None, "its files were sent"
        cut, self._cut = self._cut, self._console.end_offset if self._cut is None else self._cut
        try:
            await self._shell.send_files(
                lambda status: {WRAPPER: replace(wrapping, status=status).ask().encode()}
            )
            await self._shell.go()
        except Problem:  # somebody types there: ask again later
            self._cut = cut

    # -- stopping ------------------------------------------------------------------------------

    async def _stop(self) -> None:
        await self._run.begun.wait()
        for grace in INTERRUPTS:
            if not self.interrupted or not self._shell.at_prompt():
                self.interrupted = True
                with contextlib.suppress(Problem):
                    await self._console.write(b"\x03")
                    self.last_signal = "SIGINT"
            if await self._over(grace):
                return
        if self._shell.at_prompt() and await self._over(ASKING):
            return
        for name, grace in SIGNALS:
            before, self.last_signal = self.last_signal, f"SIG{name}"
            argv = ["/bin/sh", "-c", _KILL.format(pid=self._shell.known.pid, name=name)]
            try:
                killing = self._shell.run_in_new_terminal(argv, NEW_TERMINAL_SECONDS)
                await within(NEW_TERMINAL_SECONDS, killing)
            except (Problem, asyncio.TimeoutError):
                self.last_signal = before
            if await self._over(grace):
                return
        self._run.on_unreachable()
