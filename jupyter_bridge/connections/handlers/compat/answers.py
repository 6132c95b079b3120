"""Answers and errors in jupyter-openbis-server's form, and the connections it knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tornado import web
from tornado.escape import json_encode

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.handlers.transfers import TransfersBase
from jupyter_bridge.connections.roles import HasObjects
from jupyter_bridge.problems import NotFound, Problem
from jupyter_bridge.web import BridgeHandler

KIND = "openbis"
# A front end sends this for a password that it does not know.
STARS = "******"


class Refused(Problem):
    """An error as jupyter-openbis-server answers it: a status, `reason` or a list of `errors`."""

    def __init__(self, status: int, reason: str = "", errors: Sequence[dict[str, str]] = ()):
        super().__init__(reason)
        self.status = status
        self.errors = list(errors)


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
        content: dict[str, Any] = {"reason": body["reason"]}
        if isinstance(error, Refused) and error.errors:
            content = {"errors": error.errors}
        web.RequestHandler.finish(self, json_encode(content))


class CompatHandler(CompatAnswers, TransfersBase):
    """Base of the routes of connections."""

    async def openbis(self, name: str) -> Connection:
        """Return the connection; NotFound also if it is of another kind."""
        connection = await self.find(name)
        if connection.kind != KIND:
            raise NotFound(f"No such connection: {name}")
        return connection

    async def ready(self, name: str, missing: int = 404) -> Connection:
        """Return the connection, logged in."""
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
        found = [one for one in await self.shown() if one.kind == KIND]
        return {
            "status": 200,
            "connections": [self.info(one) for one in found],
            "notebook_dir": self.root_dir,
        }
