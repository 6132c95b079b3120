"""Connections and their kinds: what is sent to add, log in or mount one, and how they are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from jupyter_bridge.models.common import Answer, one_of


class AddConnectionBody(msgspec.Struct):
    """A new connection: besides these, the fields of its kind (GET kinds) stand here."""

    name: str
    url: str | None = None
    kind: str | None = None
    username: str | None = None
    password: str | None = None
    token: str | None = None
    remember: bool = False


class PutConnectionBody(msgspec.Struct):
    """What to do; what is left out stays as it is. Other secrets of the kind may stand here, too.

    `host_key` accepts the host key that an sftp login was refused for.
    """

    action: Literal["login", "logout", "mount", "unmount"] = "login"
    username: str | None = None
    password: str | None = None
    token: str | None = None
    host_key: str | None = None
    mountpoint: str | None = None
    remember: bool | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far something has come: percent, and what is being done."""

    percent: int
    message: str


class ConnectionModel(Answer):
    """A connection, as far as is known without asking the remote; secrets are only told to exist.

    `needs` are the fields without which a login cannot succeed; `can` the words of its roles;
    `source` where it is configured; `progress` is there while it connects, where the remote tells.
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
    """What is wrong with the configuration: `source` is a file and a line, or a trait."""

    source: str
    message: str


class ConnectionListModel(Answer):
    """All connections, where their secrets are kept, and what is wrong with the configuration."""

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
    """A kind: `fields` is the JSON Schema of its form, or `problem` why it cannot be used.

    `secret` names the fields that are written and never shown.
    """

    kind: str
    title: str
    fields: dict[str, Any] = {}
    secret: list[str] = []
    can: list[str] = []
    problem: str | None = None
