"""LineCommand: one command at work in a shell at the end of a line, where only the line leads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.line.prompt import (
    DRAWN,
    KILL_LINE,
    LOOK_BYTES,
    LOOKS,
    shows_prompt,
)
from jupyter_bridge.consoles.run.line.shell import TAKE_PATIENCE, LineShell
from jupyter_bridge.consoles.run.models import RunBody
from jupyter_bridge.consoles.run.tracker import CommandObserver, CommandTracker
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.problems import Busy, RemoteFailed
from jupyter_bridge.wire.shell import line_download, line_upload
from jupyter_bridge.wire.shell.integration import integration
from jupyter_bridge.wire.shell.line_download import StreamFinder
from jupyter_bridge.wire.shell.line_upload import Reader
from jupyter_bridge.wire.shell.marks import Scanner
from jupyter_bridge.wire.shell.wrapper import Wrapping

# How often to look whether a mark is missing; how long the console must have been silent then, and
# when the shell may have been replaced, which only its prompt shows. Seconds.
LOOK_EVERY = 0.25
ASK_AFTER = 0.7
PROMPT_AFTER = 1.5
ASKS = 3
# Somebody's key may come between while a prompt is looked at: again after this; seconds.
LOOK_AGAIN = 1.5
# A shell that said how it leaves, and is there still, was a nested one; seconds.
LEAVE_AFTER = 1.5

_WRAPPER, _TEXT, _STDIN, _ASK = "1", "2", "3", "4"


class LineCommand(CommandTracker):
    """Hand one command over, have it run and follow it: `perform` once, then `close`."""

    def __init__(
        self, console: Console, shell: LineShell, body: RunBody, hearer: CommandObserver
    ) -> None:
        super().__init__(console, hearer, nobody_follows=not body.stays)
        self._shell = shell
        self._body = body
        self._parted = StreamFinder(self._nonce)
        self._wrapping: Wrapping | None = None
        self._asking = b""
        # The console's end at the last look at its prompt, and how often it was looked at.
        self._looked_at = self._looks = 0
        self._breaks = 0
        # How often had been typed into the console with what this run typed last.
        self._typed = 0

    async def perform(self) -> None:
        await self._shell.hand_over(self._to_keep, self._to_run)
        assert self._wrapping is not None
        # Its prompt first: what is typed ahead would be echoed twice.
        await self._shell.prompt.settle(1.0, DRAWN)
        self._breaks = self._shell.times_broken
        offset = self._console.end_offset
        follow = asyncio.ensure_future(self._follow(Scanner(self._nonce, offset), offset))
        look = asyncio.ensure_future(self._look())
        try:
            await self._type(KILL_LINE + self._wrapping.typed())
            await asyncio.wait({follow, look}, return_when=asyncio.FIRST_COMPLETED)
            if look.done():
                look.result()
            else:
                await follow
        finally:
            for task in (follow, look):
                task.cancel()
            await asyncio.wait({follow, look})
        if self._ready and not self._nobody_follows:
            await self._shell.prompt.settle(1.0, DRAWN)
            # What somebody typed meanwhile the shell takes at its prompt, and is busy with it.
            if self._typed == self._console.typed:
                self._shell.prompt.is_drawn()

    async def _type(self, data: bytes) -> None:
        self._typed = self._console.typed + 1
        await self._console.write(data)

    def close(self) -> None:
        """Nothing is held: the folder over there goes with its shell."""

    def _to_keep(self, reader: Reader) -> Mapping[str, bytes]:
        return {
            line_upload.RECEIVER_FILE: line_upload.RECEIVER.encode(),
            line_download.FILE: line_download.SCRIPT,
            reader.dialect: integration(reader.dialect, farewell=True).encode(),
        }

    def _to_run(self, reader: Reader) -> Mapping[str, bytes]:
        body, folder = self._body, reader.folder
        split = body.output == "split"
        stdin = None if body.stdin is None else body.stdin.encode()
        wrapping = Wrapping(
            reader.dialect,
            self._nonce,
            f"{folder}/{reader.dialect}",
            f"{folder}/{_WRAPPER}",
            f"{folder}/{_TEXT}",
            cwd=body.cwd,
            env=body.env,
            stdin=f"{folder}/{_STDIN}" if stdin is not None else "/dev/null" if split else None,
            stdout=f"{folder}/{line_download.STREAMS[0]}" if split else None,
            stderr=f"{folder}/{line_download.STREAMS[1]}" if split else None,
            status=reader.status,
            parting=f"{folder}/{line_download.FILE}",
        )
        # Asked, the shell is at its prompt: its status is its own.
        asked = replace(wrapping, status=None, wrapper=f"{folder}/{_ASK}")
        self._wrapping, self._asking = wrapping, asked.asking()
        order = f"{self._nonce} {body.max_output}\n".encode()
        return {
            _WRAPPER: wrapping.script().encode(),
            _TEXT: body.command.encode(),
            _ASK: asked.ask().encode(),
            **({} if stdin is None else {_STDIN: stdin}),
            **({line_download.ORDER: order} if split else {}),
        }

    # -- what Followed asks --------------------------------------------------------------------

    def _at_prompt(self) -> bool:
        return False  # only A tells

    def _take(self, data: bytes) -> bytes:
        if self._body.output == "tty":
            return data
        for stream, piece, lost in self._parted.feed(data):
            if piece:
                self._hearer.on_data(piece, stream)
            if lost:
                self._hearer.on_lost()
        return b""

    def _drain(self) -> None:
        if self._body.output == "split":
            sure = self._parted.streams == {0, 1}  # else it came to its prompt without telling them
        else:
            sure = self._shell.times_broken == self._breaks
        if not sure:
            self._hearer.on_lost()

    def _exit(self) -> Exit:
        exit_ = self._console.exit or Exit()
        if exit_.code is None and self._status is not None and self._status.leaving:
            return Exit(self._status.status)
        return exit_

    # -- a shell that may never give the mark --------------------------------------------------

    async def _look(self) -> None:
        """Watch over the shell: it may take no line, be replaced, be left, or be interrupted.

        Returns when the command is held to have ended although no mark says so.
        """
        start = self._console.end_offset
        take_until = self._loop.time() + TAKE_PATIENCE
        asked = 0
        while not self._over:
            await asyncio.sleep(LOOK_EVERY)
            silent = self._loop.time() - self._heard_at
            if not self._began:
                if self._loop.time() > take_until:
                    raise self._not_taken()
            elif self._status is not None:  # it says that it leaves
                if silent > LEAVE_AFTER and self._console.state == "live":
                    break
            elif await self._is_at_prompt(silent, start):
                if asked == ASKS:
                    break
                asked += 1
                self._heard_at = self._loop.time() + ASK_AFTER * 4
                await self._type(self._asking)
        else:
            await asyncio.Event().wait()  # until this task is cancelled
        self._end()

    async def _is_at_prompt(self, silent: float, start: int) -> bool:
        """Whether the shell shows its prompt although the command gave no mark.

        A mark is lost with a break of the line, and with an interrupt where somebody took the
        prompt's hook away; a shell that replaced itself is seen by its line editor only.
        """
        lost = self._gap or self._hearer.interrupted or self._shell.times_broken != self._breaks
        if silent < (ASK_AFTER if lost else PROMPT_AFTER) or self._console.state != "live":
            return False
        end = self._console.end_offset
        if end == self._looked_at:
            if self._looks == LOOKS or silent < self._looks * LOOK_AGAIN:
                return False
            self._looks += 1
        else:
            self._looks = 1
        said = await asyncio.to_thread(self._console.newest, min(end - start, LOOK_BYTES))
        if not shows_prompt(said, edits=not lost):
            self._looked_at, self._looks = end, LOOKS
            return False
        cut, self._cut = self._cut, end if self._cut is None else self._cut
        found = bool(await self._shell.prompt.is_there())
        self._looked_at = self._console.end_offset
        if not found:
            self._cut = cut
        return found

    def _not_taken(self) -> RemoteFailed | Busy:
        name = self._console.name
        if self._gap or self._shell.times_broken != self._breaks:
            return RemoteFailed(
                f"The line to console {name!r} broke just when the command was typed: whether it "
                "runs there is not known. Look with tail."
            )
        return Busy(f"The shell in console {name!r} takes no line.")
