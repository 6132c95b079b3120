"""The objects of openBIS's V3 API by their own names, with the fields that are used.

A missing or null field is None. Other fields are ignored. References in place of objects were
resolved before (wire/openbis/rpc.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

import msgspec

from jupyter_bridge.models.datasets import Term

T = TypeVar("T")
# A time in milliseconds since the epoch, in the range of datetime: the years 1 to 9999.
Milliseconds = Annotated[int, msgspec.Meta(ge=-62_000_000_000_000, le=253_000_000_000_000)]
Size = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Page(msgspec.Struct, Generic[T]):
    """One page of a search's results; `totalCount` is of all pages."""

    objects: list[T] | None = None
    totalCount: int | None = None  # noqa: N815

    @property
    def found(self) -> list[T]:
        return self.objects or []


class DataStore(msgspec.Struct):
    code: str | None = None
    downloadUrl: str | None = None  # noqa: N815
    remoteUrl: str | None = None  # noqa: N815


class SessionInformation(msgspec.Struct):
    userName: str | None = None  # noqa: N815


class Token(msgspec.Struct):
    """A personal access token."""

    validToDate: Milliseconds | None = None  # noqa: N815


class PermId(msgspec.Struct):
    permId: str  # noqa: N815


class Identifier(msgspec.Struct):
    identifier: str | None = None


class Entity(msgspec.Struct):
    """A space, a project, a sample, an experiment."""

    code: str | None = None
    permId: PermId | str | None = None  # noqa: N815
    identifier: Identifier | None = None

    @property
    def name(self) -> str:
        """The identifier, "" if there is none."""
        return (self.identifier and self.identifier.identifier) or ""


class EntityType(msgspec.Struct):
    code: str | None = None


class PhysicalData(msgspec.Struct):
    size: int | None = None
    status: str | None = None
    presentInArchive: bool | None = None  # noqa: N815
    location: str | None = None


class DataSet(msgspec.Struct):
    code: str | None = None
    kind: str | None = None
    type: EntityType | None = None
    sample: Entity | None = None
    experiment: Entity | None = None
    dataStore: DataStore | None = None  # noqa: N815
    physicalData: PhysicalData | None = None  # noqa: N815
    registrationDate: Milliseconds | None = None  # noqa: N815
    modificationDate: Milliseconds | None = None  # noqa: N815
    properties: dict[str, Any] | None = None


class DataSetFile(msgspec.Struct):
    path: str | None = None
    directory: bool | None = None
    fileLength: Size | None = None  # noqa: N815
    checksumCRC32: int | None = None  # noqa: N815
    checksumType: str | None = None  # noqa: N815
    checksum: str | None = None


class Plugin(msgspec.Struct):
    name: str | None = None


class Vocabulary(msgspec.Struct):
    terms: list[Term] | None = None


class PropertyType(msgspec.Struct):
    code: str | None = None
    label: str | None = None
    description: str | None = None
    dataType: str | None = None  # noqa: N815
    vocabulary: Vocabulary | None = None


class AssignedProperty(msgspec.Struct):
    mandatory: bool | None = None
    ordinal: int | None = None
    section: str | None = None
    propertyType: PropertyType | None = None  # noqa: N815


class DataSetType(msgspec.Struct):
    code: str | None = None
    permId: PermId | str | None = None  # noqa: N815
    description: str | None = None
    mainDataSetPattern: str | None = None  # noqa: N815
    mainDataSetPath: str | None = None  # noqa: N815
    disallowDeletion: bool | None = None  # noqa: N815
    modificationDate: Milliseconds | None = None  # noqa: N815
    validationPlugin: Plugin | None = None  # noqa: N815
    propertyAssignments: list[AssignedProperty] | None = None  # noqa: N815


class FastSession(msgspec.Struct):
    """The address and the user session of a fast download."""

    downloadUrl: str  # noqa: N815
    fileTransferUserSessionId: str  # noqa: N815


class Cell(msgspec.Struct):
    value: str | int | None = None


class TableReport(msgspec.Struct):
    """The table in the answer of an old server's aggregation service."""

    rows: list[list[Cell]]


def perm_id_of(value: PermId | str | None) -> str | None:
    """Return the permId that openBIS sent as an object or as a string."""
    return value.permId if isinstance(value, PermId) else value
