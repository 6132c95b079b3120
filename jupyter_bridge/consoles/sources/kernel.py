"""A kernel as a Source: what it says on iopub as text, and lines typed into it as code.

    In [3]: the code as somebody ran it
    what it writes to stdout and stderr
    Out[3]: the result as text, or the traceback

A line (or several at once) is executed, or answers the input request that came of an earlier one.
Ctrl-C interrupts the kernel.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.kernels.client_channel import IOPUB, SHELL, STDIN, ClientChannel
from jupyter_bridge.kernels.relay import Relay
from jupyter_bridge.problems import Problem
from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.json_errors import JSON_ERRORS

_SEATS = frozenset({SHELL, IOPUB, STDIN})
_INTERRUPT = b"\x03"
_RUBOUT = (0x08, 0x7F)


class KernelSource(Source):
    """One kernel, over the line that all its clients share."""

    kind = "kernel"

    def __init__(self, relay: Relay, interrupt: Callable[[], Awaitable[None]]) -> None:
        self._relay = relay
        self._interrupt = interrupt
        self._session = uuid.uuid4().hex
        self._seat: ClientChannel | None = None
        self._task: asyncio.Task[None] | None = None
        self._typed = bytearray()
        self._asked = False
        self.title = f"kernel {relay.kernel_id}"

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        self._seat = self._relay.join(("console", self._session), self._session, _SEATS)
        self._task = asyncio.ensure_future(self._listen(self._seat, on_output, on_gap, on_end))

    async def _listen(
        self,
        seat: ClientChannel,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        try:
            async for entry in seat.messages():
                content = _content(entry.parts)
                if entry.header.msg_type == "bridge_gap":
                    on_gap(int(content.get("lost", 1)))
                elif entry.channel == STDIN:
                    self._asked = True
                    on_output(str(content.get("prompt", "")).encode())
                elif entry.channel == IOPUB:
                    text = shown(entry.header.msg_type, content)
                    if text:
                        on_output(text.encode("utf-8", "replace"))
        except Problem:
            pass  # the kernel is gone; that is the end, and no trouble
        on_end(Exit())

    async def write(self, data: bytes) -> None:
        _, interrupt, data = data.rpartition(_INTERRUPT)
        if interrupt:
            self._typed.clear()
            self._asked = False
            await self._interrupt()
        for byte in data:
            if byte in _RUBOUT:
                del self._typed[-1:]
            else:
                self._typed.append(byte)
        text = bytes(self._typed).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines, newline, rest = text.rpartition(b"\n")
        if newline:
            self._typed[:] = rest
            self._send(lines.decode("utf-8", "replace"))

    def _send(self, text: str) -> None:
        assert self._seat is not None
        if self._asked:
            self._asked = False
            parts = kernel.build_message("input_reply", {"value": text}, self._session)
            self._seat.send(STDIN, parts)
        elif text.strip():
            content = {
                "code": text,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": True,
                "stop_on_error": False,  # a line typed after an error is a line of its own
            }
            self._seat.send(SHELL, kernel.build_message("execute_request", content, self._session))

    async def close(self) -> None:
        seat, self._seat = self._seat, None
        task, self._task = self._task, None
        if seat is not None:
            seat.close()
        if task is not None:
            task.cancel()
            await asyncio.wait({task})


def shown(kind: str, content: dict[str, Any]) -> str:
    """What a reader of the console sees of an iopub message."""
    if kind == "stream":
        return str(content.get("text", ""))
    if kind == "execute_input":
        return f"In [{content.get('execution_count')}]: {content.get('code', '')}\n"
    if kind == "execute_result":
        return f"Out[{content.get('execution_count')}]: {_plain(content)}\n"
    if kind in ("display_data", "update_display_data"):
        text = _plain(content)
        return f"{text}\n" if text else ""
    if kind == "error":
        return "\n".join(map(str, content.get("traceback", []))) + "\n"
    if kind == "status" and content.get("execution_state") == "restarting":
        return "[the kernel restarts]\n"
    return ""


def _plain(content: dict[str, Any]) -> str:
    data = content.get("data")
    text = data.get("text/plain", "") if isinstance(data, dict) else ""
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def _content(parts: list[bytes]) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(parts[3])
    except JSON_ERRORS:
        return {}
    return content if isinstance(content, dict) else {}
