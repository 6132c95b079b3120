"""jupyter-openbis-server's own routes, so that its front ends run unmodified (`openbis_compat`).

They answer as its version 0.5.0 does, byte for byte, as recorded in
tests/vectors/openbis-server.json. Only openBIS connections are shown. Deliberate differences:
answers have a new data set's `permId`; errors do not repeat a password; requests without
permission (XSRF, the authorizer, paths outside of the server's folders, other file names than
those of requirements) are refused; and errors that it did not handle have a status of their own.
"""

from __future__ import annotations

from typing import Any

from jupyter_bridge.connections.handlers.compat.conns import CompatConn, CompatConns
from jupyter_bridge.connections.handlers.compat.data import (
    CompatDownload,
    CompatRequirements,
    CompatSample,
    CompatTypes,
    CompatUpload,
)
from jupyter_bridge.web import Route


def routes(moving: dict[str, Any]) -> list[Route]:
    """Return the routes, below the server's base URL; `moving` are those of transfer routes."""
    return [
        Route("/openbis/conns", CompatConns, moving, top=""),
        Route("/openbis/conn/{name}", CompatConn, moving, top=""),
        Route("/openbis/dataset/{conn}", CompatUpload, moving, top=""),
        Route(
            "/openbis/dataset/{conn}/{perm_id}/{path}", CompatDownload, moving, greedy=True, top=""
        ),
        Route("/openbis/datasetTypes/{conn}", CompatTypes, moving, top=""),
        Route("/openbis/sample/{conn}/{identifier}", CompatSample, moving, greedy=True, top=""),
        Route("/requirements", CompatRequirements, top=""),
    ]
