"""The kernel routes (API.md, section 2)."""

from __future__ import annotations

from jupyter_bridge import observe
from jupyter_bridge.relay.channels import SEATS
from jupyter_bridge.relay.executions import Executions
from jupyter_bridge.relay.handlers.channels import ChannelsSocket
from jupyter_bridge.relay.handlers.execute import (
    EphemeralHandler,
    ExecuteHandler,
    InputHandler,
    OneExecutionHandler,
)
from jupyter_bridge.relay.handlers.kernels import (
    InterruptHandler,
    KernelsHandler,
    OneKernelHandler,
    RestartHandler,
    ShutdownHandler,
    SpawnHandler,
)
from jupyter_bridge.relay.relays import Relays
from jupyter_bridge.web import Route


def routes(relays: Relays, executions: Executions, events: observe.Events) -> list[Route]:
    """Every kernel route, for app.py."""
    kernels = {"relays": relays, "events": events}
    runs = {"executions": executions}
    return [
        Route("/kernels", KernelsHandler, kernels),
        Route("/kernels/{kernel_id}", OneKernelHandler, kernels),
        Route("/spawn/{kernelspec}", SpawnHandler, kernels),
        Route("/shutdown/{kernel_id}", ShutdownHandler, kernels),
        Route("/interrupt/{kernel_id}", InterruptHandler, kernels),
        Route("/restart/{kernel_id}", RestartHandler, kernels),
        Route("/execute", EphemeralHandler, runs),
        Route("/execute/{kernel_id}", ExecuteHandler, runs),
        Route("/executions/{execution_id}", OneExecutionHandler, runs),
        Route("/executions/{execution_id}/input", InputHandler, runs),
        *(
            Route(f"/{seat}/{{kernel_id}}", ChannelsSocket, {"relays": relays, "seat": seat})
            for seat in SEATS
        ),
    ]
