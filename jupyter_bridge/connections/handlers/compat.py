"""jupyter-openbis-server's own routes, so that its front ends run unmodified (`openbis_compat`).

What they are answered is what its version 0.5.0 answers, byte for byte, as recorded in
tests/vectors/openbis-server.json. Only openBIS connections are shown. What differs on purpose:
a new data set's `permId` is told; a password is not repeated in an error; what may not be asked
(XSRF, the authorizer, paths outside of the server's folders, other file names than those of
requirements) is refused; and errors that it did not handle have a status of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
from tornado import web
from tornado.escape import json_encode

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import WrongCredentials
from jupyter_bridge.connections.environment import save
from jupyter_bridge.connections.handlers import transfers
from jupyter_bridge.connections.handlers.conns import log_in_soon
from jupyter_bridge.connections.handlers.data import PageQuery
from jupyter_bridge.connections.handlers.transfers import TransfersBase, problem_of
from jupyter_bridge.connections.roles import CanMount, CanRead, HasObjects
from jupyter_bridge.problems import BadRequest, Conflict, NotFound, Problem, RemoteFailed
from jupyter_bridge.web import BridgeHandler, Route, verb

KIND = "openbis"
# What a front end sends for a password that it was not told.
STARS = "******"


class Refused(Problem):
    """What jupyter-openbis-server answers itself: a status, and `reason` or a list of `errors`."""

    def __init__(self, status: int, reason: str = "", errors: Sequence[dict[str, str]] = ()):
        super().__init__(reason)
        self.status = status
        self.errors = list(errors)


class AddBody(msgspec.Struct):
    """A new connection; one of the same name is replaced. Whether TLS is needed is configured."""

    name: str
    url: str
    username: str | None = None
    password: str | None = None


class PutBody(msgspec.Struct):
    """Anything but mount, unmount and logout is a login."""

    action: str = ""
    username: str | None = None
    password: str | None = None

    def given(self) -> dict[str, str]:
        """What was filled in; stars stand for the password that is known."""
        given = {}
        if self.username is not None:
            given["username"] = self.username
        if self.password is not None and self.password != STARS:
            given["password"] = self.password
        return given


class UploadBody(msgspec.Struct):
    """A new data set of files below the server's root, their names quoted as in a URL."""

    files: list[str]
    type: str | None = None
    entityIdentifier: str | None = None  # noqa: N815
    parents: list[str] | None = None
    props: dict[str, Any] | None = None

    def how(self) -> transfers.UploadBody:
        """What the files become."""
        return transfers.UploadBody(self.type, self.parents or [], self.props or {})


class RequirementsBody(msgspec.Struct):
    """A text is saved where its name stands beside it."""

    notebook_path: str = ""
    requirements_list: str | None = None
    requirements_filename: str | None = None
    runtime: str | None = None
    runtime_filename: str | None = None


