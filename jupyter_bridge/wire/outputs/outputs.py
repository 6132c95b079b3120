r"""Reduce one execution's iopub messages to nbformat 4.5 outputs, as JupyterLab saves them.

    message              what is held                                       event
    stream               text, added to the last output if that is a        output
                         stream of the same name, else in a new one
    display_data         a new output                                       output
    execute_result       a new output                                       output
    error                a new output                                       output
    update_display_data  data and metadata, in place, of every output       update_display
                         that was shown with this display_id
    clear_output         nothing; with `wait`, only from the next output    clear_output
    anything else        as before                                          none

An event repeats one message for a client that follows: an `output` is not merged, stream text is
raw, and a display_id is in `transient`, which a held output does not have. An update is an event
even if no output here has its display_id: the display may belong to another execution.

Stream text is written as on a terminal, with a cursor in the last line:

    \n     starts a line at the end of the text, wherever the cursor is
    \r     moves to the start of the line; its text remains until it is overwritten
    \b     deletes the characters before and at the cursor; nothing at the start of the line
           (as JupyterLab does; a terminal would only move the cursor)
    other  overwrites one character, or lengthens the line at its end

The cursor is kept between messages, so a kernel may cut its text anywhere. A character is a code
point (JupyterLab counts UTF-16 units, and may leave half an emoji).

`clear_output` with `wait` takes effect at the next stream, display_data, execute_result or error.
Until then the old outputs remain, and an update changes them without ending the wait. Cleared
outputs lose their display_ids.

Malformed content never raises and never makes an invalid output. A missing field is empty; a
non-string in a text field is its JSON; null in a text mimetype is removed; a malformed
execution_count is null; a lone surrogate, which UTF-8 cannot encode, is U+FFFD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import msgspec

from jupyter_bridge.wire import large_json
from jupyter_bridge.wire.large_json import LargeJson
from jupyter_bridge.wire.outputs.displays import Display, DisplayGroup, Displays, Encoded
from jupyter_bridge.wire.outputs.stream_text import StreamText

MAX_BYTES = 64 * 2**20
"""Bytes that one execution may hold: as a kernel's ring, and more than a browser can show."""

MAX_OUTPUTS = 5_000
"""Outputs that one execution may hold: as many take 15 ms to be read, however small."""

MESSAGES = frozenset(
    ["stream", "display_data", "execute_result", "error", "update_display_data", "clear_output"]
)
"""The iopub messages that change outputs; the content of others need not be decoded."""

_JSON_MIME = re.compile(r"application/(.*\+)?json")  # in nbformat, only these may hold objects


class Change(NamedTuple):
    """The event of one message; `data` shares parts of the message."""

    event: Literal["output", "clear_output", "update_display"]
    data: dict[str, Any]


