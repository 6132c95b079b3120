"""The connection routes."""

from __future__ import annotations

from typing import Any

from jupyter_bridge.connections.audit import Audit
from jupyter_bridge.connections.handlers import compat
from jupyter_bridge.connections.handlers.conns import (
    BrowseHandler,
    ConnHandler,
    ConnsHandler,
    KindsHandler,
)
from jupyter_bridge.connections.handlers.data import (
    ContentHandler,
    DatasetHandler,
    DatasetTypesHandler,
    SampleHandler,
)
from jupyter_bridge.connections.handlers.environments import (
    AskKernel,
    EnvironmentHandler,
    RequirementsHandler,
)
from jupyter_bridge.connections.handlers.transfers import (
    DownloadHandler,
    PauseHandler,
    RegisterHandler,
    ResumeHandler,
    TransferHandler,
    TransfersHandler,
)
from jupyter_bridge.connections.mounts.registry import MountRegistry
from jupyter_bridge.connections.places import Places
from jupyter_bridge.connections.registry import ConnectionRegistry
from jupyter_bridge.connections.transfers.registry import TransferStore
from jupyter_bridge.observe.events import Events
from jupyter_bridge.web import Route


def routes(
    connections: ConnectionRegistry,
    mounts: MountRegistry,
    transfers: TransferStore,
    events: Events,
    audit: Audit,
    root_dir: str,
    places: Places | None = None,
    ask_kernel: AskKernel | None = None,
    *,
    openbis_compat: bool = False,
) -> list[Route]:
    """Return all connection routes, for app.py; `places` checks the paths in requests.

    `ask_kernel` gives access to the kernels, which this part may not import. `openbis_compat` adds
    jupyter-openbis-server's routes.
    """
    parts: dict[str, Any] = {
        "connections": connections,
        "mounts": mounts,
        "events": events,
        "audit": audit,
        "root_dir": root_dir,
    }
    moving = {**parts, "transfers": transfers, "places": places or Places(root_dir)}
    return [
        Route("/kinds", KindsHandler, parts),
        Route("/conns", ConnsHandler, parts),
        Route("/conn/{name}", ConnHandler, parts),
        Route("/conn/{name}/browse/{path}", BrowseHandler, parts, greedy=True),
        Route("/dataset/{conn}", RegisterHandler, moving),
        Route("/dataset/{conn}/{perm_id}", DatasetHandler, parts),
        Route("/dataset/{conn}/{perm_id}/{path}", DownloadHandler, moving, greedy=True),
        Route("/requirements", RequirementsHandler),
        Route("/environment/{kernel_id}", EnvironmentHandler, {"ask_kernel": ask_kernel}),
        Route("/transfers", TransfersHandler, moving),
        Route("/transfers/{transfer_id}", TransferHandler, moving),
        Route("/transfers/{transfer_id}/pause", PauseHandler, moving),
        Route("/transfers/{transfer_id}/resume", ResumeHandler, moving),
        Route("/content/{conn}/{perm_id}/{file}", ContentHandler, parts, greedy=True),
        Route("/datasetTypes/{conn}", DatasetTypesHandler, parts),
        Route("/sample/{conn}/{identifier}", SampleHandler, parts, greedy=True),
        *(compat.routes(moving) if openbis_compat else ()),
    ]
