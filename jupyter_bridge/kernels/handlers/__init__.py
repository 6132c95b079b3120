"""The kernel routes."""

from __future__ import annotations

from jupyter_bridge.kernels.client_channel import CHANNELS_BY_ROUTE
from jupyter_bridge.kernels.executions.store import ExecutionStore
from jupyter_bridge.kernels.handlers.channels import ChannelsSocket
from jupyter_bridge.kernels.handlers.execute import (
    EphemeralHandler,
    ExecuteHandler,
    InputHandler,
    OneExecutionHandler,
)
from jupyter_bridge.kernels.handlers.kernels import (
    InterruptHandler,
    KernelsHandler,
    OneKernelHandler,
    RestartHandler,
    ShutdownHandler,
    SpawnHandler,
)
from jupyter_bridge.kernels.registry import KernelRegistry
from jupyter_bridge.observe.events import Events
from jupyter_bridge.web import Route


def routes(relays: KernelRegistry, executions: ExecutionStore, events: Events) -> list[Route]:
    """Return the kernel routes."""
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
            Route(f"/{name}/{{kernel_id}}", ChannelsSocket, {"relays": relays, "route": name})
            for name in CHANNELS_BY_ROUTE
        ),
    ]
