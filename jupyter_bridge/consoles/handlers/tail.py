"""tail: what a console said and says, over a websocket or as plain HTTP for curl."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from tornado.iostream import StreamClosedError

from jupyter_bridge.consoles.console import Viewer
from jupyter_bridge.consoles.handlers.socket import ConsoleSocket
from jupyter_bridge.consoles.tail.query import TailQuery
from jupyter_bridge.consoles.tail.text import RawStream, TextStream, attachment, counted, line_of
from jupyter_bridge.consoles.tail.view import Step
from jupyter_bridge.problems import Denied, Problem
from jupyter_bridge.web import NDJSON, is_closed

# As long as `web/sse.py` lets an answer be silent.
KEEP_ALIVE = 15.0


class TailSocket(ConsoleSocket):
    """What a console said and says; a plain GET is answered as text, NDJSON or bytes."""

    answers = ("text/plain", NDJSON, "application/octet-stream")

    async def get(self, name: str) -> None:  # type: ignore[override]
        """Shake hands, or answer curl."""
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await super().get(name=name)
        else:
            await self._answer(name)

    async def on_handshake(self, name: str) -> None:  # type: ignore[override]
        await self._look_up(name, "read", self.read_query(TailQuery), follow=False)

    async def on_open(self) -> None:
        self._start("watch")

    def on_frame(self, frame: str | bytes) -> None:
        raise Denied("A tail only shows; open /bridge/interact to type.")

    async def _answer(self, name: str) -> None:
        query = self.read_query(TailQuery)
        self.answers_http = True
        await self._look_up(name, "read", query, follow=False)
        raw = query.format == "raw"
        accept = self.request.headers.get("Accept", "")
        lines = query.format == "ndjson" or (NDJSON in accept and not raw)
        self.set_header("Content-Type", NDJSON if lines else "text/plain; charset=utf-8")
        self.set_header("Bridge-Offset", str(self._view.offset))
        if raw:
            self.set_header("Content-Type", "application/octet-stream")
            self.set_header("Content-Disposition", attachment(f"{name}.log"))
            self.set_header("Bridge-Offset", str(self._view.first_held))
        self.set_header("Bridge-Epoch", self._console.epoch)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("X-Accel-Buffering", "no")  # nginx would hold the output back
        self._viewer = Viewer(self.username, "watch", lambda: None)
        self._console.enter(self._viewer)
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if is_closed(self.request):
            self._gone.set_result(None)
        try:
            await self._write_lines() if lines else await self._write_plain(raw)
            await self.finish()
        except StreamClosedError:
            pass
        finally:
            self._console.leave(self._viewer)

    async def _write_plain(self, raw: bool) -> None:
        text: TextStream | RawStream = RawStream() if raw else TextStream()
        try:
            async for step in self._while_here():
                if step is not None:
                    self.write(text.of(step))
                    await self.flush()
            self.write(text.rest())
        except Problem:
            if not self._headers_written:
                raise
            # Too late for a status: breaking off is what curl takes for a failure.
            self.request.connection.stream.close()  # type: ignore[union-attr]
            raise StreamClosedError from None

    async def _write_lines(self) -> None:
        try:
            async for step in self._while_here():
                self.write(b"\n" if step is None else line_of(step))
                await self.flush()
        except Problem as problem:
            if not self._headers_written:
                raise
            self.write(json.dumps({"problem": problem.to_json()}).encode() + b"\n")

    async def _while_here(self) -> AsyncIterator[Step | None]:
        """The view's steps, None after each silence, until the client goes away."""
        steps = counted(self._view)
        coming: asyncio.Future[Any] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(steps))
                await asyncio.wait(
                    {coming, self._gone},
                    timeout=KEEP_ALIVE,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if self._gone.done():
                    raise StreamClosedError
                if not coming.done():
                    yield None
                    continue
                done, coming = coming, None
                try:
                    step = done.result()
                except StopAsyncIteration:
                    return
                yield step
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
            await steps.aclose()

    def on_connection_close(self) -> None:
        gone = getattr(self, "_gone", None)
        if gone is not None:
            if not gone.done():
                gone.set_result(None)
        else:
            super().on_connection_close()
