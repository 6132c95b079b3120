"""Data sets: what is at a connection, and what is sent and answered to move it."""

from __future__ import annotations

from typing import Any

from jupyter_bridge.models.common import Answer, Body


class Item(Answer):
    """One thing in a listing. `kind` is folder, file or dataset, or a word of the remote's own.

    `path` is what `browse` takes to look inside; `permId` what `dataset` takes, where there is a
    data set. `modified` is ISO 8601 UTC. `info` holds whatever else the remote tells.
    """

    name: str
    path: str
    kind: str
    permId: str | None = None  # noqa: N815
    size: int | None = None
    modified: str | None = None
    info: dict[str, Any] = {}


class File(Answer):
    """One file of a data set. A directory is listed only where it is empty.

    `crc32` is unsigned, `sha256` in hex; None where the remote does not say. `path` is as the
    remote says it: the transfer refuses what would leave its target.
    """

    path: str
    size: int = 0
    directory: bool = False
    crc32: int | None = None
    sha256: str | None = None


class Dataset(Answer, omit_defaults=False):
    """A data set and its files; `info` holds whatever else the remote tells."""

    permId: str  # noqa: N815
    files: list[File]
    type: str | None = None
    size: int | None = None
    dataStore: str | None = None  # noqa: N815
    location: str | None = None
    info: dict[str, Any] = {}


class Term(Answer, omit_defaults=False):
    """A word of a vocabulary."""

    code: str | None = None
    label: str | None = None
    description: str | None = None
    official: bool | None = None
    ordinal: int | None = None


class PropertyAssignment(Answer):
    """A property that data sets of a type have; `terms` are the values that it may have."""

    code: str
    mandatory: bool | None
    ordinal: int | None
    section: str | None
    label: str | None
    description: str | None
    dataType: str | None  # noqa: N815
    terms: list[Term] | None = None


class DatasetType(Answer):
    """A type of data sets, as jupyter-openbis-server tells it."""

    permId: str | None  # noqa: N815
    code: str
    description: str | None
    mainDataSetPattern: str | None  # noqa: N815
    mainDataSetPath: str | None  # noqa: N815
    disallowDeletion: bool | None  # noqa: N815
    modificationDate: str  # noqa: N815
    validationPlugin: str | None  # noqa: N815
    propertyAssignments: list[PropertyAssignment]  # noqa: N815


class TypesModel(Answer):
    """The types of data sets, as jupyter-openbis-server tells them."""

    dataSetTypes: list[DatasetType]  # noqa: N815


class UploadBody(Body):
    """What the uploaded file or folder becomes."""

    type: str | None = None
    parents: list[str] = []
    props: dict[str, Any] = {}


class RegisterBody(UploadBody, kw_only=True):
    """A new data set from files below the server's root."""

    files: list[str]
    entityIdentifier: str = ""  # noqa: N815


class DownloadedModel(Answer):
    """A data set that was brought here."""

    url: str
    permId: str  # noqa: N815
    path: str
    dataStore: str | None  # noqa: N815
    location: str | None
    size: int | None
    files: list[str]
    statusText: str  # noqa: N815
    transfer: str


class RegisteredModel(Answer):
    """A data set that was made."""

    status: int
    permId: str | None  # noqa: N815
    statusText: str  # noqa: N815
    transfer: str
