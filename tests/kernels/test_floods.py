"""Many controls, and many messages, of a kernel: they hold up the loop for no long time."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jupyter_bridge.consoles.sources.kernel import KernelSource
from jupyter_bridge.kernels.client_channel import IOPUB
from jupyter_bridge.kernels.executions.execution import Execution
from jupyter_bridge.kernels.upstreams import _DRAIN
from jupyter_bridge.models.executions import ExecuteBody
from jupyter_bridge.wire import kernel, large_json
from jupyter_bridge.wire.outputs.outputs import MAX_OUTPUTS
from tests.kernels.test_large_messages import TURN, nothing, turns
from tests.kernels.test_relay import FakeUpstream, make

MANY = 100_000

Message = tuple[str, dict[str, Any]]


def stream(text: str, name: str = "stdout") -> Message:
    return "stream", {"name": name, "text": text}


def display(kind: str = "display_data", **transient: Any) -> Message:
    return kind, {"data": {"text/plain": "x"}, "metadata": {}, "transient": transient}


# By name: the messages, and what the last output shows of them.
FLOODS: dict[str, tuple[Iterable[Message], str | None]] = {
    "backspaces": ([stream("a\b" * 500_000 + "b")], "b"),
    "backspaces in a small message": ([stream("a\b" * 50_000 + "b")], "b"),
    "backspaces in many": ([stream("a\b" * 50_000)] * 20, ""),
    "returns": ([stream("a\r" * 500_000)], "a"),
    "returns in a small message": ([stream("a\r" * 50_000)], "a"),
    "returns and newlines": ([stream("a\rb\n" * 250_000)], "b\n" * 250_000),
    "erased lines": ([stream("a" * 3000 + "\b" * 3000)] * 300, ""),
    "nothing but backspaces": ([stream("a" + "\b" * 1_000_000)], ""),
    "a long line written over": ([stream("x" * 9_000_000), stream("\ré\ra" * 50_000)], None),
    "streams of a byte": ([stream("x")] * MANY, "x" * MANY),
    "streams in turn": ([stream("x", "stdout"), stream("x", "stderr")] * (MANY // 2), None),
    "clears": ([("clear_output", {"wait": False})] * MANY, None),
    "clears that wait": ([("clear_output", {"wait": True})] * MANY, None),
    "displays": ([display()] * MANY, None),
    "displays of one id": ([display(display_id="d")] * MANY, None),
    "updates": ([display(), *[display("update_display_data", display_id="d")] * MANY], None),
}


@asynccontextmanager
async def frozen() -> AsyncIterator[None]:
    """As in a server, no collection looks at what was there before."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@pytest.mark.parametrize("name", FLOODS)
async def test_no_flood_holds_up_the_loop(name: str) -> None:
    """An execution, a reader of its events and a console take it in steps; it was 1 to 6 s."""
    told, shown = FLOODS[name]
    upstream = FakeUpstream()
    relay = make(upstream, ring_bytes=16 << 20)
    await relay.open()
    console = KernelSource(relay, nothing)
    await console.open(lambda data: None, lambda lost: None, lambda end: None)
    execution = Execution(relay, ExecuteBody("1"), interrupt=nothing, on_end=nothing)
    execution.start()
    asked = upstream.sent[-1][1][0]
    messages = [kernel.build_message(kind, content, "k", asked) for kind, content in told]

    async def read() -> None:
        async for _ in execution.events():
            await asyncio.sleep(0)

    reading = asyncio.create_task(read())
    async with frozen(), turns() as found:
        for start in range(0, len(messages), _DRAIN):
            upstream.on_messages(IOPUB, messages[start : start + _DRAIN])
            await asyncio.sleep(0)
        upstream.say("status", {"execution_state": "idle"}, asked)
        upstream.on_messages("shell", [kernel.build_message("execute_reply", {}, "k", asked)])
        await execution.answered.wait()
        for _ in large_json.encode(execution.model()):
            await asyncio.sleep(0)
        await reading
    assert max(found) < TURN, sorted(found)[-3:]
    outputs = execution.model().outputs
    assert len(outputs) <= MAX_OUTPUTS
    if shown is not None:
        assert b"".join(large_json.encode(outputs[-1]["text"])) == b"".join(
            large_json.encode(shown)
        )
    await console.close()
    await execution.close()
    await relay.close()
