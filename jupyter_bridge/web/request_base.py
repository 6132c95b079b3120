"""RequestBase: the user, the permission, the body and the Problem of requests and websockets."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from http.client import responses
from typing import Any, TypeVar, cast
from urllib.parse import unquote, urlsplit

import msgspec
from jupyter_core.utils import ensure_async
from jupyter_server.auth import IdentityProvider
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.identity import LegacyIdentityProvider
from jupyter_server.auth.login import LegacyLoginHandler
from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.iostream import StreamClosedError

from jupyter_bridge.problems import BY_STATUS, BadRequest, Denied, Problem, TooLarge

TOKEN_SUBPROTOCOL = "v1.token.websocket.jupyter.org."

S = TypeVar("S", bound=msgspec.Struct)


async def is_allowed(
    handler: JupyterHandler, user: Any, action: str, resources: Iterable[str]
) -> bool:
    """Tell whether the host's authorizer allows `user` the `action` on each of `resources`."""
    for resource in resources:
        allowed = handler.authorizer.is_authorized(handler, user, action, resource)
        if not await ensure_async(allowed):
            return False
    return True


def identity_of(handler: JupyterHandler) -> str:
    """Return an id of the user that is the same in each request; empty for the server's token.

    The host invents a user for every request with the server's token and no cookie, or with no
    token if none is needed: such names do not tell users apart. A provider that finds the user by
    itself, by a proxy's header for example, names one, whatever the host thinks of tokens.
    """
    provider = handler.identity_provider
    if _invents(provider) and (handler.token_authenticated or not provider.auth_enabled):
        return ""
    return str(handler.current_user.username)


def _invents(provider: IdentityProvider) -> bool:
    """Tell whether the users are found as the host finds them, who invents some."""
    kind = type(provider)
    if kind.get_user_token is not IdentityProvider.get_user_token:
        return False
    if kind.get_user is LegacyIdentityProvider.get_user:  # asks the login handler's class method
        login: Any = provider.login_handler_class
        host: Any = LegacyLoginHandler
        return getattr(login.get_user, "__func__", None) is host.get_user.__func__
    return kind.get_user is IdentityProvider.get_user


# The most bytes of a JSON body.
MAX_BODY = 1 << 20
# The same if no body is needed: some clients send {} with every request.
UNREAD_BODY = 4 << 10
# A refused body up to this size is read and dropped, so that its sender gets the answer; above it
# the connection is closed. Bytes, and seconds.
DROPPED_BYTES = 32 << 20
DROP_TIME = 10.0


class IncomingBody:
    """The body of one request as it arrives, at most `limit` bytes.

    Tornado reads a whole body, up to the host's limit of 512 MB, before it calls a handler. Here
    the handler is called first; a refused or too large body is never kept.
    """

    def __init__(self) -> None:
        self.limit = 0
        self._chunks: list[bytes] = []
        self._size = 0
        self._is_dropped = False

    def expect(self, limit: int, headers: Any) -> None:
        """Set the limit; TooLarge if the Content-Length is larger."""
        self.limit = limit
        if _length(headers) > limit:
            raise self._too_large()

    def receive(self, chunk: bytes, connection: Any) -> None:
        """Keep or drop one piece; close the connection if too much was dropped."""
        self._size += len(chunk)
        if self._size > self.limit or self._is_dropped:
            self._is_dropped = True
            self._chunks.clear()
            if self._size > max(self.limit, DROPPED_BYTES):
                connection.close()
        else:
            self._chunks.append(chunk)

    async def drop(self, handler: Any) -> None:
        """Read and drop the rest of a refused body, unless it is too large."""
        self._is_dropped = True
        self._chunks.clear()
        begins, ends = handler._prepared_future, handler.request._body_future
        if _length(handler.request.headers) > DROPPED_BYTES or begins is None or begins.done():
            return
        begins.set_result(None)  # Tornado waits for this before it reads the body
        await asyncio.wait({ends}, timeout=DROP_TIME)

    def take(self) -> bytes:
        """Return the whole body, once; TooLarge if it exceeded the limit."""
        if self._is_dropped:
            raise self._too_large()
        body, self._chunks = b"".join(self._chunks), []
        return body

    def _too_large(self) -> TooLarge:
        return TooLarge(f"A body may have {self.limit} bytes at most.", limit=self.limit)


