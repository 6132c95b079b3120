"""The Python client of the bridge: `BridgeClient` (async) and `connect()` (plain calls).

    from jupyter_bridge.client import connect

    with connect() as bridge:
        kernel = bridge.spawn("python3")
        print(bridge.execute(kernel, "6 * 7").value)
        bridge.shutdown(kernel)

It imports neither jupyter_server, Tornado nor ZMQ. Each name is imported on its first use, because
`jupyter bridge --help` needs none of them, and aiohttp alone takes 0.3 s.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_bridge.client.answers import ExecutionFailed, Result
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

_NAMES = {
    "client.answers": "ExecutionFailed Result",
    "client.bridge": "BridgeClient",
    "client.channels": "Channels Message",
    "client.discovery": "find",
    "client.events": "ClearOutput Done Event Gap InputRequest Output Status UpdateDisplay",
    "client.runs": "RunOutput RunResult RunStream",
    "client.stream": "Stream",
    "client.sync.bridge": "Bridge connect",
    "models.kernels": "KernelModel",
    "transport.server": "Server",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:  # a type checker would believe that every name exists

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"jupyter_bridge.{_MODULE_OF[name]}"), name)
        globals()[name] = value  # so that the next use does not come here
        return value


def __dir__() -> list[str]:
    return __all__
