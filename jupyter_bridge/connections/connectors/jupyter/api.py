"""Calls of Jupyter's REST APIs (of a server or a hub), with errors as Problems."""

from __future__ import annotations

from types import NoneType
from typing import Any, TypeVar, cast

import msgspec

from jupyter_bridge.connections.connector import Connector, Expired
from jupyter_bridge.connections.net.outbound import MAX_FRAME
from jupyter_bridge.problems import (
    BadRequest,
    Conflict,
    Denied,
    NotFound,
    Problem,
    RemoteFailed,
    Unsupported,
)
from jupyter_bridge.transport.answers import NAMES, RemoteAnswer, sentence
from jupyter_bridge.transport.reconnect import Socket
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# A slow kernel (Spark, a cold container) may take minutes to start. Seconds.
_POST_SECONDS = 180.0
_SECONDS = 30.0
# The statuses of a proxy or a hub without a running server.
NOT_RUNNING = (424, 502, 503, 504)
_NO_SUBPROTOCOLS = (
    "A proxy in between drops the subprotocols of websockets (the configurable-http-proxy of PyPI "
    "does, that of npm does not): its consoles cannot be read, and kernels need more bytes."
)
T = TypeVar("T")

_KINDS: dict[int, type[Problem]] = {
    400: BadRequest,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    501: Unsupported,
}


# -- the fields of the answers that are used ---------------------------------------------------


class Identity(msgspec.Struct):
    username: str | None = None


class Me(msgspec.Struct):
    identity: Identity | None = None


class HubVersion(msgspec.Struct):
    """The answer that tells a hub from a server."""

    version: str


class HubUser(msgspec.Struct):
    name: str


class HubServer(msgspec.Struct):
    """A user's server on a hub. `pending` is the hub's current action on it: spawn, stop."""

    ready: bool = False
    pending: str | None = None
    url: str = ""


class HubServers(msgspec.Struct):
    servers: dict[str, HubServer] | None = None


class HubProgress(msgspec.Struct):
    """One progress event of a starting server."""

    progress: float = 0.0
    message: str = ""
    failed: bool = False
    ready: bool = False


class ListedTerminal(msgspec.Struct):
    name: str


class ListedKernel(msgspec.Struct):
    """A kernel model, of a server or of its bridge."""

    id: str
    name: str = ""
    kernelspec: str | None = None
    execution_state: str | None = None
    last_activity: str | None = None
    connections: int | None = None


class ListedSpec(msgspec.Struct):
    """A kernelspec; `spec` is its kernel.json."""

    name: str = ""
    spec: dict[str, Any] = {}
    resources: dict[str, str] = {}


class Kernelspecs(msgspec.Struct):
    default: str | None = None
    kernelspecs: dict[str, ListedSpec] = {}


class _Refusal(msgspec.Struct):
    message: str = ""


# -- calls -------------------------------------------------------------------------------------


class JupyterApi:
    """The API of a server or a hub, with the connector's present token and address."""

    def __init__(self, connector: Connector[Any]) -> None:
        self._connector = connector
        self.name = connector.context.name
        self.log = connector.context.log
        self.outbound = connector.context.outbound
        self.base = ""  # ends with a slash; "" without a login
        self.bridge: frozenset[str] = frozenset()  # the parts of the remote bridge

    @property
    def headers(self) -> dict[str, str]:
        """The token in the form that both Jupyter Server and JupyterHub take."""
        token = self._connector.fields.token
        return {"Authorization": f"token {token}"} if token else {}

    def url_of(self, path: str) -> str:
        """Return the address of a path below the server's."""
        if not self.base:
            raise Expired(f"{self.name} is not logged in.")
        return self.base + path

    async def ask(
        self, method: str, url: str, into: type[T], *, body: Any = None, limit: int = NAMES
    ) -> T:
        """Return the answer's JSON as `into`; NoneType ignores the body.

        Raises Expired for 401 and 403 (Jupyter answers 403 to a wrong token, too), and, with
        `remote_status` in its details, if a proxy answers that no server runs.
        """
        with_body = {} if body is None else {"Content-Type": "application/json"}
        answer = await self.outbound.ask(
            method,
            url,
            headers={**self.headers, **with_body},
            body=None if body is None else msgspec.json.encode(body),
            timeout=_POST_SECONDS if method == "POST" else _SECONDS,
            limit=limit,
        )
        if answer.status >= 300:
            raise await problem_of(answer, self.name)
        if into is NoneType:
            return cast(T, None)
        try:
            return await answer.json(into)
        except JSON_ERRORS as error:
            raise RemoteFailed(f"{self.name} does not answer as a Jupyter server does.") from error

    async def call(
        self, method: str, path: str, into: type[T], *, body: Any = None, limit: int = NAMES
    ) -> T:
        """As `ask`, below the server's address; Denied if only this call is not allowed."""
        url, me = self.url_of(path), self.url_of("api/me")
        try:
            return await self.ask(method, url, into, body=body, limit=limit)
        except Expired as expired:
            if expired.details:
                raise
            try:
                await self.ask("GET", me, NoneType)
            except Problem:
                raise expired from None
        raise Denied(f"{self.name} does not allow this with the token.")

    async def dial(
        self, path: str, protocol: str | None = None, *, max_frame: int = MAX_FRAME
    ) -> Socket:
        """Open a websocket below the server's address; `max_frame` is in bytes."""
        socket = await self.outbound.websocket(
            self.url_of(path),
            headers=self.headers,
            protocols=(protocol,) if protocol else (),
            max_frame=max_frame,
        )
        if protocol is not None and self.bridge:  # a bridge offers every requested protocol
            self._connector.notice = None if socket.protocol == protocol else _NO_SUBPROTOCOLS
        return socket


async def problem_of(answer: RemoteAnswer, name: str) -> Problem:
    """Return the Problem of a refusal, with the `message` of Jupyter or the bridge."""
    if answer.status in (401, 403):
        return Expired(f"{name} refuses the token, or does not allow this with it.")
    if answer.status in NOT_RUNNING:
        return Expired(f"{name} is not running.", remote_status=answer.status)
    try:
        message = (await answer.json(_Refusal)).message
    except JSON_ERRORS:
        message = ""
    kind = _KINDS.get(answer.status, RemoteFailed)
    reason = sentence(message) if message else f"it answers {answer.status}"
    return kind(f"{name}: {reason}", remote_status=answer.status)