def _length(headers: Any) -> int:
    """Return the Content-Length; 0 if it is missing or not a number."""
    given = headers.get("Content-Length", "")
    return int(given[:20]) if given.isascii() and given.isdigit() else 0


class RequestBase:
    """The common base of request handlers and websockets.

    Bodies are streamed (Tornado's `stream_request_body`), so that `prepare` is called first.
    """

    # The authorizer must allow all of them: the bridge's own resource, and the host's, so that the
    # bridge does nothing that the host forbids.
    resources: tuple[str, ...] = ("bridge",)

    def __init__(self, application: Any, request: HTTPServerRequest, **kwargs: Any) -> None:
        # The host parses both, the Referer also to log a refusal, and fails on a malformed URL.
        # Browsers send "null" for an origin that they hide; it is never allowed.
        if not _is_url(request.headers.get("Referer", "")):
            del request.headers["Referer"]
        if not _is_url(request.headers.get("Origin", "")):
            request.headers["Origin"] = "null"
        super().__init__(application, request, **kwargs)  # type: ignore[call-arg]

    @property
    def body_limit(self) -> int:
        """The most bytes of this request's body."""
        return UNREAD_BODY

    @asynccontextmanager
    async def before_body(self) -> AsyncIterator[None]:
        """A context for `prepare`: the body is refused if anything in it raises."""
        handler = cast(JupyterHandler, self)
        self._body = IncomingBody()
        try:
            yield
            self._body.expect(self.body_limit, handler.request.headers)
        except (Problem, web.HTTPError):
            await self._body.drop(handler)
            raise

    def data_received(self, chunk: bytes) -> None:
        self._body.receive(chunk, cast(JupyterHandler, self).request.connection)

    def take_body(self) -> None:
        """Store the whole body in `request.body`; TooLarge if it exceeded the limit."""
        cast(JupyterHandler, self).request.body = self._body.take()

    def on_connection_close(self) -> None:
        # Tornado's websockets do not complete the future of the body.
        waits = getattr(cast(JupyterHandler, self).request, "_body_future", None)
        if waits is not None and not waits.done():
            waits.set_exception(StreamClosedError())
            waits.exception()
        super().on_connection_close()  # type: ignore[misc]

    async def authorize(self, action: str) -> None:
        """Raise Denied unless the user may do `action` on every resource of this route."""
        if not await self.may(action):
            raise Denied(f"You may not {action} on {self.resources[0]}.")

    async def may(self, action: str, *resources: str) -> bool:
        """Tell whether the user may do `action` on all `resources`, by default the route's."""
        handler = cast(JupyterHandler, self)
        asked = resources or self.resources
        return await is_allowed(handler, handler.current_user, action, asked)

    async def demand(self, action: str, *resources: str) -> None:
        """Raise Denied for the first of `resources` on which the user may not do `action`."""
        for resource in resources:
            if not await self.may(action, resource):
                raise Denied(f"You may not {action} on {resource}.", resource=resource)

    @property
    def username(self) -> str:
        """The user's name, for display and events; `identity` tells users apart."""
        return str(cast(JupyterHandler, self).current_user.username)

    @property
    def identity(self) -> str:
        return identity_of(cast(JupyterHandler, self))

    def adopt_token(self) -> None:
        """Pass a token in the list of subprotocols to the host as if it were in the header."""
        headers = cast(JupyterHandler, self).request.headers
        offered = subprotocols_of(headers)
        tokens = [p for p in offered if p.startswith(TOKEN_SUBPROTOCOL)]
        if tokens and "Authorization" not in headers:
            headers["Authorization"] = "token " + unquote(tokens[0][len(TOKEN_SUBPROTOCOL) :])

    def check_user(self) -> None:
        handler = cast(JupyterHandler, self)
        if handler.current_user is None:
            raise Denied("Log in first, or send a token in the Authorization header.")
        if not handler.check_origin():
            raise Denied(f"Requests from {handler.request.headers.get('Origin')} are not allowed.")

    def read_query(self, kind: type[S]) -> S:
        """Decode the query arguments as `kind`; of a repeated name the last one counts."""
        handler = cast(JupyterHandler, self)
        names = {f.encode_name for f in msgspec.structs.fields(kind)}
        given = {
            name: handler.get_query_argument(name, strip=False)
            for name in handler.request.query_arguments
            if name in names
        }
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            raise bad_field(error) from error

    def log_exception(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        handler = cast(JupyterHandler, self)
        if isinstance(error, Problem):
            handler.log.debug("%s: %s", error.code, error.message)
        elif isinstance(error, web.HTTPError):
            handler.log.debug("%s %s", error.status_code, error.log_message)
        else:
            # The client gets only the id; the traceback is in the log.
            self._error_id = uuid.uuid4().hex[:12]
            handler.log.error("Internal error %s", self._error_id, exc_info=error)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        handler = cast(JupyterHandler, self)
        error = kwargs.get("exc_info", (None, None, None))[1]
        status, body = self._to_reply(error, status_code)
        handler.set_status(status)
        handler.set_header("Content-Type", "application/json")
        if status == 405:  # RFC 9110 requires Allow
            handler.set_header("Allow", ", ".join(self._methods()))
        # Not APIHandler.finish: websockets do not have it.
        web.RequestHandler.finish(handler, msgspec.json.encode(body))

    def _methods(self) -> list[str]:
        """Return the methods of this route."""
        missing = web.RequestHandler.get  # the same function for all methods
        names = cast(JupyterHandler, self).SUPPORTED_METHODS
        return [name for name in names if getattr(type(self), name.lower()) is not missing]

    def _to_reply(self, error: BaseException | None, status: int) -> tuple[int, dict[str, Any]]:
        if isinstance(error, Problem):
            return error.status, error.to_json()
        if isinstance(error, web.HTTPError) or error is None:
            code = BY_STATUS[status].code if status in BY_STATUS else "internal"
            sentence = _sentence(error, status)
            return status, {"error": code, "message": sentence, "reason": sentence}
        name = getattr(self, "_error_id", "unknown")
        sentence = f"Something went wrong inside the server; its log has the details under {name}."
        return 500, {"error": "internal", "message": sentence, "reason": sentence, "id": name}


def _sentence(error: web.HTTPError | None, status: int) -> str:
    if error is not None:
        if error.log_message:
            try:
                return str(error.log_message % error.args if error.args else error.log_message)
            except (TypeError, ValueError):
                return str(error.log_message)
        if error.reason:
            return str(error.reason)
    return responses.get(status, "Unknown error")


def _is_url(text: str) -> bool:
    try:
        urlsplit(text)
    except ValueError:
        return False
    return True


def bad_field(error: msgspec.ValidationError) -> BadRequest:
    text = str(error)
    found = re.search(r"field `([^`]+)`", text) or re.search(r"\$\.([\w.\[\]]+)", text)
    details = {"field": found.group(1)} if found else {}
    return BadRequest(text.replace("$.", ""), **details)


def subprotocols_of(headers: HTTPHeaders) -> list[str]:
    return [p.strip() for p in headers.get("Sec-WebSocket-Protocol", "").split(",") if p.strip()]


class _NoConnection:
    """The part of a connection that a RequestHandler needs, without a connection."""

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Nothing closes."""


class _Bearer(JupyterHandler):
    """A handler with only a token, for an identity provider."""

    @allow_unauthenticated
    def get(self) -> None:
        """Never dispatched."""


async def user_of_token(handler: JupyterHandler, token: str) -> tuple[Any, str]:
    """Return the user of `token`, or None, and the identity, as the identity provider says.

    For tokens outside of headers, such as socket.io's `auth: {token}`: the provider gets a request
    with the token in its header and without cookies or arguments.
    """
    request = HTTPServerRequest(
        method="GET",
        uri=handler.request.path,
        headers=HTTPHeaders({"Authorization": f"token {token}", "Host": handler.request.host}),
        connection=cast(Any, _NoConnection()),
    )
    request.remote_ip = handler.request.remote_ip
    bearer = _Bearer(handler.application, request)
    user = await ensure_async(handler.identity_provider.get_user(bearer))
    if user is None:
        return None, ""
    bearer.current_user = bearer._jupyter_current_user = user
    return user, identity_of(bearer)
