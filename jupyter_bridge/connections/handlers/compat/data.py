"""jupyter-openbis-server's data sets, types of data sets, objects, and requirements."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.environment import save
from jupyter_bridge.connections.handlers.compat.answers import CompatAnswers, CompatHandler, Refused
from jupyter_bridge.connections.handlers.data import PageQuery
from jupyter_bridge.connections.roles import CanRead, HasObjects
from jupyter_bridge.models.datasets import UploadBody
from jupyter_bridge.problems import BadRequest, NotFound, Problem, RemoteFailed
from jupyter_bridge.web import verb


class CompatUploadBody(msgspec.Struct):
    """A new data set of files below the server's root, with URL-quoted names."""

    files: list[str]
    type: str | None = None
    entityIdentifier: str | None = None  # noqa: N815
    parents: list[str] | None = None
    props: dict[str, Any] | None = None

    def how(self) -> UploadBody:
        """The data set that the files become."""
        return UploadBody(self.type, self.parents or [], self.props or {})


class CompatRequirementsBody(msgspec.Struct):
    """Texts to save, each with its file name beside it."""

    notebook_path: str = ""
    requirements_list: str | None = None
    requirements_filename: str | None = None
    runtime: str | None = None
    runtime_filename: str | None = None


class CompatDownload(CompatHandler):
    async def judge(self, **arguments: Any) -> None:
        await self.connections.loaded()
        await self.demand_transfer("download", arguments["conn"])

    @verb("write", "Download a data set, as jupyter-openbis-server does", proof=True)
    async def get(self, conn: str, perm_id: str, path: str | None = None) -> dict[str, Any]:
        connection = await self.ready(conn)
        target = await self.host_path(path or "")
        try:
            dataset = await connection.use(CanRead, lambda one: one.dataset(perm_id))
        except NotFound:
            raise Refused(404, f"No such dataSet found: {perm_id}") from None
        try:
            transfer = await self.download(connection, perm_id, target)
            await self.done(transfer)
        except Problem as problem:
            reason = f"Data for DataSet {perm_id} could not be downloaded: {problem.message}"
            raise Refused(500, reason) from problem
        place = str(target / dataset.permId)
        return {
            "url": connection.fields.url,
            "permId": dataset.permId,
            "path": place,
            "dataStore": dataset.dataStore,
            "location": dataset.location,
            "size": dataset.size,
            "files": [file.path for file in dataset.files],
            "statusText": f"Data for DataSet {dataset.permId} was successfully downloaded to: "
            f"{place}",
        }


class CompatUpload(CompatHandler):
    async def judge(self, **arguments: Any) -> None:
        await self.connections.loaded()
        await self.demand_transfer("upload", arguments["conn"])

    @verb("write", "Register a data set, as jupyter-openbis-server does", body=CompatUploadBody)
    async def post(self, conn: str, body: CompatUploadBody) -> dict[str, Any]:
        connection = await self.ready(conn)
        errors = await self.check_object(connection, body.entityIdentifier)
        names = [unquote(name) for name in body.files]
        paths = [await self.host_path(name) for name in names]
        missing = await asyncio.to_thread(_not_there, paths)
        errors += [{"file": f"File not found: {path}"} for path in missing]
        await self.check_parents(connection, body.parents or [])
        errors += await self.check_props(connection, body)
        if errors:
            raise Refused(500, errors=errors)
        try:
            transfer = await self.upload(conn, names, body.entityIdentifier or "", body.how())
            model = await self.done(transfer)
        except Problem as problem:
            message = f"Error while saving the dataset: {problem.message}"
            raise Refused(500, errors=[{"save": message}]) from problem
        return {
            "status": 200,
            "statusText": f"DataSet successfully registered: {conn} with permId: {model.permId}",
            "permId": model.permId,
        }

    async def check_object(
        self, connection: Connection, identifier: str | None
    ) -> list[dict[str, str]]:
        if not identifier:
            return [{"entityIdentifier": "please provide a sample or experiment identifier"}]
        try:
            await connection.use(HasObjects, lambda one: one.check_object(identifier))
        except NotFound:
            return [{"entityIdentifier": f"No such sample or experiment: {identifier}"}]
        return []

    async def check_parents(self, connection: Connection, parents: Sequence[str]) -> None:
        for parent in parents:

            async def look(connector: CanRead, parent: str = parent) -> None:
                await connector.dataset(parent)

            try:
                await connection.use(CanRead, look)
            except NotFound:
                reason = f"Error while creating the dataset: no such dataset found: {parent}"
                raise Refused(500, reason) from None

    async def check_props(
        self, connection: Connection, body: CompatUploadBody
    ) -> list[dict[str, str]]:
        """Return the errors of the properties; raise Refused if the type does not exist."""
        types = await connection.use(HasObjects, lambda one: one.dataset_types())
        of_type = [one for one in types if body.type in (one.code, one.permId)]
        if not of_type:
            reason = f"Error while creating the dataset: no such dataSetType: {body.type}"
            raise Refused(500, reason)
        known = {str(one.code).lower(): one for one in of_type[0].propertyAssignments}
        errors, given = [], {name.lower(): value for name, value in (body.props or {}).items()}
        for name in body.props or {}:
            if name.lower() not in known:
                message = (
                    f"No such property: «{name.lower()}». Allowed properties are: "
                    f"{', '.join(known)}"
                )
                errors.append({f"prop.{name}": repr(message)})
        for name, one in known.items():
            if one.mandatory and given.get(name) in (None, ""):
                errors.append({f"prop.{name}": "is mandatory"})
        return errors


class CompatTypes(CompatHandler):
    @verb("read", "List the types of data sets, as jupyter-openbis-server does")
    async def get(self, conn: str) -> dict[str, Any]:
        connection = await self.ready(conn)
        try:
            types = await connection.use(HasObjects, lambda one: one.dataset_types())
        except Problem as problem:
            reason = f"Could not fetch dataset-types: {problem.message}"
            raise Refused(500, reason) from problem
        return {"dataSetTypes": msgspec.to_builtins(types)}


class CompatSample(CompatHandler):
    @verb("read", "List data sets of an object, as jupyter-openbis-server does", query=PageQuery)
    async def get(self, conn: str, query: PageQuery, identifier: str | None = None) -> Any:
        connection = await self.ready(conn, 500)
        if not identifier or query.start_with < 0 or query.count < 1:
            raise BadRequest("start_with is 0 or more, count 1 or more, and an object is named.")
        page = await connection.use(
            HasObjects,
            lambda one: one.datasets_of(identifier, query.start_with, query.count),
        )
        if not isinstance(page.get("totalCount"), int):
            raise RemoteFailed("openBIS does not say how many data sets there are.")
        return {**page, "cwd": self.root_dir}


class CompatRequirements(CompatAnswers):
    resources = ("bridge:connections", "contents")

    @verb("write", "Save requirements, as jupyter-openbis-server does", body=CompatRequirementsBody)
    async def post(self, body: CompatRequirementsBody) -> str:
        files = {
            name: text
            for name, text in (
                (body.requirements_filename, body.requirements_list),
                (body.runtime_filename, body.runtime),
            )
            if name is not None and text is not None
        }
        await save(self.contents_manager, body.notebook_path, files)
        return ""


def _not_there(paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if not os.path.isfile(path)]
