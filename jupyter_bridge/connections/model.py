"""A connection as the API shows it: what is known without asking the remote."""

from __future__ import annotations

import msgspec

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Progress
from jupyter_bridge.wire.times import to_iso


class ConnectionModel(msgspec.Struct):
    """A connection as the API shows it; secrets are only told to exist."""

    name: str
    kind: str
    url: str
    status: str
    state: str
    reason: str | None
    since: str
    username: str
    password: str
    has_secret: bool
    needs: list[str]
    can: list[str]
    source: str
    remembered: bool
    isMounted: bool = False  # noqa: N815
    mountpoint: str = ""
    progress: Progress | None = None  # while it is connecting, where the remote tells


def model_of(connection: Connection, mountpoint: str | None = None) -> ConnectionModel:
    """The model of a connection, and where it is mounted (None: nowhere); asks no remote."""
    connector, standing = connection.connector, connection.standing
    return ConnectionModel(
        name=connection.name,
        kind=connection.kind,
        url=connection.fields.url,
        status="connected" if standing.state == "connected" else "not connected",
        state=standing.state,
        reason=standing.reason or (connector.notice if standing.state == "connected" else None),
        since=to_iso(standing.since),
        username=connection.fields.username or "",
        password="******" if connection.has_secret else "",
        has_secret=connection.has_secret,
        needs=list(connector.needs),
        can=connection.can,
        source=connection.source,
        remembered=connection.remembered,
        isMounted=mountpoint is not None,
        mountpoint=mountpoint or "",
        progress=connector.progress if standing.state == "connecting" else None,
    )
