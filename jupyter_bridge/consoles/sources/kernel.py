"""A kernel as a Source: its iopub messages as text, and typed lines as code.

    In [3]: the code that any client ran
    the output on stdout and stderr
    Out[3]: the result as text, or the traceback

A line (or several at once) is executed, or answers the kernel's input request. Ctrl-C interrupts
the kernel.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Literal

from jupyter_bridge.aio.turns import Pauses
from jupyter_bridge.consoles.sources.typed_lines import TypedLines
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.kernels.client_channel import IOPUB, SHELL, STDIN, ClientChannel
from jupyter_bridge.kernels.relay import Relay
from jupyter_bridge.problems import Problem
from jupyter_bridge.transport.answers import off_loop
from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.large_json import LARGE, LargeJson

_CHANNELS = frozenset({SHELL, IOPUB, STDIN})
# The iopub messages that are shown; others are not decoded.
_SHOWN = frozenset(
    ["stream", "execute_input", "execute_result", "display_data", "update_display_data", "error"]
) | {"status", "bridge_gap"}
_INTERRUPT = b"\x03"


class KernelSource(Source):
    """One kernel, over the relay that all its clients share."""

    kind = "kernel"

    def __init__(self, relay: Relay, interrupt: Callable[[], Awaitable[None]]) -> None:
        self._relay = relay
        self._interrupt = interrupt
        self._session = uuid.uuid4().hex
        self._channel: ClientChannel | None = None
        self._task: asyncio.Task[None] | None = None
        self._typed = TypedLines()
        self._typing = asyncio.Lock()
        self._wants_input = False
        self.title = f"kernel {relay.kernel_id}"

    @property
    def echo(self) -> Literal["none"]:
        """A kernel's output has no input in it."""
        return "none"

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        self._channel = self._relay.join(("console", self._session), self._session, _CHANNELS)
        self._task = asyncio.ensure_future(self._listen(self._channel, on_output, on_gap, on_end))

    async def _listen(
        self,
        channel: ClientChannel,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        pauses = Pauses()
        try:
            async for entry in channel.messages():
                await pauses()  # a hundred thousand may wait
                kind, parts = entry.header.msg_type, entry.parts
                if entry.channel != STDIN and kind not in _SHOWN:
                    continue
                content = await off_loop(kernel.read_content, parts[3])
                if content is None:
                    on_gap(len(parts[3]))
                elif kind == "bridge_gap":
                    lost = content.get("lost")
                    on_gap(lost if isinstance(lost, int) else 1)
                elif entry.channel == STDIN:
                    self._wants_input = True
                    on_output(str(content.get("prompt", "")).encode("utf-8", "replace"))
                else:
                    is_large, texts = len(parts[3]) > LARGE, shown(kind, content)
                    for text in texts if is_large else ["".join(texts)]:
                        if text:
                            on_output(text.encode("utf-8", "replace"))
                        if is_large:
                            await asyncio.sleep(0)
        except Problem:
            pass  # the kernel is gone: a normal end
        on_end(Exit())

    async def write(self, data: bytes) -> None:
        """Execute the complete lines; TooLarge if the last, incomplete line is too long."""
        _, interrupt, data = data.rpartition(_INTERRUPT)
        if interrupt:
            self._typed = TypedLines()
            self._wants_input = False
            await self._interrupt()
        typed = self._typed
        async with self._typing:
            text = await typed.feed(data)
            # Otherwise an interrupt has come meanwhile.
            if text is not None and typed is self._typed:
                await self._send(text)

    async def _send(self, text: str) -> None:
        if self._wants_input:
            self._wants_input = False
            await self._say(STDIN, "input_reply", {"value": text})
        elif text.strip():
            content = {
                "code": text,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": True,
                "stop_on_error": False,  # a line typed after an error is independent of it
            }
            await self._say(SHELL, "execute_request", content)

    async def _say(self, channel: str, kind: str, content: dict[str, Any]) -> None:
        parts = kernel.build_message(kind, content, self._session)
        assert self._channel is not None
        self._channel.send(channel, parts)

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        task, self._task = self._task, None
        if channel is not None:
            channel.close()
        if task is not None:
            task.cancel()
            await asyncio.wait({task})


def shown(kind: str, content: dict[str, Any]) -> Iterator[str]:
    """Yield an iopub message as the console shows it; a large text in pieces."""
    count = content.get("execution_count")
    if kind == "stream":
        yield from _texts(content.get("text", ""))
    elif kind == "execute_input":
        yield from (f"In [{count}]: ", *_texts(content.get("code", "")), "\n")
    elif kind == "execute_result":
        yield from (f"Out[{count}]: ", *_plain(content), "\n")
    elif kind in ("display_data", "update_display_data"):
        text = ""
        for text in _plain(content):
            yield text
        if text:
            yield "\n"
    elif kind == "error":
        yield from ("\n".join(map(str, content.get("traceback", []))), "\n")
    elif kind == "status" and content.get("execution_state") == "restarting":
        yield "[the kernel is restarting]\n"


def _plain(content: dict[str, Any]) -> Iterator[str]:
    data = content.get("data")
    text = data.get("text/plain", "") if isinstance(data, dict) else ""
    return _texts("".join(map(str, text)) if isinstance(text, list) else text)


def _texts(value: Any) -> Iterator[str]:
    return value.texts() if isinstance(value, LargeJson) else iter((str(value),))
