"""The commands that were run in a console's shell, read from the marks in its log."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Iterator
from typing import Annotated

import msgspec

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.log import Log
from jupyter_bridge.consoles.search.cursor import (
    PIECE_BYTES,
    REST_SECONDS,
    STEP_SECONDS,
    WORK_SECONDS,
)
from jupyter_bridge.consoles.search.lane import in_turn
from jupyter_bridge.models.consoles import CommandModel, CommandsModel
from jupyter_bridge.problems import Unavailable
from jupyter_bridge.wire.shell.timeline import ShellCommand, Timeline

DEFAULT_LIMIT = 200
# The text of each takes up to 1,000 characters.
MAX_LIMIT = 1000
# How much is looked at before a rest, bytes: hostile lines of a prompt take some ms for each KiB.
LOOK_BYTES = 4096


class CommandsQuery(msgspec.Struct):
    """The newest `limit` commands, of those `before` an offset if given."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    before: Annotated[int, msgspec.Meta(ge=0)] | None = None


async def commands_of(console: Console, query: CommandsQuery) -> CommandsModel:
    """Return the console's commands. Reads all that is held, off the event loop.

    Raises Unavailable if that fails, or a file's mount does not answer.
    """
    reader = _Reader(console.log, query, ended=console.state == "ended")
    try:
        while not reader.done:
            await in_turn(console.log, reader.step)
        commands = await in_turn(console.log, reader.models)
    except (OSError, asyncio.TimeoutError) as error:
        raise Unavailable(f"Console {console.name!r} cannot be read: {error}.") from error
    return CommandsModel(console.name, console.epoch, commands, reader.timeline.dropped)


class _Reader:
    """Reads a log up to its present end, in short steps, which a worker calls."""

    def __init__(self, log: Log, query: CommandsQuery, *, ended: bool) -> None:
        self.done = False
        self._log = log
        self._offset, self._end = log.first_offset, log.end_offset
        self._ended = ended
        self.timeline = Timeline(self._offset, query.limit, query.before)
        self._steps = self._read()

    def step(self) -> None:
        """Go on for some time; raises OSError."""
        now = time.monotonic()
        until, rest = now + STEP_SECONDS, now + WORK_SECONDS
        for _ in self._steps:
            now = time.monotonic()
            if now > until:
                return
            if now > rest:
                time.sleep(REST_SECONDS)
                rest = time.monotonic() + WORK_SECONDS
        self.done = True

    def _read(self) -> Iterator[None]:
        """Read all, in small steps."""
        while self._offset < self._end and not self.timeline.is_done:
            data = self._log.read(self._offset, min(PIECE_BYTES, self._end - self._offset))
            for start in range(0, len(data), LOOK_BYTES):
                self.timeline.feed(data[start : start + LOOK_BYTES])
                yield
            if data:
                self._offset += len(data)
                continue
            held = min(self._log.held(self._offset), self._end)
            if held <= self._offset:
                break  # its file has become shorter, and nobody has looked since
            self.timeline.skip(held - self._offset)
            self._offset = held
            yield
        self.timeline.finish(self._end if self._ended else None)

    def models(self) -> list[CommandModel]:
        """Return the commands with their times; raises OSError."""
        return [self._model(command) for command in self.timeline.commands]

    def _model(self, command: ShellCommand) -> CommandModel:
        began = self._log.time_of(command.began)
        last = time.time() if command.end is None else self._log.time_of(command.end)
        if command.end == self._end:  # nothing came after it
            last = self._log.time_of(command.end - 1)
        return CommandModel(
            offset=command.offset,
            end_offset=command.end,
            time=datetime.datetime.fromtimestamp(began, datetime.timezone.utc) if began else None,
            seconds=round(max(0.0, last - began), 1) if began and last else None,
            exit_code=command.status,
            cwd=command.cwd,
            command=command.text,
        )
