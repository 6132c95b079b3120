"""BridgeDriver: a command in a console of another bridge, which types and follows it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Mapping
from typing import Any

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.connections.roles import Command
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.driver import CommandDriver, CommandObserver
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.models.runs import RunBody
from jupyter_bridge.problems import Problem
from jupyter_bridge.wire.shell.any_bytes import as_json, odd_bytes, to_text

# A command's output and its console's come by separate connections: how long to wait until the
# console has caught up, seconds.
CATCH_UP = 5.0
# How long to wait before the remote is asked again to stop a run, seconds.
STOP_AGAIN = 0.5


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
        async for event, data in command.events():
            if event == "begun":
                self._run.on_began(self._console.end_offset)
            elif event == "output":
                exact = data.get("base64")
                text = str(data.get("text", ""))
                self._run.on_data(
                    base64.b64decode(exact) if exact else text.encode(),
                    self._stream.get(str(data.get("stream")), 0),
                )
                await self._run.room()
            elif event == "gap":
                self._run.on_lost()
            elif event == "done":
                await self._end(data, began)

    async def _end(self, data: dict[str, Any], began: int | None) -> None:
        if data.get("truncated"):
            self._run.on_lost()
        start = await self._reached(data.get("start_offset"))
        end = await self._reached(data.get("end_offset"))
        if began != self._here(0):  # after a gap the remote's offsets cannot be converted
            start = end = None
        if start is not None:
            self._run.on_began(start)
        at = self._console.end_offset if end is None else end
        code, self.shell = data.get("exit_code"), data.get("shell")
        if data.get("status") == "session-closed":
            self._run.on_session_end(Exit(code, data.get("signal")), at)
        else:
            self._run.on_status(code, _folder(data), at)

    def _here(self, offset: int) -> int | None:
        """Convert an offset of the remote's console to one of ours."""
        there = self._source.offset_there
        return None if there is None else self._console.end_offset - there + offset

    async def _reached(self, offset: Any) -> int | None:
        """Like `_here`, once our console has reached the offset."""
        if not isinstance(offset, int):
            return None

        async def catch_up() -> None:
            while (self._source.offset_there or 0) < offset and self._console.state == "live":
                await self._console.change()

        with contextlib.suppress(asyncio.TimeoutError):
            await within(CATCH_UP, catch_up())
        return self._here(offset)

    async def send_input(self, data: bytes) -> None:
        """Type into the command on the remote."""
        if self._command is not None:
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


def _folder(data: dict[str, Any]) -> str | None:
    exact = data.get("cwd_base64")
    return to_text(base64.b64decode(exact)) if exact else data.get("cwd")
