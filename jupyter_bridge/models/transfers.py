"""Transfers: the body to start one, and the answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from jupyter_bridge.models.common import Answer, one_of
from jupyter_bridge.models.datasets import UploadBody


class TransferBody(UploadBody, kw_only=True):
    """The source and target of a transfer.

    A download writes the data set `permId` (or only its `files`) to `path`/`permId`. An upload
    makes `path` (and `files`, below the server's root) a data set of the object or folder `permId`.
    """

    connection: str
    direction: Literal["download", "upload"]
    permId: Annotated[str, msgspec.Meta(max_length=4096)] = ""  # noqa: N815
    path: str | None = None
    files: list[str] | None = None


class TransferModel(Answer):
    """A transfer: bytes, bytes per second, seconds; `created` in seconds since the epoch.

    `skipped` names the files that an upload leaves out: hidden files, unless the contents manager
    allows them, and the server's own folders. It has the first 100 names; `skippedMore` counts the
    others.
    """

    transfer: str
    connection: str
    direction: Annotated[str, one_of("download", "upload")]
    permId: str | None  # noqa: N815
    path: str
    state: Annotated[str, one_of("queued", "running", "paused", "done", "failed", "cancelled")]
    done: int
    total: int
    rate: float
    eta: float | None
    file: str | None
    files: int
    created: float
    problem: dict[str, Any] | None = None
    skipped: list[str] = []
    skippedMore: int = 0  # noqa: N815