class Outputs:
    """The outputs of one execution, kept up to date message by message.

    `size` is about their bytes as JSON. Beyond `max_bytes` or MAX_OUTPUTS only the beginning is
    kept and `truncated` is true: nothing is added until a clear, but events go on. `displays` are
    those of all executions of the kernel; `on_resize` is called when another execution changed
    `size`.
    """

    def __init__(
        self,
        max_bytes: int = MAX_BYTES,
        displays: Displays | None = None,
        on_resize: Callable[[], None] = lambda: None,
    ) -> None:
        self.max_bytes = max_bytes
        self._displays = Displays() if displays is None else displays
        self._on_resize = on_resize
        self._groups: dict[str, DisplayGroup] = {}
        self._clear()

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """Return a copy of the outputs in nbformat; takes time and memory for all of `size`."""
        return [held.output() for held in self._held]

    def apply(self, msg_type: str, content: Mapping[str, Any]) -> Change | None:
        """Apply one iopub message; return its event, or None if it changes no output."""
        if msg_type not in MESSAGES:
            return None
        content = _as_json(content)
        if msg_type == "clear_output":
            wait = bool(content.get("wait"))
            if wait:
                self._clear_next = True
            else:
                self._clear()
            return Change("clear_output", {"wait": wait})
        if msg_type == "update_display_data":
            if not (display_id := _display_id(content)):
                return None
            update = {"display_id": display_id, **_bundles(content)}
            self._displays.update(**update)
            return Change("update_display", update)
        output = _output(msg_type, content)
        self._add(output)
        return Change("output", output)

    def close(self) -> None:
        """Let no other execution change these outputs."""
        self._clear()

    def _update(self, group: DisplayGroup, latest: Encoded) -> None:
        added = group.update(latest, self.max_bytes - self.size)
        if added is None:
            self.truncated = True
        else:
            self.size += added
            self._on_resize()

    def _add(self, output: dict[str, Any]) -> None:
        if self._clear_next:
            self._clear()
        if self.truncated:
            return
        if output["output_type"] == "stream":
            self._write(output["name"], output["text"])
            return
        display = Display(output)
        if self._account(display.size):
            self._held.append(display)
            if display_id := _display_id(output):
                group = self._groups.setdefault(display_id, DisplayGroup())
                group.add(display)
                self._displays.add(display_id, self, partial(self._update, group))

    def _write(self, name: str, text: str | LargeJson) -> None:
        if isinstance(text, LargeJson):
            for piece in text.texts():
                self._write(name, piece)
            return
        stream = self._held[-1] if self._held else None
        if not (isinstance(stream, StreamText) and stream.name == name):
            stream = StreamText(name)
            if not self._account(len(msgspec.json.encode(stream.output()))):
                return
            self._held.append(stream)
        before = stream.size
        self.truncated = not stream.write(text, limit=before + self.max_bytes - self.size)
        self.size += stream.size - before

    def _account(self, more: int) -> bool:
        """Tell whether there is room for one more output, of this size, and count it."""
        if self.size + more > self.max_bytes or len(self._held) == MAX_OUTPUTS:
            self.truncated = True
            return False
        self.size += more
        return True

    def _clear(self) -> None:
        for display_id in self._groups:
            self._displays.remove(display_id, self)
        self._groups.clear()
        self._held: list[StreamText | Display] = []
        self._clear_next = False
        self.size = 0
        self.truncated = False


def _output(msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
    output: dict[str, Any] = {"output_type": msg_type}
    if msg_type == "stream":
        name = content.get("name")
        output["name"] = name if name and isinstance(name, str) else "stdout"
        return output | {"text": _text(content.get("text"))}
    if msg_type == "error":
        lines = content.get("traceback") or []
        traceback: Any = lines
        if not isinstance(lines, LargeJson):
            traceback = [_text(line) for line in (lines if isinstance(lines, list) else [lines])]
        names = {key: _text(content.get(key)) for key in ("ename", "evalue")}
        return output | names | {"traceback": traceback}
    if msg_type == "execute_result":
        count = content.get("execution_count")
        output["execution_count"] = count if type(count) is int and count >= 0 else None
    if display_id := _display_id(content):
        output["transient"] = {"display_id": display_id}
    return output | _bundles(content)


def _bundles(content: dict[str, Any]) -> dict[str, Any]:
    data, metadata = content.get("data"), content.get("metadata")
    bundle: dict[str, Any] = {}
    for mime, value in data.items() if isinstance(data, dict) else ():
        if _JSON_MIME.fullmatch(mime):
            bundle[mime] = value
        elif value is not None:
            bundle[mime] = _text(value)
    return {"data": bundle, "metadata": metadata if isinstance(metadata, dict) else {}}


def _display_id(content: dict[str, Any]) -> str | None:
    transient = content.get("transient")
    display_id = transient.get("display_id") if isinstance(transient, dict) else None
    return display_id if display_id and isinstance(display_id, str) else None


def _text(value: Any) -> Any:
    """The text, or the LargeJson that is one."""
    if isinstance(value, LargeJson):
        return value if value.is_text else _text(value.decode())
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "".join(value)
    return "" if value is None else msgspec.json.encode(value).decode()


def _as_json(content: Any) -> dict[str, Any]:
    """Return the content as UTF-8 JSON can carry it; empty if it is no object or cannot be."""
    repaired: dict[str, Any] = dict(content) if isinstance(content, Mapping) else {}
    try:
        try:
            large_json.split(repaired)
        except UnicodeEncodeError:
            text = json.dumps(repaired, ensure_ascii=False, default=str)
            repaired = json.loads(
                text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            )
    except (TypeError, ValueError, RecursionError):
        repaired = {}
    return repaired
