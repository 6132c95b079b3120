"""LocalDriver: one command in a terminal of this server, whose processes are visible."""

from __future__ import annotations

import os
import signal
import termios
from dataclasses import replace

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import CommandObserver, ShellDriver, more
from jupyter_bridge.consoles.run.known_prompt import REACTION, empty_line, no_answer
from jupyter_bridge.consoles.run.local.input_pipe import InputPipe
from jupyter_bridge.consoles.run.local.processes import reader_of_terminal
from jupyter_bridge.consoles.run.local.scripts import Files, Pipes, Scripts
from jupyter_bridge.consoles.run.local.shell import Shell, image_of
from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.models.runs import RunBody
from jupyter_bridge.problems import Busy
from jupyter_bridge.wire.shell.any_bytes import to_bytes
from jupyter_bridge.wire.shell.startup import KEY, KnownShell
from jupyter_bridge.wire.shell.wrapper import Wrapping, shown

# How long the console must be silent before a shell that printed no mark is asked for it, seconds.
ASK_AFTER = 0.5
# The same for a shell that has replaced itself, whose prompt nobody knows; seconds.
LEAVE_AFTER = 1.5
# The signals, and how long each may take, seconds. A script in the foreground continues with its
# next command when one is killed, so there are more and faster rounds, until the shell itself is
# killed.
STEPS = ((signal.SIGINT, 2.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0))
AGAIN = ((signal.SIGINT, 0.5), (signal.SIGKILL, 0.5))
ROUNDS = 5
LOOK_EVERY = 0.05


