"""The kinds, the list of connections, and the actions on one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.connections.audit import Audit
from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Fields, host_paths_of, secrets_of
from jupyter_bridge.connections.mounts.registry import MountRegistry
from jupyter_bridge.connections.registry import ConnectionRegistry
from jupyter_bridge.connections.roles import CanBrowse, CanMount
from jupyter_bridge.models.connections import (
    AddConnectionBody,
    ConnectionListModel,
    ConnectionModel,
    KindModel,
    OneConnectionModel,
    PutConnectionBody,
    ReportModel,
)
from jupyter_bridge.models.datasets import Item
from jupyter_bridge.observe.events import Events
from jupyter_bridge.problems import BadRequest, NotFound, Problem
from jupyter_bridge.web import BridgeHandler, verb

T = TypeVar("T")

# How long adding a connection waits for its first login.
ADD_SECONDS = 10.0


class ConnectionHandler(BridgeHandler):
    """Base of the connection routes."""

    resources = ("bridge:connections",)

    def initialize(
        self,
        connections: ConnectionRegistry,
        mounts: MountRegistry,
        events: Events,
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

    async def find(self, name: str, action: str = "read") -> Connection:
        """Return the connection if the user may do `action` on its host resources, too."""
        await self.connections.loaded()
        connection = self.connections.get(name)
        await self.demand(action, *connection.connector.host_resources)
        return connection

    async def shown(self) -> list[Connection]:
        """Return the connections that the user may read."""
        await self.connections.loaded()
        found = self.connections.list()
        asked = {one.connector.host_resources for one in found}
        allowed = {one for one in asked if not one or await self.may("read", *one)}
        return [one for one in found if one.connector.host_resources in allowed]

    def model(self, connection: Connection) -> ConnectionModel:
        mount = self.mounts.get(connection.name)
        return connection.model(mount.mountpoint if mount else None)

    def others(self, body: type[msgspec.Struct]) -> dict[str, Any]:
        """Return the fields of a kind in the body, besides those of `body`."""
        given = self.read_body(dict[str, Any])
        return {k: v for k, v in given.items() if k not in body.__struct_fields__}

    async def listing(self) -> ConnectionListModel:
        return ConnectionListModel(
            status=200,
            connections=[self.model(connection) for connection in await self.shown()],
            notebook_dir=self.root_dir,
            vault=await self.connections.vault(),
            problems=[ReportModel(r.source, r.message) for r in self.connections.reports],
        )

    def one(self, connection: Connection) -> OneConnectionModel:
        return OneConnectionModel(200, self.model(connection), self.root_dir)

    async def audited(self, action: str, connection: Connection, doing: Awaitable[T]) -> T:
        """Return the result of `doing`; its user and outcome go to events and the audit log."""
        outcome = "failed"
        try:
            result = await doing
            outcome = "ok"
            return result
        except Problem as problem:
            outcome = problem.code
            raise
        finally:
            event = {
                "user": self.username,
                "connection": connection.name,
                "kind": connection.kind,
                "action": action,
                "outcome": outcome,
            }
            self.events.emit("connection_action", **event)
            await self.audit.write(**event)


class KindsHandler(ConnectionHandler):
    @verb("read", "List the kinds of connections and their fields", reply=list[KindModel])
    async def get(self) -> list[KindModel]:
        return await self.connections.kinds.models()


class ConnsHandler(ConnectionHandler):
    @verb("read", "List the connections", reply=ConnectionListModel)
    async def get(self) -> ConnectionListModel:
        return await self.listing()

    async def judge(self, **arguments: Any) -> None:
        body = arguments.get("body")
        if body is not None:
            given = self.fields_of(body)
            kind = await self.connections.kind_of(body.kind, given)
            await self.demand("read", *kind.host_resources, *host_files(kind.fields_type, given))

    def fields_of(self, body: AddConnectionBody) -> dict[str, Any]:
        return {
            **_given(body, ("url", "username", "password", "token")),
            **self.others(AddConnectionBody),
        }

    @verb(
        "write",
        "Add a connection and log in",
        body=AddConnectionBody,
        reply=ConnectionListModel,
        status=201,
        anew=ConnectionHandler.listing,
    )
    async def post(self, body: AddConnectionBody) -> ConnectionListModel:
        given = self.fields_of(body)
        connection = await self.connections.add(body.name, body.kind, given, remember=body.remember)
        await self.audited("add", connection, log_in_soon(connection))
        self.set_header("Location", self.link(f"/conn/{connection.name}"))
        return await self.listing()


class ConnHandler(ConnectionHandler):
    async def judge(self, **arguments: Any) -> None:
        connection = await self.find(arguments["name"])
        body = arguments.get("body")
        if body is not None:
            given = self.others(PutConnectionBody)
            await self.demand("read", *host_files(type(connection.fields), given))
            if body.action == "mount":
                await self.demand("write", "contents")

    @verb("read", "Show one connection", reply=OneConnectionModel)
    async def get(self, name: str) -> OneConnectionModel:
        return self.one(await self.find(name))

    @verb(
        "write", "Log in or out, mount or unmount", body=PutConnectionBody, reply=OneConnectionModel
    )
    async def put(self, name: str, body: PutConnectionBody) -> OneConnectionModel:
        connection = await self.find(name)
        given = {
            **_given(body, ("username", "password", "token", "host_key")),
            **self.others(PutConnectionBody),
        }
        _check_given(connection, given)
        await self.audited(body.action, connection, self.act(connection, body, given))
        return self.one(connection)

    @verb("write", "Log out, unmount and delete a connection", reply=ConnectionListModel)
    async def delete(self, name: str) -> ConnectionListModel:
        connection = await self.find(name)
        await self.audited("remove", connection, self.remove(connection))
        return await self.listing()

    async def act(
        self, connection: Connection, body: PutConnectionBody, given: dict[str, Any]
    ) -> None:
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
    @verb("read", "List the items at a path of a connection", reply=list[Item])
    async def get(self, name: str, path: str | None = None) -> None:
        connection = await self.find(name)
        inside = (path or "").strip("/")
        await self.answer_listing(
            await connection.use(CanBrowse, lambda connector: connector.browse(inside))
        )


def _given(body: msgspec.Struct, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(body, name)) is not None}


def host_files(kind: type[Fields], given: Iterable[str]) -> tuple[str, ...]:
    """Return the resources to demand if `given` has paths on the host: a key, a certificate."""
    return ("contents",) if host_paths_of(kind) & set(given) else ()


def _check_given(connection: Connection, given: Iterable[str]) -> None:
    """Raise BadRequest unless a login changes only the account, never the address."""
    fields = type(connection.fields)
    allowed = {"username", *secrets_of(fields), *connection.connector.login_fields}
    for name in given:
        if name not in allowed or name not in fields.__struct_fields__:
            raise BadRequest(f"{name}: a {connection.kind} login has no such field.", field=name)


async def log_in_soon(connection: Connection) -> None:
    """Log in if nothing is missing; the connection's state is the outcome."""
    if not connection.is_wanted:
        return
    with suppress(Problem, asyncio.TimeoutError):
        await within(ADD_SECONDS, connection.login())
