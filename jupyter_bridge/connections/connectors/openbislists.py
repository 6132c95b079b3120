"""What openBIS lists, in the words of this bridge and of jupyter-openbis-server."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jupyter_bridge.connections.connectors.openbisapi import Api
from jupyter_bridge.connections.roles import File, Item
from jupyter_bridge.problems import NotFound
from jupyter_bridge.wire import openbis

# A collection with more is looked at with a search, not by browsing.
MAX_ITEMS = 1000


# -- files -------------------------------------------------------------------------------------


def files(listed: list[dict[str, Any]]) -> list[File]:
    """The files of a data set, and those of its folders that are empty."""
    found, parents = [], set[str]()
    for one in listed:
        path = str(one.get("path") or "")
        while path := path.rpartition("/")[0]:
            if path in parents:
                break
            parents.add(path)
    for one in listed:
        path = str(one.get("path") or "")
        if not one.get("directory"):
            found.append(_file(path, one))
        elif path and path not in parents:
            found.append(File(path, directory=True))
    return found


def _file(path: str, one: dict[str, Any]) -> File:
    size = int(one.get("fileLength") or 0)
    crc32 = one.get("checksumCRC32")
    # Java's int is signed, and 0 is also said where nobody knows.
    known = int(crc32) & 0xFFFFFFFF if isinstance(crc32, int) and (crc32 or not size) else None
    kind = str(one.get("checksumType") or "").upper().replace("-", "")
    digest = str(one.get("checksum") or "").rpartition(":")[2].lower()
    is_sha256 = kind == "SHA256" and len(digest) == 64
    return File(path, size, crc32=known, sha256=digest if is_sha256 else None)


# -- data sets ---------------------------------------------------------------------------------


async def datasets_of(api: Api, identifier: str, start: int, count: int) -> dict[str, Any]:
    """The data sets of a sample, or else of an experiment, one page."""
    page: dict[str, Any] = {}
    options = openbis.data_set_options(**{"from": start, "count": count})
    field = "identifier" if "/" in identifier else "permId"
    value = "/" + identifier.strip("/").upper() if field == "identifier" else identifier
    for kind in ("sample", "experiment"):
        named = openbis.search(f"{kind}.{kind.capitalize()}", openbis.where(field, value))
        criteria = openbis.search("dataset.DataSet", named)
        page = await api.ask("searchDataSets", criteria, options)
        if page.get("totalCount"):
            break
    return {
        "dataSets": [about(one) for one in page.get("objects") or []],
        "start_with": str(start),
        "count": str(count),
        "totalCount": int(page.get("totalCount") or 0),
    }


def about(one: dict[str, Any]) -> dict[str, Any]:
    """One data set, with the keys of jupyter-openbis-server."""
    physical = one.get("physicalData") or {}
    return {
        "permId": one.get("code"),
        "type": (one.get("type") or {}).get("code"),
        "sample": _identifier(one.get("sample")),
        "experiment": _identifier(one.get("experiment")),
        "registrationDate": _date(one.get("registrationDate")),
        "modificationDate": _date(one.get("modificationDate")),
        "size": physical.get("size"),
        "status": physical.get("status"),
        "presentInArchive": physical.get("presentInArchive"),
        "location": physical.get("location"),
        "$NAME": (one.get("properties") or {}).get("$NAME", ""),
    }


def _identifier(one: dict[str, Any] | None) -> str:
    return str(((one or {}).get("identifier") or {}).get("identifier") or "")


def _date(milliseconds: Any) -> str:
    """In the server's own time, to the second, as the older clients show it."""
    if not isinstance(milliseconds, int):
        return ""
    return datetime.fromtimestamp(round(milliseconds / 1000)).strftime("%Y-%m-%d %H:%M:%S")  # noqa: DTZ006


async def dataset_types(api: Api) -> list[dict[str, Any]]:
    """All types of data sets with their properties, asked for at once."""
    criteria = openbis.search("dataset.DataSetType")
    page = await api.ask("searchDataSetTypes", criteria, openbis.data_set_type_options())
    return [_type(one) for one in page.get("objects") or []]


def _type(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "permId": (one.get("permId") or {}).get("permId", one.get("code")),
        "code": one.get("code"),
        "description": one.get("description"),
        "mainDataSetPattern": one.get("mainDataSetPattern"),
        "mainDataSetPath": one.get("mainDataSetPath"),
        "disallowDeletion": one.get("disallowDeletion"),
        "modificationDate": _date(one.get("modificationDate")),
        "validationPlugin": (one.get("validationPlugin") or {}).get("name"),
        "propertyAssignments": [_property(each) for each in one.get("propertyAssignments") or []],
    }


def _property(one: dict[str, Any]) -> dict[str, Any]:
    kind = one.get("propertyType") or {}
    told = {
        "code": kind.get("code"),
        "mandatory": one.get("mandatory"),
        "ordinal": one.get("ordinal"),
        "section": one.get("section"),
        "label": kind.get("label"),
        "description": kind.get("description"),
        "dataType": kind.get("dataType"),
    }
    vocabulary = kind.get("vocabulary")
    if vocabulary:
        told["terms"] = [
            {key: term.get(key) for key in ("code", "label", "description", "official", "ordinal")}
            for term in vocabulary.get("terms") or []
        ]
    return told


# -- browsing ----------------------------------------------------------------------------------


async def browse(api: Api, path: str) -> list[Item]:
    """Spaces; projects of a space; collections and objects of a project; data sets of either."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return _items(await _search(api, "space.Space"), "space")
    if len(parts) == 1:
        inside = openbis.search("space.Space", openbis.where("code", parts[0]))
        return _items(await _search(api, "project.Project", inside), "project")
    if len(parts) == 2:
        space = openbis.search("space.Space", openbis.where("code", parts[0]))
        project = openbis.search("project.Project", openbis.where("code", parts[1]), space)
        experiments = await _search(api, "experiment.Experiment", project)
        samples = await _search(api, "sample.Sample", project)
        return _items(experiments, "experiment") + _items(samples, "sample")
    if len(parts) > 3:
        raise NotFound(f"openBIS has nothing at {path}.", path=path)
    page = await datasets_of(api, path, 0, MAX_ITEMS)
    return [
        Item(
            name=one["$NAME"] or one["permId"],
            path=f"{path.strip('/')}/{one['permId']}",
            kind="dataset",
            permId=one["permId"],
            size=one["size"],
            info={"type": one["type"], "status": one["status"], "since": one["registrationDate"]},
        )
        for one in page["dataSets"]
    ]


async def _search(api: Api, kind: str, *criteria: dict[str, Any]) -> list[dict[str, Any]]:
    _, _, name = kind.partition(".")
    options = openbis.fetch(kind, **{"from": 0, "count": MAX_ITEMS})
    page = await api.ask(f"search{name}s", openbis.search(kind, *criteria), options)
    return list(page.get("objects") or [])


def _items(found: list[dict[str, Any]], kind: str) -> list[Item]:
    items = []
    for one in found:
        code = str(one.get("code"))
        path = _identifier(one).strip("/") or code
        items.append(Item(name=code, path=path, kind=kind))
    return sorted(items, key=lambda item: item.name)
