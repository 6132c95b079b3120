"""LineShell: a remote shell, known only from its terminal's output.

Neither its processes nor its files are visible. Its Prompt tells whether it waits for a line
(`prompt.py`); the shell reports its dialect when it receives a run's files
(`wire/shell/line_upload.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Mapping

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import more
from jupyter_bridge.consoles.run.line.prompt import KILL_LINE, LOOK_BYTES, REACTION, Prompt
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.problems import Busy, Gone, Problem, RemoteFailed, Unavailable
from jupyter_bridge.wire.shell import line_upload
from jupyter_bridge.wire.shell.line_upload import Missing, Reader, ReceivedFiles

# The longest time between a line and its mark: the shell only starts or reads a small script.
# Seconds.
TAKE_PATIENCE = 15.0
# How long to wait for a connection that drops while a run's files are sent, seconds.
RECONNECT_PATIENCE = 60.0
ATTEMPTS = 3

_INTERRUPT = b"\x03"


class LineShell:
    """One console's shell, and what is known about it between runs."""

    def __init__(self, console: Console, source: RemoteSource) -> None:
        self.prompt = Prompt(console)
        self.type_in_new_terminal = source.type_in_new_terminal
        self._console = console
        self._source = source
        self._loop = asyncio.get_running_loop()
        # The folder on the remote, and the lasting files in it.
        self._folder: str | None = None
        self._there: set[str] = set()
        self.pid: int | None = None

    @property
    def times_broken(self) -> int:
        """How many times output may have been lost unnoticed."""
        return self._source.times_broken

    # -- sending files -------------------------------------------------------------------------

    async def send_files(
        self,
        keep: Callable[[Reader], Mapping[str, bytes]],
        files: Callable[[Reader], Mapping[str, bytes]],
    ) -> Reader:
        """Send the shell `files`, and those to `keep` that it does not have; return its Reader.

        The shell must be at its prompt. Busy if no shell reads the line. A dropped connection is
        waited for, and the files are sent again: nothing was run yet.
        """
        for attempt in range(ATTEMPTS):
            start, breaks = self._console.end_offset, self.times_broken
            try:
                reader = await self._send_files(keep, files)
            except Unavailable:
                if attempt == ATTEMPTS - 1:
                    raise
                await self._wait_for_connection()
            else:
                if reader is not None:
                    return reader
                if self._has_gap(start) or self.times_broken != breaks:
                    await self._wait_for_connection()
        raise RemoteFailed(
            f"Input for console {self._console.name!r} arrived damaged; another user may be typing "
            "there. The command was not run."
        )

    async def _send_files(
        self,
        keep: Callable[[Reader], Mapping[str, bytes]],
        files: Callable[[Reader], Mapping[str, bytes]],
    ) -> Reader | None:
        """Like `send_files`, once; None after a failure that may pass."""
        nonce, start, breaks = uuid.uuid4().hex, self._console.end_offset, self.times_broken
        self.prompt.is_left()
        await self._console.write(KILL_LINE + line_upload.opening(nonce, self._folder))
        mark = await self._wait_for_mark(nonce, start, (Reader, Missing))
        if isinstance(mark, Missing):
            if self._folder is None:
                raise Unavailable(f"The remote cannot create a run's folder: {mark.folder}.")
            self._folder = None
            return None
        if mark is None:
            if self._has_gap(start) or self.times_broken != breaks:
                return None
            raise Busy(
                f"The program in the foreground of console {self._console.name!r} does not read "
                "a line as a shell does."
            )
        assert isinstance(mark, Reader)
        if mark.folder != self._folder:
            self._there = set()
        kept = keep(mark)
        new = {name: kept[name] for name in kept if name not in self._there}
        all_ = {**new, **files(mark)}
        try:
            for piece in line_upload.pieces(all_):
                await self._console.write(piece)
            received = await self._wait_for_mark(
                nonce, start, (ReceivedFiles,), patience=TAKE_PATIENCE * 4
            )
        except asyncio.CancelledError:
            with contextlib.suppress(Problem):
                await self._console.write(_INTERRUPT)
            raise
        if not isinstance(received, ReceivedFiles) or received.sums != line_upload.sums(all_):
            await self._console.write(_INTERRUPT)
            await self.prompt.settle(REACTION)
            return None
        self._folder = mark.folder if line_upload.is_plain(mark.folder) else None
        self._there |= set(kept)
        self.pid = mark.pid
        return mark

    async def _wait_for_mark(
        self, nonce: str, start: int, kinds: tuple[type, ...], patience: float = TAKE_PATIENCE
    ) -> Reader | ReceivedFiles | Missing | None:
        """Return the first mark of these kinds since `start`; None after `patience` seconds."""
        until = self._loop.time() + patience
        output, at = b"", start
        while True:
            while data := await self._console.fetch(at, LOOK_BYTES):
                output, at = output + data, at + len(data)
            for mark in line_upload.marks_in(output, nonce):
                if isinstance(mark, kinds):
                    return mark
            if self._console.state == "ended":
                raise Gone(f"Console {self._console.name!r} ended before the command was run.")
            held = self._console.log.held(at)
            if held > at:
                at = held
            elif not await more(self._console, at, until - self._loop.time()):
                return None

    def _has_gap(self, start: int) -> bool:
        """Tell whether bytes are missing since `start`."""
        at = start
        while data := self._console.read(at, LOOK_BYTES):
            at += len(data)
        return at < self._console.end_offset

    async def _wait_for_connection(self) -> None:
        """Wait for the connection, and interrupt a receiver that has a part of the files."""
        until = self._loop.time() + RECONNECT_PATIENCE
        while True:
            try:
                await self._console.write(_INTERRUPT)
                break
            except Unavailable:
                if self._loop.time() > until:
                    raise
            await asyncio.sleep(0.3)
        await self.prompt.settle(REACTION)
        await self.prompt.wait(TAKE_PATIENCE)
