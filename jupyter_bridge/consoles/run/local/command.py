"""LocalCommand: one command at work in a terminal of this server, from the line that starts it."""

from __future__ import annotations

import asyncio

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.local.pipes import Pipes
from jupyter_bridge.consoles.run.local.scripts import Files, Scripts
from jupyter_bridge.consoles.run.local.shell import Shell
from jupyter_bridge.consoles.run.models import RunBody
from jupyter_bridge.consoles.run.tracker import CommandObserver, CommandTracker
from jupyter_bridge.problems import Busy
from jupyter_bridge.wire.shell.marks import Scanner
from jupyter_bridge.wire.shell.wrapper import Wrapping

# Between the typed line and the mark a shell only opens two files, seconds.
TAKE_PATIENCE = 10.0
# How often to look whether the shell is still the one that was typed into, and how long the console
# must have been silent before a shell that gave no mark is asked for its status, seconds.
LOOK_EVERY = 0.25
ASK_AFTER = 0.5
ASKS = 3
# Whatever somebody typed and did not send stands at the prompt: Ctrl-E, Ctrl-U kill it.
KILL_LINE = {"sh": b"\x15"}
KILL_EDITED_LINE = b"\x05\x15"


class LocalCommand(CommandTracker):
    """Type one command and follow it: `perform` once, then `close`."""

    def __init__(
        self,
        console: Console,
        shell: Shell,
        scripts: Scripts,
        body: RunBody,
        hearer: CommandObserver,
        *,
        fresh: bool,
    ) -> None:
        super().__init__(console, hearer, nobody_follows=fresh and not body.stays)
        self._shell = shell
        self._scripts = scripts
        self._body = body
        self._fresh = fresh
        self._files: Files | None = None
        self._pipes: Pipes | None = None

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

    def _at_prompt(self) -> bool:
        return self._shell.at_prompt()

    def _take(self, data: bytes) -> bytes:
        return data if self._body.output == "tty" else b""

    def _drain(self) -> None:
        if self._pipes is not None:
            self._pipes.drain()

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
