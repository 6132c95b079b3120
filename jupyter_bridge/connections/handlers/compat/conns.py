"""jupyter-openbis-server's connections: listed, added, logged in, mounted, removed."""

from __future__ import annotations

from typing import Any

import msgspec

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import WrongCredentials
from jupyter_bridge.connections.handlers.compat.answers import KIND, STARS, CompatHandler, Refused
from jupyter_bridge.connections.handlers.conns import log_in_soon
from jupyter_bridge.connections.roles import CanMount
from jupyter_bridge.problems import Conflict, NotFound, Problem
from jupyter_bridge.web import verb


class CompatAddBody(msgspec.Struct):
    """A new connection, which replaces one of the same name; the configuration decides on TLS."""

    name: str
    url: str
    username: str | None = None
    password: str | None = None


class CompatPutBody(msgspec.Struct):
    """Anything but mount, unmount and logout is a login."""

    action: str = ""
    username: str | None = None
    password: str | None = None

    def given(self) -> dict[str, str]:
        """Return the fields that are filled in; asterisks stand for the known password."""
        given = {}
        if self.username is not None:
            given["username"] = self.username
        if self.password is not None and self.password != STARS:
            given["password"] = self.password
        return given


class CompatConns(CompatHandler):
    @verb("read", "List the openBIS connections, as jupyter-openbis-server does")
    async def get(self) -> dict[str, Any]:
        return await self.list_all()

    @verb(
        "write",
        "Add an openBIS connection, as jupyter-openbis-server does",
        body=CompatAddBody,
        anew=CompatHandler.list_all,
    )
    async def post(self, body: CompatAddBody) -> dict[str, Any]:
        given: dict[str, Any] = {"url": body.url}
        if body.username is not None:
            given["username"] = body.username
        if body.password not in (None, STARS):
            given["password"] = body.password
        await self.replace(body.name)
        connection = await self.connections.add(body.name, KIND, given)
        await self.audited("add", connection, log_in_soon(connection))
        return await self.list_all()

    async def replace(self, name: str) -> None:
        """Make room for a connection of this name."""
        try:
            old = await self.find(name)
        except NotFound:
            return
        if old.kind != KIND:
            raise Conflict(f"There is a connection {name} already.")
        await self.audited("remove", old, self.connections.remove(name))


class CompatConn(CompatHandler):
    @verb("read", "Show an openBIS connection, as jupyter-openbis-server does")
    async def get(self, name: str) -> dict[str, Any]:
        connection = await self.openbis(name)
        # jupyter-openbis-server's spelling, which its front ends read.
        return {"status": 200, "connection": self.info(connection), "noteboook_dir": self.root_dir}

    async def judge(self, **arguments: Any) -> None:
        body = arguments.get("body")
        if body is not None and body.action == "mount":
            await self.demand("write", "contents")

    @verb("write", "Log in or out, mount or unmount, as jupyter-openbis-server", body=CompatPutBody)
    async def put(self, name: str, body: CompatPutBody) -> dict[str, Any]:
        connection = await self.openbis(name)
        if body.action in ("mount", "unmount", "logout"):
            await self.audited(body.action, connection, self.act(connection, body))
            return {"status": 200, "connection": self.info(connection)}
        await self.audited("login", connection, self.login(connection, body))
        return {"status": 200, "connection": self.info(connection), "notebook_dir": self.root_dir}

    @verb("write", "Log out, unmount and delete, as jupyter-openbis-server does")
    async def delete(self, name: str) -> str:
        connection = await self.openbis(name)
        await self.audited("remove", connection, self.remove(name))
        return ""

    async def login(self, connection: Connection, body: CompatPutBody) -> None:
        try:
            await connection.login(body.given())
        except WrongCredentials:
            raise
        except Problem as problem:
            raise Refused(500, "General Network Error") from problem

    async def act(self, connection: Connection, body: CompatPutBody) -> None:
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
