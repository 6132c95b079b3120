"""tail over plain HTTP, for curl: a console's output as text, NDJSON or bytes."""

from __future__ import annotations

import json
from contextlib import aclosing

from jupyter_bridge.consoles.console import Viewer
from jupyter_bridge.consoles.handlers.consoles import ConsoleHandler
from jupyter_bridge.consoles.tail.query import TailQuery, asked
from jupyter_bridge.consoles.tail.text import (
    LineStream,
    RawStream,
    TextStream,
    attachment,
    counted,
)
from jupyter_bridge.problems import Problem
from jupyter_bridge.web import NDJSON, verb

TEXT, RAW = "text/plain; charset=utf-8", "application/octet-stream"


class TailHandler(ConsoleHandler):
    @verb(
        "read",
        "Show a console's output, and follow it",
        query=TailQuery,
        kinds=("text/plain", NDJSON, RAW),
    )
    async def get(self, name: str, query: TailQuery) -> None:
        what = asked(query, self.request.headers)
        console = await self.open_console(name, "read")
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
