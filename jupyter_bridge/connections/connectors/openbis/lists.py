"""The lists of openBIS, in the formats of this bridge and of jupyter-openbis-server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jupyter_bridge.connections.connectors.openbis.api import Api
from jupyter_bridge.connections.connectors.openbis.models import (
    AssignedProperty,
    DataSet,
    DataSetFile,
    DataSetType,
    Entity,
    Page,
    PhysicalData,
    PropertyType,
    perm_id_of,
)
from jupyter_bridge.models.datasets import DatasetType, File, Item, PropertyAssignment
from jupyter_bridge.problems import NotFound
from jupyter_bridge.transport.answers import LISTS
from jupyter_bridge.wire.openbis import rpc

# The longest list; a larger collection needs a search.
MAX_ITEMS = 1000


# -- files -------------------------------------------------------------------------------------


def files(listed: list[DataSetFile]) -> list[File]:
    """Return the files of a data set, and its empty folders."""
    found, parents = [], set[str]()
    for one in listed:
        path = one.path or ""
        while path := path.rpartition("/")[0]:
            if path in parents:
                break
            parents.add(path)
    for one in listed:
        path = one.path or ""
        if not one.directory:
            found.append(_file(path, one))
        elif path and path not in parents:
            found.append(File(path, directory=True))
    return found


def _file(path: str, one: DataSetFile) -> File:
    size, crc32 = one.fileLength or 0, one.checksumCRC32
    # Java's int is signed, and 0 may mean unknown.
    known = crc32 & 0xFFFFFFFF if crc32 is not None and (crc32 or not size) else None
    kind = (one.checksumType or "").upper().replace("-", "")
    digest = (one.checksum or "").rpartition(":")[2].lower()
    is_sha256 = kind == "SHA256" and len(digest) == 64
    return File(path, size, crc32=known, sha256=digest if is_sha256 else None)


# -- data sets ---------------------------------------------------------------------------------


async def datasets_of(api: Api, identifier: str, start: int, count: int) -> dict[str, Any]:
    """Return a page of the data sets of a sample, or else of an experiment."""
    page: Page[DataSet] = Page()
    options = rpc.data_set_options(**{"from": start, "count": count})
    field = "identifier" if "/" in identifier else "permId"
    value = "/" + identifier.strip("/").upper() if field == "identifier" else identifier
    for kind in ("sample", "experiment"):
        named = rpc.search(f"{kind}.{kind.capitalize()}", rpc.where(field, value))
        criteria = rpc.search("dataset.DataSet", named)
        page = await api.ask(Page[DataSet], "searchDataSets", criteria, options, limit=LISTS)
        if page.totalCount:
            break
    return {
        "dataSets": [about(one) for one in page.found],
        "start_with": str(start),
        "count": str(count),
        "totalCount": page.totalCount or 0,
    }


def about(one: DataSet) -> dict[str, Any]:
    """Return one data set, with the keys of jupyter-openbis-server."""
    physical = one.physicalData or PhysicalData()
    return {
        "permId": one.code,
        "type": one.type and one.type.code,
        "sample": one.sample.name if one.sample else "",
        "experiment": one.experiment.name if one.experiment else "",
        "registrationDate": _date(one.registrationDate),
        "modificationDate": _date(one.modificationDate),
        "size": physical.size,
        "status": physical.status,
        "presentInArchive": physical.presentInArchive,
        "location": physical.location,
        "$NAME": (one.properties or {}).get("$NAME", ""),
    }


def _date(milliseconds: int | None) -> str:
    """Return a time in the server's time zone, to the second, as older clients show it."""
    if milliseconds is None:
        return ""
    try:
        when = datetime.fromtimestamp(round(milliseconds / 1000))  # noqa: DTZ006
    except (ValueError, OverflowError, OSError):
        return ""  # a year that no calendar has
    return when.strftime("%Y-%m-%d %H:%M:%S")


async def dataset_types(api: Api) -> list[DatasetType]:
    """Return all types of data sets with their properties, in one call."""
    criteria = rpc.search("dataset.DataSetType")
    options = rpc.data_set_type_options()
    page = await api.ask(Page[DataSetType], "searchDataSetTypes", criteria, options, limit=LISTS)
    return [_type(one) for one in page.found]


def _type(one: DataSetType) -> DatasetType:
    return DatasetType(
        permId=perm_id_of(one.permId) or one.code,
        code=one.code or "",
        description=one.description,
        mainDataSetPattern=one.mainDataSetPattern,
        mainDataSetPath=one.mainDataSetPath,
        disallowDeletion=one.disallowDeletion,
        modificationDate=_date(one.modificationDate),
        validationPlugin=one.validationPlugin.name if one.validationPlugin else None,
        propertyAssignments=[_property(each) for each in one.propertyAssignments or []],
    )


def _property(one: AssignedProperty) -> PropertyAssignment:
    kind = one.propertyType or PropertyType()
    return PropertyAssignment(
        code=kind.code or "",
        mandatory=one.mandatory,
        ordinal=one.ordinal,
        section=one.section,
        label=kind.label,
        description=kind.description,
        dataType=kind.dataType,
        terms=None if kind.vocabulary is None else kind.vocabulary.terms or [],
    )


# -- browsing ----------------------------------------------------------------------------------


async def browse(api: Api, path: str) -> list[Item]:
    """List spaces; projects of a space; collections and objects of a project; their data sets."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return _items(await _search(api, "space.Space"), "space")
    if len(parts) == 1:
        inside = rpc.search("space.Space", rpc.where("code", parts[0]))
        return _items(await _search(api, "project.Project", inside), "project")
    if len(parts) == 2:
        space = rpc.search("space.Space", rpc.where("code", parts[0]))
        project = rpc.search("project.Project", rpc.where("code", parts[1]), space)
        experiments = await _search(api, "experiment.Experiment", project)
        samples = await _search(api, "sample.Sample", project)
        return _items(experiments, "experiment") + _items(samples, "sample")
    if len(parts) > 3:
        raise NotFound(f"openBIS has nothing at {path}.", path=path)
    page = await datasets_of(api, path, 0, MAX_ITEMS)
    return [
        Item(
            name=str(one["$NAME"] or one["permId"]),
            path=f"{path.strip('/')}/{one['permId']}",
            kind="dataset",
            permId=one["permId"],
            size=one["size"],
            info={"type": one["type"], "status": one["status"], "since": one["registrationDate"]},
        )
        for one in page["dataSets"]
    ]


async def _search(api: Api, kind: str, *criteria: dict[str, Any]) -> list[Entity]:
    _, _, name = kind.partition(".")
    options = rpc.fetch(kind, **{"from": 0, "count": MAX_ITEMS})
    found = rpc.search(kind, *criteria)
    return (await api.ask(Page[Entity], f"search{name}s", found, options, limit=LISTS)).found


def _items(found: list[Entity], kind: str) -> list[Item]:
    items = []
    for one in found:
        code = one.code or ""
        items.append(Item(name=code, path=one.name.strip("/") or code, kind=kind))
    return sorted(items, key=lambda item: item.name)
