"""Events: one Jupyter message as an object, as socket.io's clients send and get it.

It has `header, parent_header, metadata, content` (objects), `buffers` (a list of bytes), and
`channel` where that is not said otherwise. The parts are those of wire/kernel.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.unreadable import UNREADABLE


class _Message(msgspec.Struct):
    header: dict[str, Any]
    parent_header: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    content: dict[str, Any] | None = None
    buffers: list[bytes] | None = None
    channel: str | None = None


def parse(event: Any) -> tuple[str | None, list[bytes]]:
    """The channel, if it is named, and the parts; FrameError if it is no message."""
    try:
        message = msgspec.convert(event, _Message)
        fields = (message.header, message.parent_header, message.metadata, message.content)
        parts = [msgspec.json.encode(field or {}) for field in fields]
    except (*UNREADABLE, OverflowError, TypeError) as error:
        raise kernel.FrameError(str(error)) from error
    return message.channel, [*parts, *(message.buffers or [])]


def build(parts: Sequence[bytes], channel: str | None = None) -> dict[str, Any]:
    """The event of a message, with its channel where one is given."""
    names = ("header", "parent_header", "metadata", "content")
    event: dict[str, Any] = {name: _as_json(part) for name, part in zip(names, parts, strict=False)}
    event["buffers"] = list(parts[kernel.JSON_PARTS :])
    if channel is not None:
        event["channel"] = channel
    return event


def _as_json(part: bytes) -> Any:
    """What a kernel sent, as browsers read it: NaN, which some write, is null, and junk is {}."""
    try:
        return msgspec.json.decode(part)
    except UNREADABLE:
        pass
    try:
        return json.loads(part, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        return {}