class LocalDriver(ShellDriver):
    """Types through the pty, finds its reader in the process table, and stops it by signals."""

    take_patience = 3.0  # the shell only reads two files before the mark

    def __init__(
        self,
        console: Console,
        terminal: TerminalSource,
        scripts: Scripts,
        body: RunBody,
        run: CommandObserver,
        *,
        fresh: bool,
    ) -> None:
        nobody_follows = fresh and not body.stays
        super().__init__(console, run, nobody_follows=nobody_follows, raw=body.raw)
        self._shell = Shell(console, terminal)
        self._terminal = terminal
        self._scripts = scripts
        self._body = body
        self._fresh = fresh
        self._image: str | None = None
        self._files: Files | None = None
        self._wrapping: Wrapping | None = None
        self._refused = 0
        self._pipes: Pipes | None = None
        self._input: InputPipe | None = None

    async def wait_for_prompt(self, patience: float | None) -> None:
        await self._shell.wait_for_prompt(patience)

    async def perform(self) -> None:
        offset = self._console.end_offset
        self._image = self._shell.image()
        known = self._shell.known
        assert known is not None, "wait_for_prompt has raised Busy"
        self._scripts.check(known)
        by_key = known.start.has_key
        self.shell = self._shell.program()
        body, split = self._body, self._body.output == "split"
        stdin = None if body.stdin is None else to_bytes(body.stdin)
        by_pipe = body.input == "pipe"
        text = to_bytes(body.command or "")
        files = self._scripts.new(text, stdin=stdin, split=split, pipe_in=by_pipe)
        self._files = files
        self._refused = known.prompt.refused
        status = None if by_key else await self._empty_line(known)
        wrapping = self._wrapping = Wrapping(
            known.start.dialect,
            self._nonce,
            self._scripts.integration(known.start.dialect),
            str(files.wrapper),
            str(files.text),
            cwd=None if self._fresh else body.cwd,
            env={} if self._fresh else body.env,
            pager=body.pager,
            stdin=str(files.stdin) if files.stdin else None,
            stdout=str(files.pipes[0]) if split else None,
            stderr=str(files.pipes[1]) if split else None,
            status=status,
            command=body.command or "",
        )
        self._scripts.write(files, wrapping.script())
        self._pipes = Pipes(files.ends, self._run.on_data)
        line = wrapping.line(shown(body.command or "", plain=not by_key))
        if by_pipe and files.stdin is not None:
            self._input = InputPipe(files.stdin)
            self._input.start()
        try:
            await self._perform(self._enter(line, known), offset)
        finally:
            self._scripts.withdraw(known, self._terminal.pid)
            self._scripts.remove(files, wrapper=self._began)
            if self._input is not None:
                self._input.close()

    async def send_stdin(self, data: bytes, offset: int | None, *, end: bool) -> int:
        if self._input is None:
            return await super().send_stdin(data, offset, end=end)
        return await self._input.send(data, offset, end=end)

    @property
    def stdin_taken(self) -> int:
        return 0 if self._input is None else self._input.taken

    def reader_of_terminal(self) -> str | None:
        group = self._terminal.foreground
        return None if group is None else reader_of_terminal(group)

    def hold(self, on: bool) -> None:
        if self._body.output == "split":
            assert self._pipes is not None
            self._pipes.hold(on)
        elif on:
            self._terminal.pause()
        else:
            self._terminal.resume()

    async def _enter(self, line: bytes, known: KnownShell) -> None:
        """Enter a line at the prompt: by the shell's key, or at a line that is empty."""
        if known.start.has_key:
            self._scripts.offer(known, self._terminal.pid, line)
            await self._console.write(KEY)
            return
        line = self._shell.key(termios.VKILL) * self._shell.reads_by_itself() + line + b"\r"
        typed = self._terminal.typed + len(line)
        await self._console.write(line)
        if self._terminal.typed == typed:  # nobody else typed meanwhile
            self._terminal.empty_at = typed

    async def _empty_line(self, known: KnownShell) -> int | None:
        """Have the line of a shell without a key empty; Busy if it cannot be known to be.

        Returns the status that the command must find in `$?`, if it is not the shell's own.
        """
        if self._terminal.typed == self._terminal.empty_at:
            return None
        console, status = self._console, known.prompt.status
        if self._shell.reads_by_itself():
            # The terminal's own key deletes the line. A frozen terminal would not echo.
            kill = self._shell.key(termios.VKILL)
            end = console.end_offset
            await console.write(b" ")
            if kill and await more(console, end, REACTION):
                return None
            await console.write(kill)
            raise self._not_taken()
        interrupt = self._shell.key(termios.VINTR) or b"\x03"
        await empty_line(console, known.prompt, interrupt, self._shell.at_prompt)
        return status

    def close(self) -> None:
        """Close the pipes, which background jobs may still hold open."""
        if self._pipes is not None:
            self._pipes.close()

    def _sees_prompt(self) -> bool:
        return self._shell.at_prompt()

    def _take(self, data: bytes) -> bytes:
        return data if self._body.output == "tty" else b""

    def _drain(self) -> None:
        if self._pipes is not None:
            self._pipes.drain()

    def _not_taken(self) -> Busy:
        if self._shell.known is not None:
            self._scripts.withdraw(self._shell.known, self._terminal.pid)
        if self._files is not None:
            self._scripts.disarm(self._files)
        return no_answer(self._console)

    def _is_refused(self) -> bool:
        known = self._shell.known
        return known is not None and known.prompt.refused > self._refused

    def _has_left(self, silent: float) -> bool:
        """A shell that replaced itself by another program, or whose prompt is not known any more,
        tells no status."""
        replaced = self._shell.image() != self._image
        return replaced and silent > LEAVE_AFTER and self._shell.seems_at_prompt()

    async def _is_at_prompt(self, silent: float) -> bool:
        live = self._console.state == "live"
        return self.interrupted and live and silent > ASK_AFTER and self._shell.at_prompt()

    async def _ask(self) -> None:
        known, files, wrapping = self._shell.known, self._files, self._wrapping
        if known is None or files is None or wrapping is None:
            return
        # The shell is at its prompt, so its `$?` is right.
        self._scripts.write(files, replace(wrapping, status=None).ask())
        self._cut = self._console.end_offset if self._cut is None else self._cut
        await self._enter(wrapping.ask_line(), known)

    # -- stopping ------------------------------------------------------------------------------

    async def _stop(self) -> None:
        await self._run.begun.wait()
        for number, grace in STEPS + AGAIN * ROUNDS:
            if await self._signal(number, grace):
                return
        await self._console.write(b"\x04")

    async def _signal(self, number: signal.Signals, grace: float) -> bool:
        """Send a signal to the foreground and to its successors, until the run's end or `grace`.

        As with a keyboard, a shell that is starting a child ignores its own SIGINT, and the child
        loses a signal that comes before its exec.
        """
        until = self._loop.time() + grace
        reached: str | None = None
        while self._loop.time() < until:
            group = self._terminal.foreground
            image = None if group is None else image_of(group) or str(group)
            if group is not None and group > 1 and image != reached:
                reached = image
                self.interrupted, self.last_signal = True, number.name
                try:
                    if number != signal.SIGINT and group != self._terminal.pid:
                        # The shell would go on with what follows the killed command.
                        os.kill(self._terminal.pid, signal.SIGINT)
                    os.killpg(group, number)
                except ProcessLookupError:
                    pass
                except PermissionError:  # another user's process (sudo): only the key reaches it
                    await self._console.write(b"\x03")
            if await self._over(LOOK_EVERY):
                return True
        return False
