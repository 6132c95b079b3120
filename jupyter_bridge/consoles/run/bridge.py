"""BridgeDriver: a command in a console of another bridge, which types and follows it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.connections.command import (
    Command,
    RemoteBegan,
    RemoteDone,
    RemoteGap,
    RemoteOutput,
)
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import CommandDriver, CommandObserver
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.models.runs import RunBody
from jupyter_bridge.problems import Problem
from jupyter_bridge.wire.shell.any_bytes import as_json, odd_bytes

# A command's output and its console's come by separate connections: how long to wait until the
# console has caught up, seconds.
CATCH_UP = 5.0
# How long to wait before the remote is asked again to stop a run, seconds.
STOP_AGAIN = 0.5
# How long the remote is asked, and how long its answer to the stop may take, seconds: it needs
# some 10 s from SIGINT to SIGKILL. Then the run ends here, with its output so far.
STOP_SECONDS = 10.0
END_SECONDS = 15.0


class BridgeDriver(CommandDriver):
    """Follows one command on the remote, where it runs on without us."""

    def __init__(
        self,
        console: Console,
        source: RemoteSource,
        body: RunBody,
        run: CommandObserver,
        *,
        fresh: bool,
    ) -> None:
        super().__init__(console, run)
        self._source = source
        self._command: Command | None = None
        self._taken = 0
        self._stream = {"output": 0, "stdout": 0, "stderr": 1}
        self._ask = {
            **as_json("command", body.command),
            **as_json("cwd", body.cwd),
            **as_json("stdin", body.stdin),
            **_env(body.env),
            "output": body.output,
            **({} if body.input == "terminal" else {"input": body.input}),
            **({"raw": True} if body.raw else {}),
            **({} if body.pager else {"pager": False}),
            "max_output": body.max_output,
            # A new shell has no prompt yet.
            "queue": body.waits or fresh,
        }

    async def wait_for_prompt(self, patience: float | None) -> None:
        """Does nothing: the remote waits for its prompt."""

    async def perform(self) -> None:
        """Have the command typed; return when it has ended. Busy if its shell is."""
        command = self._command = await self._source.command(self._ask)
        began = self._here(0)
        async for event in command.events():
            if isinstance(event, RemoteBegan):
                self._run.on_began(self._console.end_offset)
            elif isinstance(event, RemoteOutput):
                self._run.on_data(event.data, self._stream[event.stream])
                await self._run.room()
            elif isinstance(event, RemoteGap):
                self._run.on_lost()
            else:
                await self._end(event, began)

    async def _end(self, done: RemoteDone, began: int | None) -> None:
        if done.truncated:
            self._run.on_lost()
        start = await self._reached(done.start_offset)
        end = await self._reached(done.end_offset)
        if began != self._here(0):  # after a gap the remote's offsets cannot be converted
            start = end = None
        if start is not None:
            self._run.on_began(start)
        at = self._console.end_offset if end is None else end
        self.shell = done.shell
        if done.status == "session-closed":
            how = Exit.read({"code": done.exit_code, "signal": done.signal})
            self._run.on_session_end(how, at)
        else:
            self._run.on_status(done.exit_code, done.folder, at)

    def _here(self, offset: int) -> int | None:
        """Convert an offset of the remote's console to one of ours."""
        there = self._source.offset_there
        return None if there is None else self._console.end_offset - there + offset

    async def _reached(self, offset: int | None) -> int | None:
        """Like `_here`, once our console has reached the offset; None if it never had it."""
        if offset is None:
            return None

        async def catch_up() -> None:
            while (self._source.offset_there or 0) < offset and self._console.state == "live":
                await self._console.change()

        with contextlib.suppress(asyncio.TimeoutError):
            await within(CATCH_UP, catch_up())
        here = self._here(offset)
        return here if here is not None and 0 <= here <= self._console.end_offset else None

    async def send_input(self, data: bytes) -> None:
        """Type into the command on the remote."""
        if self._command is not None:
            with self._console.waiting.hold(data):
                await self._command.send_input(data)

    async def send_stdin(self, data: bytes, offset: int | None, *, end: bool) -> int:
        if self._command is not None:
            start = self.stdin_taken if offset is None else offset
            self._taken = await self._command.send_stdin(data, start, end=end)
        return self.stdin_taken

    @property
    def stdin_taken(self) -> int:
        return self._taken

    async def _stop(self) -> None:
        # Also before the command has begun: it may wait for its turn on the remote.
        with contextlib.suppress(asyncio.TimeoutError):
            await within(STOP_SECONDS, self._ask_to_stop())
        if not await self._over(END_SECONDS):
            self._run.on_unreachable()

    async def _ask_to_stop(self) -> None:
        while True:
            if self._command is not None:
                with contextlib.suppress(Problem):
                    await self._command.stop()
                    self.interrupted, self.last_signal = True, "SIGINT"
                    return
            await asyncio.sleep(STOP_AGAIN)


def _env(env: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of the variables; an older bridge refuses a field that it does not know."""
    exact = {name: data for name, text in env.items() if (data := odd_bytes(text)) is not None}
    plain = {name: text for name, text in env.items() if name not in exact}
    return {**({"env": plain} if plain else {}), **({"env_base64": exact} if exact else {})}
