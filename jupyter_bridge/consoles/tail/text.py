"""A view's steps as text or as lines of NDJSON, and counted for the metrics."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from jupyter_bridge.consoles.tail.view import Step, View
from jupyter_bridge.observe import metrics
from jupyter_bridge.wire import console as wire


class TextStream:
    """A view's steps as text: cut UTF-8 characters are joined, bad bytes become U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def of(self, step: Step | None) -> str:
        """Return the text of a step; a gap is a line of its own."""
        if isinstance(step, wire.OutputFrame):
            return self._decoder.decode(step.data)
        if isinstance(step, wire.GapFrame):
            lost = step.to - step.offset
            return self.rest() + f"\r\n[jupyter-bridge: {lost} bytes are not held here]\r\n"
        return ""

    def rest(self) -> str:
        """Return the beginning of a character whose end never came."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text


class RawStream:
    """A view's output unchanged, without gaps."""

    def of(self, step: Step | None) -> bytes:
        return step.data if isinstance(step, wire.OutputFrame) else b""

    def rest(self) -> bytes:
        return b""


class LineStream:
    """A view's steps as lines of NDJSON; None is an empty line, sent in a silence."""

    def of(self, step: Step | None) -> bytes:
        line: dict[str, Any]
        if step is None:
            return b"\n"
        if isinstance(step, wire.OutputFrame):
            line = {"offset": step.offset}
            try:
                line["data"] = step.data.decode()
            except UnicodeDecodeError:
                line["base64"] = base64.b64encode(step.data).decode()
        elif isinstance(step, wire.GapFrame):
            line = {"gap": {"from": step.offset, "to": step.to}}
        elif isinstance(step, wire.Matched):
            line = {"match": {"from": step.offset, "to": step.to}}
        else:
            line = {"exit": step.exit}
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def rest(self) -> bytes:
        return b""


def attachment(name: str) -> str:
    """Return a Content-Disposition with which a browser saves the answer under this name."""
    safe = "".join(letter if letter.isprintable() else "_" for letter in name)
    safe = safe.replace("/", "_").replace("\\", "_").replace('"', "_")
    plain = safe.encode("ascii", "replace").decode().replace("?", "_")
    if plain == safe:
        return f'attachment; filename="{safe}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


async def counted(view: View) -> AsyncGenerator[Step, None]:
    """Yield the view's steps, counted for the metrics."""
    console = view.console
    async for step in view.steps():
        if isinstance(step, wire.OutputFrame):
            metrics.CONSOLE_SENT.inc(len(step.data))
            metrics.CONSOLE_LAG.observe(max(0, console.end_offset - view.offset))
        elif isinstance(step, wire.GapFrame):
            metrics.CONSOLE_GAPS.inc()
        yield step
