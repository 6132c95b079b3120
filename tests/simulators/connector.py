"""A connector with a simulated remote, which tests make slow, unreachable or expired."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import (
    Connector,
    Context,
    Expired,
    Fields,
    Login,
    Secret,
    WrongCredentials,
    to_fields,
)
from jupyter_bridge.connections.login_backoff import LoginBackoff
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.roles import CanBrowse
from jupyter_bridge.models.datasets import Item
from jupyter_bridge.problems import Problem

PASSWORD = "Sesame-0123-canary"


class DoubleFields(Fields):
    password: Secret | None = None
    token: Secret | None = None


class Remote:
    """The remote: `latency` in seconds, `broken` the Problem that every call raises."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.broken: Exception | None = None
        self.logins = 0
        self.logouts = 0
        self.probes = 0
        self.session = 0
        self.life: float | None = None

    def expire(self) -> None:
        self.session += 1

    async def answer(self) -> None:
        await asyncio.sleep(self.latency)
        if self.broken is not None:
            raise self.broken


class Double(Connector[DoubleFields], CanBrowse):
    kind = "double"
    title = "Double"
    fields_type = DoubleFields
    remote = Remote()
    session: int | None = None

    async def login(self) -> Login:
        self.remote.logins += 1
        await self.remote.answer()
        if self.fields.password != PASSWORD:
            raise WrongCredentials(self.context.name)
        self.session = self.remote.session
        life = self.remote.life
        if life is None:
            return Login()
        import time

        return Login(expires=time.time() + life)

    async def probe(self) -> None:
        self.remote.probes += 1
        await self._check()

    async def logout(self) -> None:
        self.remote.logouts += 1
        await self.remote.answer()

    async def browse(self, path: str) -> list[Item]:
        await self._check()
        return [Item("a", "a", "file")]

    async def _check(self) -> None:
        await self.remote.answer()
        if self.session != self.remote.session:
            raise Expired("The session is not valid.")


def connect(
    folder: Path,
    *,
    on_change: Callable[[Connection, str], None] | None = None,
    refusals: LoginBackoff | None = None,
    **given: Any,
) -> tuple[Connection, Remote]:
    """A connection with its own simulated remote."""
    context = Context("lab", Outbound(AddressPolicy()), folder, folder, logging.getLogger("test"))
    connector = Double(to_fields(Double, {"url": "double://lab", **given}), context)  # type: ignore[arg-type]
    connector.remote = Remote()
    connection = Connection("lab", connector, on_change=on_change, refusals=refusals)
    return connection, connector.remote


def browse(connection: Connection) -> Any:
    return connection.use(CanBrowse, lambda connector: connector.browse(""))


__all__ = ["PASSWORD", "Double", "Problem", "Remote", "browse", "connect"]
