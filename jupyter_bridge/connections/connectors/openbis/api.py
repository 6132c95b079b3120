"""The calls of the openBIS connector under one token, with openBIS's errors as Problems."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.connections.connector import Expired
from jupyter_bridge.connections.connectors.openbis.models import DataStore, Page
from jupyter_bridge.connections.net.outbound import ANSWER_SECONDS, Outbound
from jupyter_bridge.problems import (
    Denied,
    NeedsLogin,
    NotFound,
    Problem,
    RemoteFailed,
    TooLarge,
    Unavailable,
)
from jupyter_bridge.transport.answers import NAMES, RemoteAnswer, off_loop, sentence
from jupyter_bridge.wire.openbis import rpc
from jupyter_bridge.wire.openbis.rpc import FormError, RpcError

# Registering a data set moves its files into the store, which can take minutes.
REGISTER_SECONDS = 600.0
_VERSION = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})")

T = TypeVar("T")


class Api:
    """openBIS under one token; `server` is its description, after a login."""

    def __init__(self, outbound: Outbound, url: str) -> None:
        self.outbound = outbound
        self.url = url.rstrip("/").removesuffix("/openbis")
        self.token: str | None = None
        self.version = (3, 0)
        self.server: dict[str, str] = {}
        self._store: str | None = None
        self._later = TaskSet()
        self._twin_of: tuple[Api, asyncio.AbstractEventLoop] | None = None

    async def apart(self, work: Callable[[Api], Coroutine[Any, Any, None]]) -> None:
        """As Outbound.apart; `work` gets an Api with the present token."""
        loop = asyncio.get_running_loop()

        async def under(outbound: Outbound) -> None:
            twin = Api(outbound, self.url)
            twin.token, twin.version, twin.server = self.token, self.version, self.server
            twin._store, twin._twin_of = self._store, (self, loop)
            await work(twin)

        await self.outbound.apart(under)

    def later(self, call: Callable[[Outbound], Coroutine[Any, Any, Any]]) -> None:
        """Make this call in the background, and ignore its outcome."""
        if self._twin_of is not None:
            first, loop = self._twin_of
            loop.call_soon_threadsafe(first.later, call)
            return

        async def quietly() -> None:
            with suppress(Exception):
                await call(self.outbound)

        self._later.start(quietly())

    async def close(self) -> None:
        """Cancel the calls in the background; the session stays."""
        await self._later.stop()

    async def login(self, user: str, password: str) -> str | None:
        """Return a session token; None if openBIS refuses the name and the password."""
        url = self.url + rpc.AS_V3
        token: str | None = await self._post(url, str | None, "login", user, password)
        return token

    async def enter(self, token: str) -> None:
        """Use this token from now on, and read the server's description."""
        self.token = token
        information = await self.ask(dict[str, str | None], "getServerInformation")
        self.server = {name: value for name, value in information.items() if value is not None}
        version = _VERSION.match(self.server.get("api-version", "3.0"))
        if version is None:
            raise RemoteFailed(f"{self.url} names no API version.")
        self.version = (int(version[1]), int(version[2]))

    async def is_active(self, token: str | None) -> bool:
        if token is None:
            return False
        url = self.url + rpc.AS_V3
        return await self._post(url, bool | None, "isSessionActive", token) is True

    async def ask(self, into: type[T], method: str, *params: Any, limit: int = NAMES) -> T:
        """Return the application server's answer to one call under the token, as `into`."""
        url = self.url + rpc.AS_V3
        return cast(T, await self._post(url, into, method, self.held, *params, limit=limit))

    async def ask_maybe(
        self, into: type[T], method: str, *params: Any, limit: int = NAMES
    ) -> T | None:
        """As `ask`, but the answer may be null: None."""
        kind: Any = into | None
        return cast("T | None", await self.ask(kind, method, *params, limit=limit))

    async def ask_v1(self, into: type[T], method: str, *params: Any) -> T:
        url = self.url + rpc.AS_V1
        seconds = REGISTER_SECONDS
        return cast(T, await self._post(url, into, method, self.held, *params, timeout=seconds))

    async def ask_store(
        self,
        into: type[T],
        method: str,
        *params: Any,
        store: str | None = None,
        timeout: float = ANSWER_SECONDS,
        limit: int = NAMES,
        plain: bool = False,
    ) -> T:
        """As `ask`, of a data store server: the one at `store`, else the first."""
        url = (store or await self.store()) + rpc.DSS_V3
        how: dict[str, Any] = {"timeout": timeout, "limit": limit, "plain": plain}
        return cast(T, await self._post(url, into, method, self.held, *params, **how))

    async def store(self) -> str:
        """Return the URL of the data store for uploads."""
        if self._store is None:
            criteria = rpc.search("datastore.DataStore")
            options = rpc.fetch("datastore.DataStore")
            found = await self.ask(Page[DataStore], "searchDataStores", criteria, options)
            if not found.objects:
                raise RemoteFailed(f"{self.url} has no data store.")
            self._store = store_url(found.objects[0])
        return self._store

    @property
    def held(self) -> str:
        if self.token is None:
            raise Expired("There is no session.")
        return self.token

    def mark(self, salt: str) -> str:
        """Return a digest that tells this token from others without revealing it."""
        return hashlib.sha256(f"{salt} {self.held}".encode()).hexdigest()[:12]

    async def judge(self, answer: RemoteAnswer, what: str) -> Problem:
        """Return the Problem of an answer other than 200; checks whether the session is over."""
        if answer.status == 413:
            return TooLarge(f"A proxy before {self.url} refuses a request of this size.")
        if answer.status == 404:
            return NotFound(f"{self.url} has no {what}.")
        if answer.status in (502, 503, 504):
            return Unavailable(f"{self.url} answers {answer.status}.", remote_status=answer.status)
        if not await self.is_active(self.token):
            return Expired("The openBIS session has ended.")
        if answer.status in (401, 403):
            return Denied(f"openBIS refuses this user the {what}.")
        return RemoteFailed(
            f"{self.url} answers {answer.status} for {what}.", remote_status=answer.status
        )

    async def _post(
        self,
        url: str,
        into: Any,
        method: str,
        *params: Any,
        timeout: float = ANSWER_SECONDS,
        limit: int = NAMES,
        plain: bool = False,
    ) -> Any:
        body = rpc.build_call(method, *params)
        answer = await self.outbound.ask("POST", url, body=body, timeout=timeout, limit=limit)
        if answer.status in (502, 503, 504):
            raise Unavailable(f"{self.url} answers {answer.status}.", remote_status=answer.status)
        if answer.status != 200:
            raise RemoteFailed(
                f"{self.url} answers {answer.status} to {method}: is it an openBIS server?",
                remote_status=answer.status,
            )
        try:
            parse = partial(rpc.parse_answer, kind=into, limit=limit, plain=plain)
            return await off_loop(parse, answer.body)
        except RpcError as error:
            secret = {value for value in (*params, self.token) if isinstance(value, str)}
            raise _problem(error, method, secret) from None
        except FormError as error:
            raise RemoteFailed(f"{self.url} does not act as openBIS: {sentence(error)}") from None


def store_url(store: DataStore) -> str:
    """Return the address of a data store, without the path that only some servers include."""
    url = store.downloadUrl or store.remoteUrl or ""
    return url.rstrip("/").removesuffix("/datastore_server")


def _problem(error: RpcError, method: str, secret: set[str]) -> Problem:
    message = error.message
    for value in secret:
        # Servers repeat the token, and may repeat a password: remove them even from cut sentences.
        if value:
            message = message.replace(value, "…")
    message = sentence(message)
    if error.expired and method != "login":
        return Expired("The openBIS session has ended.")
    if "uthorization failure" in message or "no rights" in message:
        return Denied(f"openBIS does not allow it: {message}")
    if method == "login":
        return NeedsLogin(f"openBIS refuses the login: {message}")
    return RemoteFailed(f"openBIS answers {method} with an error: {message}")
