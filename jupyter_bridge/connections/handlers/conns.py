"""Kinds, the list of connections, and what is done to one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, Literal, TypeVar

import msgspec

from jupyter_bridge import observe
from jupyter_bridge.connections.audit import Audit
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connectionmodel import ConnectionModel
from jupyter_bridge.connections.connections import Connections
from jupyter_bridge.connections.connector import secrets_of
from jupyter_bridge.connections.kinds import KindModel
from jupyter_bridge.connections.mounts import Mounts
from jupyter_bridge.connections.roles import CanBrowse, CanMount, Item
from jupyter_bridge.problems import BadRequest, NotFound, Problem
from jupyter_bridge.web import BridgeHandler, verb

T = TypeVar("T")

# How long adding a connection waits for its first login; afterwards the list tells.
ADD_SECONDS = 10.0


class ReportModel(msgspec.Struct):
    """What is wrong with the configuration: `source` is a file and a line, or a trait."""

    source: str
    message: str


class ConnsModel(msgspec.Struct):
    """All connections, where their secrets are kept, and what is wrong with the configuration."""

    connections: list[ConnectionModel]
    notebook_dir: str
    vault: str
    problems: list[ReportModel]
    status: int = 200


class ConnModel(msgspec.Struct):
    """One connection."""

    connection: ConnectionModel
    notebook_dir: str
    status: int = 200


class AddBody(msgspec.Struct):
    """A new connection: besides these, the fields of its kind (GET kinds) stand here."""

    name: str
    url: str | None = None
    kind: str | None = None
    username: str | None = None
    password: str | None = None
    token: str | None = None
    remember: bool = False


class PutBody(msgspec.Struct):
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


class ConnectionHandler(BridgeHandler):
    """What the connection routes share."""

    resources = ("bridge:connections",)

    def initialize(
        self,
        connections: Connections,
        mounts: Mounts,
        events: observe.Events,
        audit: Audit,
        root_dir: str,
    ) -> None:
        self.connections = connections
        self.mounts = mounts
        self.events = events
        self.audit = audit
        self.root_dir = root_dir

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    async def find(self, name: str) -> Connection:
        await self.connections.loaded()
        return self.connections.get(name)

    def model(self, connection: Connection) -> ConnectionModel:
        mount = self.mounts.get(connection.name)
        return connection.model(mount.mountpoint if mount else None)

    def others(self, body: type[msgspec.Struct]) -> dict[str, Any]:
        """What stands in the body besides the fields of `body`: the fields of a kind."""
        given = msgspec.json.decode(self.request.body or b"{}", type=dict[str, Any])
        return {k: v for k, v in given.items() if k not in body.__struct_fields__}

    async def listing(self) -> ConnsModel:
        await self.connections.loaded()
        return ConnsModel(
            connections=[self.model(connection) for connection in self.connections.list()],
            notebook_dir=self.root_dir,
            vault=self.connections.vault,
            problems=[ReportModel(r.source, r.message) for r in self.connections.reports],
        )

    def one(self, connection: Connection) -> ConnModel:
        return ConnModel(self.model(connection), self.root_dir)

    async def tell(self, action: str, connection: Connection, doing: Awaitable[T]) -> T:
        """What doing it gives; who did it and how it ended goes to the events and the audit log."""
        outcome = "failed"
        try:
            result = await doing
            outcome = "ok"
            return result
        except Problem as problem:
            outcome = problem.code
            raise
        finally:
            told = {
                "user": self.username,
                "connection": connection.name,
                "kind": connection.kind,
                "action": action,
                "outcome": outcome,
            }
            self.events.emit("connection_action", **told)
            await self.audit.write(**told)


class KindsHandler(ConnectionHandler):
    @verb("read", "List the kinds of connections and what their forms ask", reply=list[KindModel])
    async def get(self) -> list[KindModel]:
        return await self.connections.kinds.models()


class ConnsHandler(ConnectionHandler):
    @verb("read", "List the connections", reply=ConnsModel)
    async def get(self) -> ConnsModel:
        return await self.listing()

    @verb("write", "Add a connection and log it in", body=AddBody, reply=ConnsModel, status=201)
    async def post(self, body: AddBody) -> ConnsModel:
        given = {**_given(body, ("url", "username", "password", "token")), **self.others(AddBody)}
        connection = await self.connections.add(body.name, body.kind, given, remember=body.remember)
        await self.tell("add", connection, log_in_soon(connection))
        self.set_header("Location", self.link(f"/conn/{connection.name}"))
        return await self.listing()


class ConnHandler(ConnectionHandler):
    @verb("read", "Show one connection", reply=ConnModel)
    async def get(self, name: str) -> ConnModel:
        return self.one(await self.find(name))

    @verb("write", "Log in or out, mount or unmount", body=PutBody, reply=ConnModel)
    async def put(self, name: str, body: PutBody) -> ConnModel:
        connection = await self.find(name)
        given = {
            **_given(body, ("username", "password", "token", "host_key")),
            **self.others(PutBody),
        }
        _check_given(connection, given)
        await self.tell(body.action, connection, self.act(connection, body, given))
        return self.one(connection)

    @verb("write", "Log out, unmount and forget a connection", reply=ConnsModel)
    async def delete(self, name: str) -> ConnsModel:
        connection = await self.find(name)
        await self.tell("remove", connection, self.remove(connection))
        return await self.listing()

    async def act(self, connection: Connection, body: PutBody, given: dict[str, Any]) -> None:
        if body.action == "login":
            await connection.login(given)
            if body.remember is not None:
                await self.connections.remember(connection, body.remember)
        elif body.action == "logout":
            await connection.logout()
        elif body.action == "mount":
            if given:
                await connection.login(given)
            what = await connection.use(CanMount, lambda connector: connector.sshfs())
            resolve = connection.connector.context.outbound.addresses
            await self.mounts.mount(connection.name, what, resolve, body.mountpoint)
        else:
            await self.mounts.unmount(connection.name)

    async def remove(self, connection: Connection) -> None:
        try:
            await self.mounts.unmount(connection.name, lazy=True)
        except NotFound:
            pass  # it was not mounted
        await self.connections.remove(connection.name)


class BrowseHandler(ConnectionHandler):
    @verb("read", "List what is at a path of a connection", reply=list[Item])
    async def get(self, name: str, path: str | None = None) -> list[Item]:
        connection = await self.find(name)
        inside = (path or "").strip("/")
        return await connection.use(CanBrowse, lambda connector: connector.browse(inside))


def _given(body: msgspec.Struct, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(body, name)) is not None}


def _check_given(connection: Connection, given: Iterable[str]) -> None:
    """A login changes who logs in, never where to."""
    fields = type(connection.fields)
    allowed = {"username", *secrets_of(fields), *connection.connector.login_fields}
    for name in given:
        if name not in allowed or name not in fields.__struct_fields__:
            raise BadRequest(f"{name}: a {connection.kind} login has no such field.", field=name)


async def log_in_soon(connection: Connection) -> None:
    """Log in if nothing is missing; what becomes of it the connection's state tells."""
    if not connection.is_wanted:
        return
    login = asyncio.ensure_future(connection.login())
    done, _ = await asyncio.wait({login}, timeout=ADD_SECONDS)
    if not done:
        login.cancel()  # the waiting, not the login itself
        await asyncio.wait({login})
    if not login.cancelled() and (error := login.exception()) and not isinstance(error, Problem):
        raise error
