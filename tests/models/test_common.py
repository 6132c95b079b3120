"""What holds for every body and every answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jupyter_bridge.client.bridge import Options
from jupyter_bridge.client.runs import RunOptions
from jupyter_bridge.models.executions import ExecuteBody, InputBody
from jupyter_bridge.models.kernels import KernelId
from jupyter_bridge.models.runs import RunBody


def test_more_fields() -> None:
    """What a newer server says besides is passed over; what a client sends besides is refused."""
    assert msgspec.json.decode('{"id": "k", "mood": "good"}', type=KernelId) == KernelId("k")
    with pytest.raises(msgspec.ValidationError, match="mood"):
        msgspec.json.decode('{"value": "x", "mood": "good"}', type=InputBody)


@pytest.mark.parametrize(
    ("options", "beside", "body", "own"),
    [
        (Options, {"key", "kernelspec"}, ExecuteBody, {"code"}),
        (RunOptions, {"key"}, RunBody, {"command"}),
    ],
)
def test_options(options: Any, beside: set[str], body: type[msgspec.Struct], own: set[str]) -> None:
    """What the client's calls take are the fields of the body that they send."""
    sent = {name for name in body.__struct_fields__ if not name.endswith("_base64")}
    assert set(options.__annotations__) - beside == sent - own
