"""What a kernel answers is taken by its type: an execution ends whatever it is."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.kernels.client_channel import IOPUB
from jupyter_bridge.kernels.executions.execution import Execution
from jupyter_bridge.models.executions import ExecuteBody
from jupyter_bridge.wire import kernel, large_json
from tests.kernels.test_large_messages import nothing
from tests.kernels.test_relay import FakeUpstream, make
from tests.support.waiting import PATIENCE

VALUES = [b"7", b"null", b"true", b'"x"', b"[1,[]]", b'{"a":1}', b"1e400", b"9" * 400, b"[" * 5000]
FIELDS = ["status", "execution_count", "traceback", "ename", "evalue", "user_expressions"]


async def run(*told: tuple[str, bytes]) -> dict[str, Any]:
    """Return the model, as JSON, of an execution whose kernel sends these contents."""
    upstream = FakeUpstream()
    relay = make(upstream)
    await relay.open()
    execution = Execution(relay, ExecuteBody("1"), interrupt=nothing, on_end=nothing)
    execution.start()
    asked = upstream.sent[-1][1][0]
    messages = []
    for kind, content in told:
        parts = kernel.build_message(kind, {}, "k", asked)
        messages.append([*parts[:3], content])
    upstream.on_messages(IOPUB, messages[:-1])
    upstream.say("status", {"execution_state": "idle"}, asked)
    upstream.on_messages("shell", messages[-1:])
    await within(PATIENCE, execution.answered.wait())
    model = b"".join(large_json.encode(execution.model()))
    await execution.close()
    await relay.close()
    answer: dict[str, Any] = msgspec.json.decode(model)
    return answer


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:8].decode())
@pytest.mark.parametrize("field", FIELDS)
async def test_a_reply_of_any_types(field: str, value: bytes) -> None:
    """Each field of the wrong type; `"traceback": 7` was a 500 and an execution without an end."""
    known = {"status": b'"error"', "ename": b'"E"', "evalue": b'"v"', field: value}
    reply = b",".join(b'"%b":%b' % (name.encode(), told) for name, told in known.items())
    answer = await run(
        ("execute_input", b'{"execution_count":%b}' % value),
        ("execute_result", b'{"execution_count":%b,"data":{}}' % value),
        ("execute_reply", b"{%b}" % reply),
    )
    assert answer["status"] in ("ok", "error", "aborted")
    assert answer["execution_count"] in (None, 7)
    assert isinstance(answer["user_expressions"], dict)
    if answer["error"] is not None:
        assert all(isinstance(line, str) for line in answer["error"]["traceback"])


@pytest.mark.parametrize("number", [b"1e400", b"-1e999", b"9" * 5000, b"NaN"])
async def test_a_message_costs_only_itself(number: bytes) -> None:
    """A number beyond a float, between two outputs: both are kept; the second was lost."""
    answer = await run(
        ("stream", b'{"name":"stdout","text":"before "}'),
        ("status", b'{"execution_state":"busy","n":%b}' % number),
        ("display_data", b'{"data":{"application/json":{"zero":0,"n":%b}}}' % number),
        ("stream", b'{"name":"stdout","text":"after"}'),
        ("execute_reply", b'{"status":"ok"}'),
    )
    texts = "".join(output.get("text", "") for output in answer["outputs"])
    assert texts.startswith("before ")
    assert texts.endswith("after")
    if len(number) < 5000:
        assert {"zero": 0, "n": None} in [
            output.get("data", {}).get("application/json") for output in answer["outputs"]
        ]


async def test_many_bad_messages_are_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    """The log has one line a second of them; it had one for each."""
    upstream = FakeUpstream()
    relay = make(upstream)
    await relay.open()
    with caplog.at_level(logging.WARNING):
        upstream.on_messages(
            IOPUB, [[b'{"msg_id":[%d]}' % n, b"{}", b"{}", b"{}"] for n in range(500)]
        )
    assert 1 <= len([one for one in caplog.records if "malformed" in one.getMessage()]) <= 3
    await relay.close()
