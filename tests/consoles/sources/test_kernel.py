"""consoles/sources/kernel.py: what is taken of a kernel's messages, whatever they hold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from jupyter_bridge.consoles.sources.kernel import KernelSource
from jupyter_bridge.interfaces import Exit


class Messages:
    """A client channel with these messages of (channel, type, content), and then the end."""

    def __init__(self, *messages: tuple[str, str, Any]) -> None:
        self._messages = messages

    async def messages(self) -> AsyncIterator[Any]:
        for channel, kind, content in self._messages:
            parts = [b"{}", b"{}", b"{}", json.dumps(content).encode()]
            yield SimpleNamespace(
                channel=channel, header=SimpleNamespace(msg_type=kind), parts=parts
            )


async def told_of(*messages: tuple[str, str, Any]) -> list[Any]:
    told: list[Any] = []
    source = KernelSource(SimpleNamespace(kernel_id="k"), None)  # type: ignore[arg-type]
    channel: Any = Messages(*messages)
    await source._listen(channel, told.append, told.append, told.append)
    return told


@pytest.mark.parametrize(
    ("lost", "gap"),
    [(7, 7), ("x", 1), (None, 1), ([1], 1), ({"a": 1}, 1), (1.5, 1), ("9" * 5000, 1)],
    ids=repr,
)
async def test_a_gap_of_a_stranger(lost: Any, gap: int) -> None:
    """Whatever a remote kernel counts as lost, the console goes on."""
    later = ("iopub", "stream", {"name": "stdout", "text": "later"})
    told = await told_of(("iopub", "bridge_gap", {"lost": lost}), later)
    assert told == [gap, b"later", Exit()]


@pytest.mark.parametrize("prompt", ["\ud800", 5, None, ["x"]], ids=repr)
async def test_a_prompt_of_a_stranger(prompt: Any) -> None:
    """It is output, also if it is no text or no UTF-8."""
    told = await told_of(("stdin", "input_request", {"prompt": prompt}))
    assert isinstance(told[0], bytes)
    assert told[1:] == [Exit()]