class CompatAnswers(BridgeHandler):
    """Answers and errors in jupyter-openbis-server's form."""

    def answer(self, answer: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self._answer = json_encode(answer).encode() if answer != "" else b""
        self.finish(self._answer)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        status, body = self._to_reply(error, status_code)
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        told: dict[str, Any] = {"reason": body["reason"]}
        if isinstance(error, Refused) and error.errors:
            told = {"errors": error.errors}
        web.RequestHandler.finish(self, json_encode(told))


class CompatHandler(CompatAnswers, TransfersBase):
    """What the routes of connections share."""

    async def openbis(self, name: str) -> Connection:
        """The connection; NotFound also where it is of another kind."""
        connection = await self.find(name)
        if connection.kind != KIND:
            raise NotFound(f"No such connection: {name}")
        return connection

    async def ready(self, name: str, missing: int = 404) -> Connection:
        """The connection, logged in."""
        try:
            connection = await self.openbis(name)
        except NotFound:
            raise Refused(missing, f"connection {name} was not found") from None
        try:
            await connection.ready(HasObjects)
        except Problem as problem:
            raise Refused(
                500, f"connection to {name} could not be established: {problem.message}"
            ) from problem
        return connection

    def info(self, connection: Connection) -> dict[str, Any]:
        model = self.model(connection)
        return {
            "name": model.name,
            "url": model.url,
            "status": model.status,
            "username": connection.fields.username,
            "password": STARS,
            "isMounted": model.isMounted,
            "mountpoint": model.mountpoint,
        }

    async def list_all(self) -> dict[str, Any]:
        await self.connections.loaded()
        found = [one for one in self.connections.list() if one.kind == KIND]
        return {
            "status": 200,
            "connections": [self.info(one) for one in found],
            "notebook_dir": self.root_dir,
        }


class CompatConns(CompatHandler):
    @verb("read", "List the openBIS connections, as jupyter-openbis-server does")
    async def get(self) -> dict[str, Any]:
        return await self.list_all()

    @verb("write", "Add an openBIS connection, as jupyter-openbis-server does", body=AddBody)
    async def post(self, body: AddBody) -> dict[str, Any]:
        given: dict[str, Any] = {"url": body.url}
        if body.username is not None:
            given["username"] = body.username
        if body.password not in (None, STARS):
            given["password"] = body.password
        await self.replace(body.name)
        connection = await self.connections.add(body.name, KIND, given)
        await self.tell("add", connection, log_in_soon(connection))
        return await self.list_all()

    async def replace(self, name: str) -> None:
        """Make room for a connection of this name."""
        try:
            old = await self.find(name)
        except NotFound:
            return
        if old.kind != KIND:
            raise Conflict(f"There is a connection {name} already.")
        await self.tell("remove", old, self.connections.remove(name))


class CompatConn(CompatHandler):
    @verb("read", "Show an openBIS connection, as jupyter-openbis-server does")
    async def get(self, name: str) -> dict[str, Any]:
        connection = await self.openbis(name)
        # Spelled so over there, and read so by its front ends.
        return {"status": 200, "connection": self.info(connection), "noteboook_dir": self.root_dir}

    @verb("write", "Log in or out, mount or unmount, as there", body=PutBody)
    async def put(self, name: str, body: PutBody) -> dict[str, Any]:
        connection = await self.openbis(name)
        if body.action in ("mount", "unmount", "logout"):
            await self.tell(body.action, connection, self.act(connection, body))
            return {"status": 200, "connection": self.info(connection)}
        await self.tell("login", connection, self.login(connection, body))
        return {"status": 200, "connection": self.info(connection), "notebook_dir": self.root_dir}

    @verb("write", "Log out, unmount and forget, as there")
    async def delete(self, name: str) -> str:
        connection = await self.openbis(name)
        await self.tell("remove", connection, self.remove(name))
        return ""

    async def login(self, connection: Connection, body: PutBody) -> None:
        try:
            await connection.login(body.given())
        except WrongCredentials:
            raise
        except Problem as problem:
            raise Refused(500, "General Network Error") from problem

    async def act(self, connection: Connection, body: PutBody) -> None:
        try:
            if body.action == "mount":
                await self.mount(connection, body.given())
            elif body.action == "unmount":
                await self.mounts.unmount(connection.name)
            else:
                await connection.logout()
        except NotFound:
            reason = "Unmounting failed: please provide a mountpoint to unmount"
            raise Refused(500, reason) from None
        except Problem as problem:
            begun = {"mount": "Mounting", "unmount": "Unmounting"}.get(body.action, "logout")
            raise Refused(500, f"{begun} failed: {problem.message}") from problem

    async def mount(self, connection: Connection, given: dict[str, str]) -> None:
        if given:
            await connection.login(given)
        what = await connection.use(CanMount, lambda connector: connector.sshfs())
        resolve = connection.connector.context.outbound.addresses
        await self.mounts.mount(connection.name, what, resolve)

    async def remove(self, name: str) -> None:
        try:
            await self.mounts.unmount(name, lazy=True)
        except NotFound:
            pass  # it was not mounted
        await self.connections.remove(name)


class CompatDownload(CompatHandler):
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
            model = await transfer.wait()
            if model.state != "done":
                raise problem_of(model)
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
    @verb("write", "Register a data set, as jupyter-openbis-server does", body=UploadBody)
    async def post(self, conn: str, body: UploadBody) -> dict[str, Any]:
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
            model = await transfer.wait()
            if model.state != "done":
                raise problem_of(model)
        except Problem as problem:
            said = f"Error while saving the dataset: {problem.message}"
            raise Refused(500, errors=[{"save": said}]) from problem
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

    async def check_props(self, connection: Connection, body: UploadBody) -> list[dict[str, str]]:
        """What is wrong with the properties; Refused if there is no such type."""
        types = await connection.use(HasObjects, lambda one: one.dataset_types())
        of_type = [one for one in types if body.type in (one["code"], one["permId"])]
        if not of_type:
            reason = f"Error while creating the dataset: no such dataSetType: {body.type}"
            raise Refused(500, reason)
        known = {str(one["code"]).lower(): one for one in of_type[0]["propertyAssignments"]}
        errors, given = [], {name.lower(): value for name, value in (body.props or {}).items()}
        for name in body.props or {}:
            if name.lower() not in known:
                said = (
                    f"No such property: «{name.lower()}». Allowed properties are: "
                    f"{', '.join(known)}"
                )
                errors.append({f"prop.{name}": repr(said)})
        for name, one in known.items():
            if one["mandatory"] and given.get(name) in (None, ""):
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
        return {"dataSetTypes": types}


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

    @verb("write", "Save requirements, as jupyter-openbis-server does", body=RequirementsBody)
    async def post(self, body: RequirementsBody) -> str:
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


def routes(moving: dict[str, Any]) -> list[Route]:
    """All of them, below the server's base URL; `moving` is what transfer routes are handed."""
    return [
        Route("/openbis/conns", CompatConns, moving, top=""),
        Route("/openbis/conn/{name}", CompatConn, moving, top=""),
        Route("/openbis/dataset/{conn}", CompatUpload, moving, top=""),
        Route(
            "/openbis/dataset/{conn}/{perm_id}/{path}", CompatDownload, moving, greedy=True, top=""
        ),
        Route("/openbis/datasetTypes/{conn}", CompatTypes, moving, top=""),
        Route("/openbis/sample/{conn}/{identifier}", CompatSample, moving, greedy=True, top=""),
        Route("/requirements", CompatRequirements, top=""),
    ]


def _not_there(paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if not path.is_file()]
