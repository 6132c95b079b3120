"""LineShell: a shell on a plain remote, known only from its terminal's output.

Neither its processes nor its files are visible. This server started it so that it tells its prompt
(`wire/shell/remote_startup.py`); a line is entered there only by its key, or in sh at a prompt that
it has just shown. A run's files are sent through the terminal (`wire/shell/line_upload.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import READ_BYTES, more
from jupyter_bridge.consoles.run.known_prompt import busy, empty_line, no_answer
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.problems import Gone, Problem, RemoteFailed, Unavailable
from jupyter_bridge.wire.shell import line_upload
from jupyter_bridge.wire.shell.line_upload import ReceivedFiles, Receiving
from jupyter_bridge.wire.shell.prompt_state import runs_command
from jupyter_bridge.wire.shell.remote_startup import RemoteShell
from jupyter_bridge.wire.shell.startup import KEY

# How long the shell may take to start the receiver, and a remote terminal to answer a key, seconds.
# The receiver itself waits for 30 s: it must not have ended when the files come.
ANSWER_PATIENCE = 10.0
REACTION = 3.0
# The longest time between the last line and the command's mark: the shell reads two files. Seconds.
TAKE_PATIENCE = 15.0
# How long the receiver may take to check the files, seconds.
CHECK_PATIENCE = 60.0
# How long to wait for a connection that drops while a run's files are sent, seconds.
RECONNECT_PATIENCE = 60.0
RECONNECT_PAUSE = 0.3
ATTEMPTS = 3
# A prompt is complete after such a silence, or when its line editor tells that it reads, or after
# the longest time. Seconds.
DRAWN = 0.04
DRAWN_AT_MOST = 1.0

_INTERRUPT = b"\x03"
_NOT_OURS = (
    "its program was not started as a shell that tells when it is at its prompt. On a server "
    "without a bridge, only consoles that were opened from here since this server started are: "
    "use a new one, `<connection>:new`."
)


class LineShell:
    """One console's shell, and what is known about it between runs."""

    def __init__(self, console: Console, source: RemoteSource) -> None:
        self.run_in_new_terminal = source.run_in_new_terminal
        self._console = console
        self._source = source
        self._loop = asyncio.get_running_loop()
        # `console.typed` after the last line of ours.
        self._typed = console.typed
        # Whether the receiver was started by us, and may still wait, whatever was lost since.
        self._is_receiving = False

    @property
    def times_broken(self) -> int:
        """How many times output may have been lost unnoticed."""
        return self._source.times_broken

    @property
    def known(self) -> RemoteShell:
        """The shell; `wait_for_prompt` has raised Busy if it is not known."""
        known = self._source.started
        if known is None:
            raise Gone(f"Console {self._console.name!r} is closed.")
        return known

    # -- the prompt ----------------------------------------------------------------------------

    async def wait_for_prompt(self, patience: float | None) -> None:
        """Return when the shell is at its prompt; Busy after `patience` seconds (None: never).

        Raises Gone if the console ends first.
        """
        console = self._console
        until = None if patience is None else self._loop.time() + patience
        await self._see_typed()
        while (reason := self.why_not()) is not None or not await self._is_drawn():
            if console.state == "ended":
                raise Gone(f"Console {console.name!r} ended before the command was typed.")
            if reason is None:
                continue  # it was left meanwhile
            await self._stop_receiver()
            left = None if until is None else max(0.0, until - self._loop.time())
            if self._is_hopeless() or not await more(console, console.end_offset, left):
                raise busy(console, reason)

    async def _see_typed(self) -> None:
        """Wait for what somebody typed here to be shown: it may have begun a command."""
        console = self._console
        if console.typed != self._typed:
            if console.end_offset <= console.typed_at:
                await more(console, console.typed_at, REACTION)
            await self._is_drawn()
        self._typed = console.typed

    def at_prompt(self) -> bool:
        """Tell whether the shell is known to be at its prompt."""
        return self.why_not() is None

    def why_not(self) -> str | None:
        """Return why the shell is not known to be at its prompt, as a sentence; None if it is."""
        known = self._source.started
        if known is None:
            return _NOT_OURS
        if known.fault is not None:
            return known.fault
        if (reason := known.prompt.why_not("its shell")) is not None:
            return reason
        if known.dialect == "sh" and known.prompt.ended_line:
            return runs_command("its shell")
        return None

    def _is_hopeless(self) -> bool:
        known = self._source.started
        return known is None or known.fault is not None

    async def _stop_receiver(self) -> None:
        """Interrupt the receiver if it may wait although nobody sends."""
        known = self._source.started
        if known is not None and (known.is_receiving or self._is_receiving):
            await self._console.write(_INTERRUPT)
            known.is_receiving = self._is_receiving = False
            known.lost()

    async def _is_drawn(self) -> bool:
        """Return when the prompt is drawn: tell whether the shell is still there."""
        console, known = self._console, self._source.started
        until = self._loop.time() + DRAWN_AT_MOST
        while (left := until - self._loop.time()) > 0 and known is not None:
            if known.is_editing:
                break
            silence = left if known.has_editor else DRAWN
            if not await more(console, console.end_offset, silence):
                break
        return self.at_prompt()

    # -- sending files -------------------------------------------------------------------------

    async def send_files(self, files: Callable[[int], Mapping[str, bytes]]) -> None:
        """Send the shell the files for its `$?`, up to the line that starts the run (`go`).

        The shell must be at its prompt; Busy if it does not answer there. A dropped connection is
        waited for, and the files are sent again: nothing was run yet.
        """
        until, attempts = self._loop.time() + RECONNECT_PATIENCE, 0
        while attempts < ATTEMPTS:
            try:
                if attempts:
                    await self._stop_receiver()
                    await self.wait_for_prompt(CHECK_PATIENCE)
                if await self._send_files(files):
                    return
                attempts += 1
            except Unavailable:  # noqa: PERF203 - the next attempt
                if self._loop.time() > until:
                    raise
                attempts = max(attempts, 1)
                await asyncio.sleep(RECONNECT_PAUSE)
        raise RemoteFailed(
            f"Input for console {self._console.name!r} arrived damaged; another user may be typing "
            "there. The command was not run."
        )

    async def go(self) -> None:
        """Let the shell start the run."""
        self._is_receiving = self.known.is_receiving = False
        self._typed = self._console.typed + 1
        await self._console.write(line_upload.go(self.known.key))

    async def _send_files(self, files: Callable[[int], Mapping[str, bytes]]) -> bool:
        """Like `send_files`, once; False after a failure that may pass."""
        known, breaks = self.known, self.times_broken
        status = None if known.has_key else known.prompt.status
        refused = known.prompt.refused
        try:
            start = await self._enter(known)
            mark = await self._wait_for_mark(known, start, Receiving, ANSWER_PATIENCE, refused)
            if not isinstance(mark, Receiving):
                if self._has_gap(start) or self.times_broken != breaks:
                    return False
                self._is_receiving = False
                if known.prompt.refused == refused:  # it may answer when the terminal goes on
                    known.lost()
                raise no_answer(self._console)
            sent = files(mark.status if status is None else status)
            for piece in line_upload.pieces(sent):
                if self.times_broken != breaks or not known.is_receiving:
                    return False  # the connection has dropped, or somebody has interrupted it
                await self._console.write(piece)
            received = await self._wait_for_mark(
                known, start, ReceivedFiles, CHECK_PATIENCE, refused
            )
        except asyncio.CancelledError:
            with contextlib.suppress(Problem):
                await self._stop_receiver()
            raise
        right = received == ReceivedFiles(line_upload.sums(sent))
        return right and known.is_receiving and self.times_broken == breaks

    async def _enter(self, known: RemoteShell) -> int:
        """Have the shell start the receiver; return the console's offset before that."""
        console = self._console
        if known.has_key:
            start = console.end_offset
            self._is_receiving = True
            await console.write(KEY)
            return start
        await empty_line(console, known.prompt, _INTERRUPT, self.at_prompt, reaction=REACTION)
        await self._is_drawn()
        start = console.end_offset
        self._is_receiving = True
        await console.write(line_upload.line("sh").encode() + b"\r")
        return start

    async def _wait_for_mark(
        self, known: RemoteShell, start: int, kind: type, patience: float, refused: int
    ) -> Receiving | ReceivedFiles | None:
        """Return the receiver's first mark of this kind since `start`.

        None if it does not come, or if the shell has refused its key more than `refused` times.
        """
        until = self._loop.time() + patience
        output, at = b"", start
        while True:
            while data := await self._console.fetch(at, READ_BYTES):
                output, at = output + data, at + len(data)
            for mark in line_upload.marks_in(output, known.key):
                if isinstance(mark, kind):
                    return mark
            if self._console.state == "ended":
                raise Gone(f"Console {self._console.name!r} ended before the command was run.")
            if known.prompt.refused != refused:
                return None
            held = self._console.log.held(at)
            if held > at:
                at = held
            elif not await more(self._console, at, until - self._loop.time()):
                return None

    def _has_gap(self, start: int) -> bool:
        """Tell whether bytes are missing since `start`."""
        at = start
        while data := self._console.read(at, READ_BYTES):
            at += len(data)
        return at < self._console.end_offset
