"""What happens during an execution, one typed event at a time, and the NDJSON lines they come as.

A line is `{"event": …, "id": …, "data": {…}}`; a blank one only keeps the line awake. Every event
has its `id` (the stream goes on after it) and its `data` as the server sent it. The server's event
`problem` ends a stream that cannot go on; it is raised.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from jupyter_bridge.client.answers import Result, text_of
from jupyter_bridge.transport.line_follower import Line


class Event(msgspec.Struct, frozen=True):
    """Something happened."""

    id: str
    data: dict[str, Any]

    event: ClassVar[str] = ""

    def to_json(self) -> dict[str, Any]:
        """The event as its NDJSON line holds it."""
        return {"event": self.event, "id": self.id, "data": self.data}


class InputRequest(Event, frozen=True):
    """The code waits for a line of input: answer with `send_input`."""

    event: ClassVar[str] = "input_request"

    @property
    def prompt(self) -> str:
        """What to show before the answer."""
        return str(self.data.get("prompt", ""))

    @property
    def password(self) -> bool:
        """Whether the answer must not be seen."""
        return bool(self.data.get("password", False))


class Output(Event, frozen=True):
    """One more output; `data` is it, as nbformat holds outputs."""

    event: ClassVar[str] = "output"

    @property
    def output_type(self) -> str:
        """`stream`, `display_data`, `execute_result` or `error`."""
        return str(self.data.get("output_type", ""))

    @property
    def text(self) -> str:
        """What a terminal would show of it."""
        return text_of(self.data)


class ClearOutput(Event, frozen=True):
    """What was shown so far is to go: at once, or (`wait`) when the next output comes."""

    event: ClassVar[str] = "clear_output"

    @property
    def wait(self) -> bool:
        """Whether to clear only when something new comes."""
        return bool(self.data.get("wait", False))


class UpdateDisplay(Event, frozen=True):
    """An earlier display shows something else now; `data` has `display_id`, `data`, `metadata`."""

    event: ClassVar[str] = "update_display"


class Status(Event, frozen=True):
    """The kernel became busy, idle, restarting or dead."""

    event: ClassVar[str] = "status"

    @property
    def execution_state(self) -> str:
        """What the kernel is now."""
        return str(self.data.get("execution_state", ""))


class Gap(Event, frozen=True):
    """Events that the server no longer held when the stream was resumed; `Done` has all outputs."""

    event: ClassVar[str] = "gap"

    @property
    def lost(self) -> int:
        """How many."""
        return int(self.data.get("lost", 0))


class Done(Event, frozen=True):
    """It is over; `result` is the whole answer."""

    event: ClassVar[str] = "done"

    @property
    def result(self) -> Result:
        """The whole answer, as `execute` would have given it."""
        return msgspec.convert(self.data, Result)


KINDS: dict[str, type[Event]] = {
    kind.event: kind
    for kind in (InputRequest, Output, ClearOutput, UpdateDisplay, Status, Gap, Done)
}


def event_of(line: Line) -> Event | None:
    """The event that a line tells; None for one that is not known here."""
    kind = KINDS.get(line.event)
    return kind("" if line.id is None else str(line.id), line.data) if kind else None
