"""A run's output as text in answers and events, and in base64 if it is not UTF-8."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from jupyter_bridge.consoles.run.output import CapturedOutput
from jupyter_bridge.models.runs import RunModel
from jupyter_bridge.wire import ansi


def fill(model: RunModel, spool: CapturedOutput, *, strip: bool) -> None:
    """Set the model's output fields from the output so far."""
    for stream in spool.streams:
        data = spool.of(stream)
        if strip:
            data = ansi.strip(data)
        for name, value in _fields(data, stream).items():
            setattr(model, name, value)


class OutputText(NamedTuple):
    """A piece of output for an event, and its size in bytes."""

    used: int
    fields: dict[str, Any]


def text_of(data: bytes, *, last: bool, more: bool = False) -> OutputText:
    """Return the part of `data` that ends with a whole character, or all if nothing can follow."""
    if not last or more:
        data = data[: len(data) - _unfinished(data)]
    return OutputText(len(data), _fields(data, "text")) if data else OutputText(0, {})


def _unfinished(data: bytes) -> int:
    """Return how many bytes at the end belong to an incomplete UTF-8 character."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < size else 0
        if byte < 0x80:
            return 0
    return 0


def _fields(data: bytes, name: str) -> dict[str, str]:
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        encoded = base64.b64encode(data).decode("ascii")
        key = "base64" if name == "text" else f"{name}_base64"
        return {name: data.decode(errors="replace"), key: encoded}
