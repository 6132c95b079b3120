"""One Jupyter message as the object that socket.io clients send and receive.

It has `header, parent_header, metadata, content` (objects), `buffers` (a list of bytes), and
`channel` if the namespace does not name it. The parts are those of wire/kernel.py.

A client's message is never decoded into Python objects: the JSON is checked, and its parts are
passed on unchanged. The text is `["msg", message]`, and each of the message's `buffers` is a
placeholder `{"_placeholder": true, "num": n}` for the n-th attachment that follows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# A placeholder in JSON has fewer characters than this, spaces included.
_PLACEHOLDER_SIZE = 128
_MSG = re.compile(r'\s*\[\s*"msg"')
_OBJECT = re.compile(rb"\s*\{")
_NULL = msgspec.Raw(b"null")
_NAMES = ("header", "parent_header", "metadata", "content")


class _Event(msgspec.Struct, array_like=True):
    """An event's name and first argument; further arguments are ignored."""

    name: str
    argument: msgspec.Raw = _NULL


class _Placeholder(msgspec.Struct):
    num: int
    placeholder: bool = msgspec.field(name="_placeholder")


class _Buffers(msgspec.Struct):
    buffers: msgspec.Raw = _NULL


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_buffers = msgspec.json.Decoder(_Buffers).decode
_decode_placeholders = msgspec.json.Decoder(list[_Placeholder] | None).decode


class Received:
    """A client's message: `fill` in its attachments, then `parse` it."""

    def __init__(self, message: msgspec.Raw) -> None:
        self._message = message
        self._buffers: list[bytes] = []

    def fill(self, attachments: Sequence[bytes]) -> None:
        """Replace the placeholders by the attachments; FrameError if they do not match."""
        try:
            raw = _decode_buffers(self._message).buffers
            if len(bytes(raw)) > _PLACEHOLDER_SIZE * (len(attachments) + 1):
                raise kernel.FrameError("these are not the placeholders of the attachments")
            places = [place.num for place in _decode_placeholders(raw) or []]
        except JSON_ERRORS as error:
            raise kernel.FrameError(str(error)) from error
        if sorted(places) != list(range(len(attachments))):
            raise kernel.FrameError("these are not the placeholders of the attachments")
        self._buffers = [attachments[place] for place in places]

    def parse(self) -> tuple[str | None, list[bytes]]:
        """Return the channel, if named, and the parts; FrameError if it is no message."""
        if not self._buffers:
            self.fill([])
        channel, parts = kernel.parse_default(str(self._message, "utf-8"))
        if not all(_OBJECT.match(part) for part in parts):
            raise kernel.FrameError("header, parent_header, metadata and content are objects")
        return channel, [*parts, *self._buffers]


def read(text: str) -> tuple[str, Received]:
    """Return the event's name and message in a packet's JSON; FrameError if it is no event.

    A malformed message of a `msg` event fails only when it is parsed.
    """
    try:
        event = _decode_event(text)
    except JSON_ERRORS as error:
        if _MSG.match(text) is None:
            raise kernel.FrameError(str(error)) from error
        return "msg", Received(_NULL)
    return event.name, Received(event.argument)


def build(parts: Sequence[bytes], channel: str | None = None) -> dict[str, Any]:
    """Return the event of a message, with its channel if one is given."""
    event: dict[str, Any] = {
        name: _as_json(part) for name, part in zip(_NAMES, parts, strict=False)
    }
    event["buffers"] = list(parts[kernel.JSON_PARTS :])
    if channel is not None:
        event["channel"] = channel
    return event


def build_pieces(parts: Sequence[bytes], channel: str | None = None) -> list[bytes]:
    """Encode `["msg", event]` as JSON in pieces, without copying the message's parts."""
    pieces = [b'["msg",{']
    for name, part in zip(_NAMES, parts, strict=False):
        pieces += (f'"{name}":'.encode(), _readable(part), b",")
    count = len(parts) - kernel.JSON_PARTS
    rest: dict[str, Any] = {
        "buffers": [{"_placeholder": True, "num": number} for number in range(count)]
    }
    if channel is not None:
        rest["channel"] = channel
    return [*pieces, msgspec.json.encode(rest)[1:], b"]"]


def _as_json(part: bytes) -> Any:
    try:
        return msgspec.json.decode(part)
    except JSON_ERRORS:
        return msgspec.json.decode(str(_readable(part), "utf-8", "replace"))


def _readable(part: bytes) -> bytes:
    """Return a kernel's part as browsers read it: NaN is null, and junk is {}."""
    try:
        return kernel.as_json(part)
    except kernel.FrameError:
        return b"{}"
