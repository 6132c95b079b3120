"""The openBIS connector's line: calls under one token, with openBIS's errors as Problems."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from jupyter_bridge.connections.connector import Expired
from jupyter_bridge.connections.outbound import ANSWER_SECONDS, Answer, Outbound
from jupyter_bridge.problems import (
    Denied,
    NeedsLogin,
    NotFound,
    Problem,
    RemoteFailed,
    TooLarge,
    Unavailable,
)
from jupyter_bridge.wire import openbis
from jupyter_bridge.wire.openbis import FormError, RpcError

# Registering a data set moves its files into the store; large ones have needed minutes.
REGISTER_SECONDS = 600.0
# A remote's own sentence is shown up to here; Java adds its stack.
MAX_SENTENCE = 300


class Api:
    """openBIS under one token; `server` tells what it is, after a login."""

    def __init__(self, outbound: Outbound, url: str) -> None:
        self.outbound = outbound
        self.url = url.rstrip("/").removesuffix("/openbis")
        self.token: str | None = None
        self.version = (3, 0)
        self.server: dict[str, str] = {}
        self._store: str | None = None
        self._later: set[asyncio.Task[Any]] = set()
        self._twin_of: tuple[Api, asyncio.AbstractEventLoop] | None = None

    async def apart(self, work: Callable[[Api], Coroutine[Any, Any, None]]) -> None:
        """As Outbound.apart; `work` is given the same under the token of now."""
        loop = asyncio.get_running_loop()

        async def under(outbound: Outbound) -> None:
            twin = Api(outbound, self.url)
            twin.token, twin.version, twin.server = self.token, self.version, self.server
            twin._store, twin._twin_of = self._store, (self, loop)
            await work(twin)

        await self.outbound.apart(under)

    def later(self, call: Callable[[Outbound], Coroutine[Any, Any, Any]]) -> None:
        """Make this call beside; what comes of it interests nobody."""
        if self._twin_of is not None:
            first, loop = self._twin_of
            loop.call_soon_threadsafe(first.later, call)
            return
        task = asyncio.ensure_future(call(self.outbound))
        self._later.add(task)
        task.add_done_callback(self._on_later)

    def _on_later(self, task: asyncio.Task[Any]) -> None:
        self._later.discard(task)
        if not task.cancelled():
            task.exception()

    async def close(self) -> None:
        """End what is still under way; the session stays."""
        tasks = list(self._later)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def login(self, user: str, password: str) -> str | None:
        """A session token; None if openBIS does not take the name and the password."""
        token = await self._post(self.url + openbis.AS_V3, "login", user, password)
        return token if isinstance(token, str) else None

    async def enter(self, token: str) -> None:
        """Use this token from now on, and learn what the server is."""
        self.token = token
        self.server = await self.ask("getServerInformation")
        major, _, minor = str(self.server.get("api-version", "3.0")).partition(".")
        try:
            self.version = (int(major), int(minor.partition(".")[0]))
        except ValueError:
            raise RemoteFailed(f"{self.url} names no API version.") from None

    async def is_active(self, token: str | None) -> bool:
        if token is None:
            return False
        return await self._post(self.url + openbis.AS_V3, "isSessionActive", token) is True

    async def ask(self, method: str, *params: Any) -> Any:
        """The application server's answer to one call under the token."""
        return await self._post(self.url + openbis.AS_V3, method, self.held, *params)

    async def ask_v1(self, method: str, *params: Any) -> Any:
        url = self.url + openbis.AS_V1
        return await self._post(url, method, self.held, *params, timeout=REGISTER_SECONDS)

    async def ask_store(
        self, method: str, *params: Any, store: str | None = None, timeout: float = ANSWER_SECONDS
    ) -> Any:
        """The same of a data store server: the one at `store`, else the first."""
        url = (store or await self.store()) + openbis.DSS_V3
        return await self._post(url, method, self.held, *params, timeout=timeout)

    async def store(self) -> str:
        """The URL of the data store that takes uploads."""
        if self._store is None:
            criteria = openbis.search("datastore.DataStore")
            found = await self.ask(
                "searchDataStores", criteria, openbis.fetch("datastore.DataStore")
            )
            stores = found.get("objects") or []
            if not stores:
                raise RemoteFailed(f"{self.url} has no data store.")
            self._store = store_url(stores[0])
        return self._store

    @property
    def held(self) -> str:
        if self.token is None:
            raise Expired("There is no session.")
        return self.token

    def mark(self, salt: str) -> str:
        """What tells this token from another and does not tell the token."""
        return hashlib.sha256(f"{salt} {self.held}".encode()).hexdigest()[:12]

    async def judge(self, answer: Answer, what: str) -> Problem:
        """The Problem that an answer which is not 200 means; asks whether the session is over."""
        if answer.status == 413:
            return TooLarge(f"The way to {self.url} does not let through so large a request.")
        if answer.status == 404:
            return NotFound(f"{self.url} has no {what}.")
        if answer.status in (502, 503, 504):
            return Unavailable(f"{self.url} answers {answer.status}.", remote_status=answer.status)
        if not await self.is_active(self.token):
            return Expired("The openBIS session has ended.")
        if answer.status in (401, 403):
            return Denied(f"openBIS does not give {what} to this user.")
        return RemoteFailed(
            f"{self.url} answers {answer.status} for {what}.", remote_status=answer.status
        )

    async def _post(
        self, url: str, method: str, *params: Any, timeout: float = ANSWER_SECONDS
    ) -> Any:
        body = openbis.build_call(method, *params)
        answer = await self.outbound.ask("POST", url, body=body, timeout=timeout)
        if answer.status in (502, 503, 504):
            raise Unavailable(f"{self.url} answers {answer.status}.", remote_status=answer.status)
        if answer.status != 200:
            raise RemoteFailed(
                f"{self.url} answers {answer.status} to {method}: is it an openBIS?",
                remote_status=answer.status,
            )
        try:
            return openbis.parse_answer(answer.body)
        except RpcError as error:
            secret = {value for value in (*params, self.token) if isinstance(value, str)}
            raise _problem(error, method, secret) from None
        except FormError as error:
            raise RemoteFailed(f"{self.url} does not speak openBIS: {error}") from None


def store_url(store: dict[str, Any]) -> str:
    """Where clients reach a data store: without the path that some servers name, some do not."""
    url = str(store.get("downloadUrl") or store.get("remoteUrl") or "")
    return url.rstrip("/").removesuffix("/datastore_server")


def _problem(error: RpcError, method: str, secret: set[str]) -> Problem:
    sentence = error.message[:MAX_SENTENCE]
    for value in secret:
        # Servers repeat the token, and could repeat a password.
        if value:
            sentence = sentence.replace(value, "…")
    if error.expired and method != "login":
        return Expired("The openBIS session has ended.")
    if "uthorization failure" in sentence or "no rights" in sentence:
        return Denied(f"openBIS does not allow it: {sentence}")
    if method == "login":
        return NeedsLogin(f"openBIS refuses the login: {sentence}")
    return RemoteFailed(f"openBIS answers {method} with an error: {sentence}")
