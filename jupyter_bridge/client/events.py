"""The typed events of an execution, read from NDJSON lines.

A line is `{"event": …, "id": …, "data": {…}}`; a blank line is a keepalive. Every event has its
`id`, after which a stream can be resumed, and its `data` as the server sent it. The server's event
`problem` ends a stream; the client raises it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from jupyter_bridge.client.answers import Result, text_of
from jupyter_bridge.transport.line_follower import Line


class Event(msgspec.Struct, frozen=True):
    """One event of an execution."""

    id: str
    data: dict[str, Any]

    event: ClassVar[str] = ""

    def to_json(self) -> dict[str, Any]:
        """The event as its NDJSON line holds it."""
        return {"event": self.event, "id": self.id, "data": self.data}


class InputRequest(Event, frozen=True):
    """The code waits for a line of input; answer with `send_input`."""

    event: ClassVar[str] = "input_request"

    @property
    def prompt(self) -> str:
        """The text to show before the input."""
        return str(self.data.get("prompt", ""))

    @property
    def password(self) -> bool:
        """Whether the input must not be echoed."""
        return bool(self.data.get("password", False))


class Output(Event, frozen=True):
    """A new output; `data` is an nbformat output."""

    event: ClassVar[str] = "output"

    @property
    def output_type(self) -> str:
        """`stream`, `display_data`, `execute_result` or `error`."""
        return str(self.data.get("output_type", ""))

    @property
    def text(self) -> str:
        """The output as a terminal shows it."""
        return text_of(self.data)


class ClearOutput(Event, frozen=True):
    """Clear the outputs: at once, or with `wait` when the next output comes."""

    event: ClassVar[str] = "clear_output"

    @property
    def wait(self) -> bool:
        """Whether to clear only when the next output comes."""
        return bool(self.data.get("wait", False))


class UpdateDisplay(Event, frozen=True):
    """Replace an earlier display; `data` has `display_id`, `data` and `metadata`."""

    event: ClassVar[str] = "update_display"


class Status(Event, frozen=True):
    """The kernel became busy, idle, restarting or dead."""

    event: ClassVar[str] = "status"

    @property
    def execution_state(self) -> str:
        """The new state of the kernel."""
        return str(self.data.get("execution_state", ""))


class Gap(Event, frozen=True):
    """Events that the server had discarded when the stream resumed; `Done` has all outputs."""

    event: ClassVar[str] = "gap"

    @property
    def lost(self) -> int:
        """The number of lost events."""
        return int(self.data.get("lost", 0))


class Done(Event, frozen=True):
    """The execution has ended; `result` has all its outputs."""

    event: ClassVar[str] = "done"

    @property
    def result(self) -> Result:
        """The same Result that `execute` returns."""
        return msgspec.convert(self.data, Result)


KINDS: dict[str, type[Event]] = {
    kind.event: kind
    for kind in (InputRequest, Output, ClearOutput, UpdateDisplay, Status, Gap, Done)
}


class _Transient(msgspec.Struct):
    display_id: str | None = None


class _Bundle(msgspec.Struct):
    """An output in the form of nbformat 4, or an update of a display."""

    output_type: str = ""
    name: str | None = None
    text: str | list[str] = ""
    data: dict[str, Any] = {}
    transient: _Transient | None = None
    execution_count: int | None = None
    ename: str = ""
    evalue: str = ""
    traceback: list[str] = []
    display_id: str | None = None


class _Lost(msgspec.Struct):
    lost: int = 0


# What the data of an event must look like, if they are more than names and texts.
_SHAPES: dict[str, Any] = {
    "output": _Bundle,
    "update_display": _Bundle,
    "gap": _Lost,
    "done": Result,
}


def event_of(line: Line) -> Event | None:
    """Return the event of a line; None if this client does not know its kind.

    Raises msgspec.ValidationError if its data are not of the kind's shape.
    """
    kind = KINDS.get(line.event)
    if kind is None:
        return None
    if line.event in _SHAPES:
        msgspec.convert(line.data, _SHAPES[line.event])
    return kind("" if line.id is None else str(line.id), line.data)
