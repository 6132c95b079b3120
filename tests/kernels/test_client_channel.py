"""A client's place on a ring that holds many messages for others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from jupyter_bridge.kernels.client_channel import IOPUB, LOOK, STDIN, ClientChannel
from jupyter_bridge.kernels.ring import Ring
from jupyter_bridge.wire import kernel
from tests.support.turns import counted_turns

OTHERS = 3 * LOOK + 1


def crowded(names: frozenset[str] = frozenset({STDIN})) -> tuple[Ring, ClientChannel]:
    """A client of stdin at the start of a ring: OTHERS messages of iopub, then one for it."""
    ring, client = Ring(64 << 20), object()
    feed = SimpleNamespace(ring=ring, session="s", batches={}, leave=lambda channel: None)
    make: Any = ClientChannel
    channel: ClientChannel = make(feed, client, names, may_send=True, on_ready=lambda: None)
    for kind, to in (*[(IOPUB, None)] * OTHERS, (STDIN, client)):
        parts = kernel.build_message("x", {}, "s")
        ring.append(kind, kernel.parse_header(parts[0]), parts, to)
    return ring, channel


def test_a_take_looks_at_few() -> None:
    """Messages for others are passed over, LOOK at a time; then comes the one for this client."""
    ring, channel = crowded()
    for _ in range(3):
        assert channel.take() == []
        assert channel.behind
        assert not channel.exhausted
    (mine,) = channel.take()
    assert mine.seq == ring.end - 1
    assert channel.exhausted


def test_frames_look_at_few() -> None:
    """The same as frames, of which those of clients at the same place are built once."""
    _, channel = crowded()
    taken = [channel.take_frames(lambda entry: b"mine") for _ in range(4)]
    assert taken == [b"", b"", b"", b"mine"]


async def test_others_have_their_turns() -> None:
    """Between two looks of `messages` the loop goes on."""
    _, channel = crowded()
    async with counted_turns() as turns:
        async for entry in channel.messages():
            assert entry.channel == STDIN
            break
    assert turns.count >= 3
