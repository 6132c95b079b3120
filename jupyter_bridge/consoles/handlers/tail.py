"""tail over plain HTTP, for curl: a console's output as text, NDJSON or bytes."""

from __future__ import annotations

import base64
import codecs
import json
from contextlib import aclosing
from typing import Any

from jupyter_bridge.consoles.console import Viewer
from jupyter_bridge.consoles.handlers.consoles import ConsoleHandler, attachment
from jupyter_bridge.consoles.tail.query import TailQuery, tail_request
from jupyter_bridge.consoles.tail.view import Step, counted
from jupyter_bridge.problems import Problem
from jupyter_bridge.web import NDJSON, verb
from jupyter_bridge.wire import console as wire

TEXT, RAW = "text/plain; charset=utf-8", "application/octet-stream"


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


class TailHandler(ConsoleHandler):
    @verb(
        "read",
        "Show a console's output, and follow it",
        query=TailQuery,
        kinds=("text/plain", NDJSON, RAW),
    )
    async def get(self, name: str, query: TailQuery) -> None:
        what = await tail_request(query, self.request.headers)
        console = await self.open_console(name, "read", wait=what.follow)
        kind = NDJSON if NDJSON in self.request.headers.get("Accept", "") else TEXT
        kind = {"ndjson": NDJSON, "raw": RAW}.get(query.format, kind)
        text = (LineStream if kind == NDJSON else RawStream if kind == RAW else TextStream)()
        view = await what.view(console, joined=kind == TEXT)
        if kind == RAW:
            self.set_header("Content-Disposition", attachment(f"{name}.log"))
        offset = view.first_held if kind == RAW else view.offset
        self.set_header("Content-Type", kind)
        self.set_header("Bridge-Offset", str(offset))
        self.set_header("Bridge-Epoch", console.epoch)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Accel-Buffering", "no")  # nginx would delay the output
        viewer = Viewer(self.username, "watch", lambda: None)
        console.enter(viewer)
        try:
            async with aclosing(self.each_while_here(counted(view))) as steps:
                async for step in steps:
                    if shown := text.of(step):
                        self.write(shown)
                        await self.flush()
            self.write(text.rest())
        except Problem as problem:
            if not self._headers_written:
                raise
            if kind != NDJSON:  # too late for a status: curl reports a cut answer as a failure
                self.cut(problem.message)
                return
            self.write(json.dumps({"problem": problem.to_json()}).encode() + b"\n")
        finally:
            console.leave(viewer)
        await self.finish(set_content_type=kind)
