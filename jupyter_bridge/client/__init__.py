"""The Python client of the bridge: `BridgeClient` (async) and `connect()` (plain calls).

    from jupyter_bridge.client import connect

    with connect() as bridge:
        kernel = bridge.spawn("python3")
        print(bridge.execute(kernel, "6 * 7").value)
        bridge.shutdown(kernel)

It imports neither jupyter_server, Tornado nor ZMQ.
"""

from __future__ import annotations

from jupyter_bridge.client.answers import (
    ExecutionFailed,
    Result,
)
from jupyter_bridge.client.bridge import BridgeClient
from jupyter_bridge.client.channels import Channels, Message
from jupyter_bridge.client.discovery import find
from jupyter_bridge.client.events import (
    ClearOutput,
    Done,
    Event,
    Gap,
    InputRequest,
    Output,
    Status,
    UpdateDisplay,
)
from jupyter_bridge.client.runs import RunOutput, RunResult, RunStream
from jupyter_bridge.client.stream import Stream
from jupyter_bridge.client.sync.bridge import Bridge, connect
from jupyter_bridge.models.kernels import KernelModel
from jupyter_bridge.transport.server import Server

__all__ = [
    "Bridge",
    "BridgeClient",
    "Channels",
    "ClearOutput",
    "Done",
    "Event",
    "ExecutionFailed",
    "Gap",
    "InputRequest",
    "KernelModel",
    "Message",
    "Output",
    "Result",
    "RunOutput",
    "RunResult",
    "RunStream",
    "Server",
    "Status",
    "Stream",
    "UpdateDisplay",
    "connect",
    "find",
]
