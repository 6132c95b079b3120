"""LocalDriver: one command in a terminal of this server, whose processes are visible."""

from __future__ import annotations

import os
import signal

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import CommandObserver, ShellDriver
from jupyter_bridge.consoles.run.local.input_pipe import InputPipe
from jupyter_bridge.consoles.run.local.processes import reader_of_terminal
from jupyter_bridge.consoles.run.local.scripts import Files, Pipes, Scripts
from jupyter_bridge.consoles.run.local.shell import Shell, image_of
from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.models.runs import RunBody
from jupyter_bridge.problems import Busy
from jupyter_bridge.wire.shell.any_bytes import to_bytes
from jupyter_bridge.wire.shell.wrapper import Wrapping

# How long the console must be silent before a shell that printed no mark is asked for it, seconds.
ASK_AFTER = 0.5
# Ctrl-E and Ctrl-U delete a line that was typed at the prompt but not sent.
KILL_LINE = {"sh": b"\x15"}
KILL_EDITED_LINE = b"\x05\x15"
# The signals, and how long each may take, seconds. A script continues with its next command when
# one is killed, so there are more and faster rounds, until the shell itself is killed.
STEPS = ((signal.SIGINT, 2.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0))
AGAIN = ((signal.SIGINT, 0.5), (signal.SIGKILL, 0.5))
ROUNDS = 5
LOOK_EVERY = 0.05


class LocalDriver(ShellDriver):
    """Types through the pty, finds its reader in the process table, and stops it by signals."""

    take_patience = 10.0  # the shell only reads two files before the mark

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
        self._pipes: Pipes | None = None
        self._input: InputPipe | None = None

    async def wait_for_prompt(self, patience: float | None) -> None:
        await self._shell.wait_for_prompt(patience)

    async def perform(self) -> None:
        offset = self._console.end_offset
        self._image = self._shell.image()
        self.shell, dialect = self._shell.program(), self._shell.dialect()
        if dialect is None:
            raise Busy(f"No shell is in the foreground of console {self._console.name!r}.")
        body, split = self._body, self._body.output == "split"
        stdin = None if body.stdin is None else to_bytes(body.stdin)
        by_pipe = body.input == "pipe"
        text = to_bytes(body.command or "")
        files = self._scripts.new(text, stdin=stdin, split=split, pipe_in=by_pipe)
        self._files = files
        wrapping = Wrapping(
            dialect,
            self._nonce,
            self._scripts.integration(dialect),
            str(files.wrapper),
            str(files.text),
            cwd=None if self._fresh else body.cwd,
            env={} if self._fresh else body.env,
            pager=body.pager,
            stdin=str(files.stdin) if files.stdin else None,
            stdout=str(files.pipes[0]) if split else None,
            stderr=str(files.pipes[1]) if split else None,
        )
        self._scripts.write(files, wrapping.script())
        self._pipes = Pipes(files.ends, self._run.on_data)
        if by_pipe and files.stdin is not None:
            self._input = InputPipe(files.stdin)
            self._input.start()
        keys = b"" if self._fresh else KILL_LINE.get(dialect, KILL_EDITED_LINE)
        try:
            await self._perform(self._console.write(keys + wrapping.typed()), offset)
        finally:
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
        if self._files is not None:
            self._scripts.disarm(self._files)
        return Busy(f"The shell in console {self._console.name!r} does not read its input.")

    async def _is_at_prompt(self, silent: float) -> bool:
        lost = self.interrupted or self._shell.image() != self._image
        live = self._console.state == "live"
        return lost and live and silent > ASK_AFTER and self._shell.at_prompt()

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
        await self._console.write(wrapping.typed_ask())

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
                    os.killpg(group, number)
                except ProcessLookupError:
                    pass
                except PermissionError:  # another user's process (sudo): only the key reaches it
                    await self._console.write(b"\x03")
            if await self._over(LOOK_EVERY):
                return True
        return False
