"""Connections and transfers as clients hear of them, over the host's own websocket."""

from __future__ import annotations

from tests.conftest import Server
from tests.kernels.conftest import bridge
from tests.support.kernel_client import Bridge, tells, told

__all__ = ["bridge"]  # a fixture


async def test_a_page_hears_of_all_that_its_lists_show(
    bridge: Bridge, bridge_server: Server
) -> None:
    """A connection comes, logs in, is used and goes; a transfer is paused; no path is told."""
    store = bridge_server.root / "store"
    store.mkdir()
    with (store / "hole").open("wb") as file:
        file.truncate(4 << 30)  # long to bring, short to make
    async with told(bridge, "connection_state", "transfer_state", "connection_action") as heard:
        await bridge.post("/conns", {"name": "heard", "url": str(store)})
        lab = {"connection": "heard"}
        events = [
            await tells(heard, **lab, event="connection_state", before="gone"),
            await tells(heard, **lab, event="connection_state", state="connected"),
        ]
        body = {**lab, "direction": "download", "permId": "hole", "path": "heard"}
        name = (await bridge.post("/transfers", body)).json["transfer"]
        this = {"event": "transfer_state", "transfer": name}
        events.append(await tells(heard, **this, state="running"))
        await bridge.post(f"/transfers/{name}/pause", {})
        events.append(await tells(heard, **this, state="paused"))
        events.append(await tells(heard, **lab, event="connection_action", action="pause"))
        await bridge.delete(f"/transfers/{name}")
        events.append(await tells(heard, **this, state="cancelled"))
        await bridge.delete("/conn/heard")
        events.append(await tells(heard, **lab, event="connection_state", state="gone"))
    assert str(store) not in str(events)
