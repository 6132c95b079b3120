"""What is kept of executions, and for how long, on a kernel that does as the test says."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_bridge.kernels.executions import store
from jupyter_bridge.kernels.executions.store import ExecutionStore
from jupyter_bridge.models.executions import ExecuteBody
from jupyter_bridge.problems import Conflict, Gone
from tests.kernels.test_relay import FakeUpstream, make
from tests.support.waiting import pass_time

BODY = ExecuteBody(code="x")


class FakeRelays:
    """One kernel, whose relay is open."""

    def __init__(self) -> None:
        self.upstream = FakeUpstream()
        self.relay = make(self.upstream)

    async def get(self, kernel_id: str) -> Any:
        return self.relay

    def answer(self, text: str) -> None:
        """The kernel prints `text` in answer to the newest request."""
        parent = self.upstream.sent[-1][1][0]
        self.upstream.say("stream", {"name": "stdout", "text": text}, parent)
        self.upstream.reply(parent, "execute_reply")


async def opened(keep: float = 3600) -> tuple[FakeRelays, ExecutionStore]:
    relays: Any = FakeRelays()
    await relays.relay.open()
    return relays, ExecutionStore(relays, keep=keep)


async def test_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest results go when all together are too large, and say so."""
    monkeypatch.setattr(store, "TOTAL_BYTES", 3 * 40_000)
    relays, known = await opened()
    ids = []
    for _ in range(4):
        execution = await known.start("u", "k", BODY, ephemeral=False)
        relays.answer(20_000 * "x")  # held twice: as an output, and as an event
        await execution.answered.wait()
        ids.append(execution.id)
    for gone in ids[:2]:
        with pytest.raises(Gone):
            known.get(gone)
    assert [known.get(kept).status for kept in ids[2:]] == ["ok", "ok"]
    await known.close()
    await relays.relay.close()


async def test_a_discarded_result_holds_nothing() -> None:
    """Others may still refer to it, as its last request does until the next collection."""
    relays, known = await opened()
    execution = await known.start("u", "k", BODY, ephemeral=False)
    relays.answer(1_000_000 * "x")
    await execution.answered.wait()
    assert execution.size > 1_000_000
    known.discard(execution)
    assert execution.size < 100
    assert execution.model().outputs == []
    assert [name async for _, name, _ in execution.events()] == ["gap"]
    await known.close()
    await relays.relay.close()


async def test_key() -> None:
    """A key names its execution as long as that is kept; afterwards it may be used anew."""
    relays, known = await opened(keep=60)
    first = await known.start("u", "k", BODY, ephemeral=False, key="K")
    assert await known.start("u", "k", BODY, ephemeral=False, key="K") is first
    assert await known.start("another", "k", BODY, ephemeral=False, key="K") is not first
    with pytest.raises(Conflict):
        await known.start("u", "k", ExecuteBody(code="y"), ephemeral=False, key="K")
    relays.upstream.reply(relays.upstream.sent[0][1][0], "execute_reply")
    await first.answered.wait()
    await pass_time(61)
    with pytest.raises(Gone):
        known.get(first.id)
    assert await known.start("u", "k", BODY, ephemeral=False, key="K") is not first
    await known.close()
    await relays.relay.close()
