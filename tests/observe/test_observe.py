"""What an operator sees, and what nobody may see."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from jupyter_bridge.observe import redaction
from jupyter_bridge.observe.events import SCHEMAS, Events
from tests.kernels.conftest import bridge
from tests.support.kernel_client import Bridge

__all__ = ["bridge"]  # a fixture


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("GET /x?token=abc123&b=1", "GET /x?token=[secret]&b=1"),
        ("GET /x?b=1&token=abc123", "GET /x?b=1&token=[secret]"),
        ("Authorization: token abc123", "Authorization: token [secret]"),
        ("{'Authorization': 'Bearer abc123'}", "{'Authorization': 'Bearer [secret]'}"),
        ('{"authorization": "token abc123"}', '{"authorization": "token [secret]"}'),
        (
            "Sec-WebSocket-Protocol: v1.token.websocket.jupyter.org.abc123, v1.kernel",
            "Sec-WebSocket-Protocol: v1.token.websocket.jupyter.org.[secret], v1.kernel",
        ),
        ("nothing to hide, token or not", "nothing to hide, token or not"),
    ],
)
def test_redact(said: str, kept: str) -> None:
    """Tokens are blotted out wherever they stand, also in arguments, and nothing else is."""
    for message, args in ((said, ()), ("%s", (said,))):
        record = logging.LogRecord("x", logging.INFO, "f", 1, message, args, None)
        assert redaction.Redact().filter(record)
        assert record.getMessage() == kept


def test_events_need_no_logger() -> None:
    """Where the host has no event logger, nothing is emitted and nothing fails."""
    Events(None).emit("kernel_spawn", user="u", kernel_id="k", kernelspec="python3")


async def test_events(jp_serverapp: Any, jp_fetch: Any) -> None:
    """A spawn and a shutdown each emit their event, with user and kernel and no secret."""
    heard: list[tuple[str, dict[str, Any]]] = []

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        heard.append((schema_id.split("/")[-2], data))

    for name in ("kernel_spawn", "kernel_shutdown"):
        schema = SCHEMAS[name]["$id"]
        jp_serverapp.event_logger.add_listener(schema_id=schema, listener=listen)
    body = json.dumps({"env": {"SECRET": "hunter2"}, "name": "hunter2"})
    answer = await jp_fetch("bridge", "spawn", "python3", method="POST", body=body)
    kernel_id = json.loads(answer.body)["id"]
    await jp_fetch("bridge", "shutdown", kernel_id, method="DELETE")
    await jp_serverapp.event_logger.gather_listeners()
    assert [name for name, _ in heard] == ["kernel_spawn", "kernel_shutdown"]
    spawned, stopped = (data for _, data in heard)
    assert {k: spawned[k] for k in ("kernel_id", "kernelspec")} == {
        "kernel_id": kernel_id,
        "kernelspec": "python3",
    }
    assert stopped["kernel_id"] == kernel_id
    assert "hunter2" not in json.dumps([data for _, data in heard])
    for part in list(jp_serverapp.extension_manager.extension_apps["jupyter_bridge"]):
        await part.stop_extension()


async def test_metrics(bridge: Bridge) -> None:
    """/metrics has every metric by name, and they count what happens."""

    async def read() -> dict[str, float]:
        text = (await bridge.get("/metrics", host=True)).body.decode()
        return {
            f"{s.name}{sorted(s.labels.items())}": s.value
            for family in text_string_to_metric_families(text)
            for s in family.samples
            if s.name.startswith("jupyter_bridge_")
        }

    before = await read()
    async with bridge.kernel() as kernel_id, bridge.seat(kernel_id) as seat:
        await seat.run("print(1)")
        await bridge.execute(kernel_id, "1")
        during = await read()
    shell_in = "jupyter_bridge_messages_total[('channel', 'shell'), ('direction', 'in')]"
    iopub_out = "jupyter_bridge_message_bytes_total[('channel', 'iopub'), ('direction', 'out')]"
    assert during[shell_in] >= before.get(shell_in, 0) + 2
    assert during[iopub_out] > before.get(iopub_out, 0)
    assert during["jupyter_bridge_clients[]"] == before["jupyter_bridge_clients[]"] + 1
    assert during["jupyter_bridge_relays[]"] == before["jupyter_bridge_relays[]"] + 1
    assert during["jupyter_bridge_ring_bytes[]"] > before["jupyter_bridge_ring_bytes[]"]
    assert during["jupyter_bridge_execution_seconds_count[('status', 'ok')]"] >= 1
    names = {name.split("[")[0] for name in during}
    assert "jupyter_bridge_gaps_total" in names
    after = await read()
    assert after["jupyter_bridge_relays[]"] == before["jupyter_bridge_relays[]"]
