"""Connections and their kinds: the bodies to add, log in or mount, and the answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from jupyter_bridge.models.common import Answer, one_of


class AddConnectionBody(msgspec.Struct):
    """A new connection; the fields of its kind (GET kinds) are also allowed."""

    name: str
    url: str | None = None
    kind: str | None = None
    username: str | None = None
    password: str | None = None
    token: str | None = None
    remember: bool = False


class PutConnectionBody(msgspec.Struct):
    """The action; fields left out stay unchanged. Other secrets of the kind are also allowed.

    `host_key` accepts the host key for which an sftp login was refused.
    """

    action: Literal["login", "logout", "mount", "unmount"] = "login"
    username: str | None = None
    password: str | None = None
    token: str | None = None
    host_key: str | None = None
    mountpoint: str | None = None
    remember: bool | None = None


class Progress(msgspec.Struct, frozen=True):
    """The progress in percent, and the current step."""

    percent: int
    message: str


class ConnectionModel(Answer):
    """The known state of a connection, without asking the remote; secrets are never shown.

    `needs` names the fields that a login still requires; `can` its roles; `source` where it is
    configured; `progress` is set while it connects, if the remote reports it.
    """

    name: str
    kind: str
    url: str
    status: Annotated[str, one_of("connected", "not connected")]
    state: Annotated[
        str,
        one_of(
            "disconnected",
            "connecting",
            "connected",
            "expired",
            "unreachable",
            "forbidden",
            "failed",
        ),
    ]
    reason: str | None
    since: datetime
    username: str
    password: str
    has_secret: bool
    needs: list[str]
    can: list[str]
    source: str
    remembered: bool
    isMounted: bool  # noqa: N815
    mountpoint: str
    progress: Progress | None


class ReportModel(Answer):
    """An error in the configuration: `source` is a file and a line, or a trait."""

    source: str
    message: str


class ConnectionListModel(Answer):
    """All connections, the store of their secrets, and the errors in the configuration."""

    status: int
    connections: list[ConnectionModel]
    notebook_dir: str
    vault: str
    problems: list[ReportModel]


class OneConnectionModel(Answer):
    """One connection."""

    status: int
    connection: ConnectionModel
    notebook_dir: str


class KindModel(Answer):
    """A kind: `fields` is the JSON Schema of its form, or `problem` why the kind is unusable.

    `secret` names the fields that are never shown.
    """

    kind: str
    title: str
    fields: dict[str, Any] = {}
    secret: list[str] = []
    can: list[str] = []
    problem: str | None = None
