"""Data sets: the listings of a connection, and the bodies and answers to move data sets."""

from __future__ import annotations

from typing import Any

from jupyter_bridge.models.common import Answer, Body


# A listing may have 100,000 of these, which refer to nothing that refers to them.
class Item(Answer, gc=False):
    """An entry of a listing. `kind` is folder, file or dataset, or a word of the remote's own.

    `path` is the argument of `browse` for the entry's content; `permId` that of `dataset`, if the
    entry is a data set. `modified` is ISO 8601 UTC. `info` holds all other data of the remote.
    """

    name: str
    path: str
    kind: str
    permId: str | None = None  # noqa: N815
    size: int | None = None
    modified: str | None = None
    info: dict[str, Any] = {}


class File(Answer, gc=False):
    """A file of a data set. A directory is listed only if it is empty.

    `crc32` is unsigned, `sha256` in hex; None if the remote does not send it. `path` is as the
    remote sends it: the transfer refuses a path out of its target.
    """

    path: str
    size: int = 0
    directory: bool = False
    crc32: int | None = None
    sha256: str | None = None


class Dataset(Answer, omit_defaults=False):
    """A data set and its files; `info` holds all other data of the remote."""

    permId: str  # noqa: N815
    files: list[File]
    type: str | None = None
    size: int | None = None
    dataStore: str | None = None  # noqa: N815
    location: str | None = None
    info: dict[str, Any] = {}


class Term(Answer, omit_defaults=False):
    """A term of a vocabulary."""

    code: str | None = None
    label: str | None = None
    description: str | None = None
    official: bool | None = None
    ordinal: int | None = None


class PropertyAssignment(Answer):
    """A property of a data set type; `terms` are its allowed values."""

    code: str
    mandatory: bool | None
    ordinal: int | None
    section: str | None
    label: str | None
    description: str | None
    dataType: str | None  # noqa: N815
    terms: list[Term] | None = None


class DatasetType(Answer):
    """A type of data sets, in the form of jupyter-openbis-server."""

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
    """The types of data sets, in the form of jupyter-openbis-server."""

    dataSetTypes: list[DatasetType]  # noqa: N815


class UploadBody(Body):
    """The type, parents and properties of the new data set."""

    type: str | None = None
    parents: list[str] = []
    props: dict[str, Any] = {}


class RegisterBody(UploadBody, kw_only=True):
    """A new data set from files below the server's root."""

    files: list[str]
    entityIdentifier: str = ""  # noqa: N815


class DownloadedModel(Answer):
    """A downloaded data set."""

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
    """A registered data set."""

    status: int
    permId: str | None  # noqa: N815
    statusText: str  # noqa: N815
    transfer: str
