"""BridgeHandler and its decorator `verb`: one HTTP verb, from the request to the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import quote

import msgspec
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import web
from tornado.iostream import StreamClosedError

from jupyter_bridge.aio.idempotency import Idempotency
from jupyter_bridge.aio.task_set import ended
from jupyter_bridge.problems import BadRequest, Denied, NotFound
from jupyter_bridge.web.answers import StoredAnswer
from jupyter_bridge.web.proof import is_own_fetch, shows_xsrf_token
from jupyter_bridge.web.request_base import MAX_BODY, UNREAD_BODY, RequestBase, bad_field
from jupyter_bridge.wire import any_text, bounded, large_json
from jupyter_bridge.wire.any_text import to_json
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# Characters of an Idempotency-Key: clients use a UUID or a hash.
MAX_KEY = 255
# Proxies close a silent answer after 30 to 60 s; this is half of the shorter time. Seconds.
KEEP_ALIVE = 15.0

T = TypeVar("T")


@dataclass(frozen=True)
class Verb:
    """The description of one HTTP verb of one route: a decorator of its method.

    `action` is the authorizer's action. The method gets the path's names, and `body` and `query`
    decoded into the given Structs. It returns the JSON answer, a `reply`, or None if it has
    answered itself, perhaps with a content type of `kinds`. `also` are statuses besides `status`.
    `proof` marks a GET that changes something: it needs a proof for `check_proof`. A `raw` body is
    not decoded. `limit` is the most bytes of the body.

    A POST with an Idempotency-Key runs once, and its repeats get the same answer. A method that
    `streams` does this itself, because a repeat joins the running stream. Of an answer that depends
    on what its reader may read, nothing is kept: `anew(handler)` makes it again for each repeat.
    """

    action: str
    summary: str
    _: KW_ONLY
    body: type | None = None
    query: type | None = None
    reply: Any = None
    status: int = 200
    proof: bool = False
    streams: bool = False
    kinds: tuple[str, ...] = ()
    also: tuple[int, ...] = ()
    raw: bool = False
    limit: int = MAX_BODY
    anew: Callable[[Any], Awaitable[Any]] | None = None

    def __call__(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[None]]:
        @wraps(method)
        async def handle(handler: BridgeHandler, **path: str) -> None:
            await self._handle(method, handler, path)

        handle.verb = self  # type: ignore[attr-defined]
        return handle

    async def _handle(
        self, method: Callable[..., Awaitable[Any]], handler: BridgeHandler, path: dict[str, str]
    ) -> None:
        handler.take_body()
        arguments: dict[str, Any] = dict(path)
        if self.body is not None:
            arguments["body"] = handler.read_body(self.body)
        if self.query is not None:
            arguments["query"] = handler.read_query(self.query)

        # Before a repeat: only a user with the permission now gets a kept answer.
        await handler.judge(**arguments)
        key = handler.repeat_key
        if handler.request.method != "POST" or self.streams:
            key = None

        async def ask() -> StoredAnswer:
            handler._answers_others = key is not None
            answer = await method(handler, **arguments)
            if answer is not None:
                handler.answer(answer, self.status)
            kept = b"" if self.anew is not None else handler._answer
            return StoredAnswer(handler.get_status(), handler._headers.get("Location"), kept)

        try:
            if key is None:
                await ask()
            else:
                name = (handler.identity, handler.request.uri, key)
                once = handler.repeats.once(name, handler.request.body, ask)
                answer = await handler.while_here(once)
                assert answer is not None, "there was no deadline"
                if self.anew is not None and not handler._finished:
                    answer = answer._replace(body=to_json(await self.anew(handler)))
                handler.answer_as(answer)
        except (ClientLeft, StreamClosedError):
            return  # the client has left


verb = Verb  # lower case, as decorators are


class ClientLeft(Exception):
    """The client closed the connection while its request waited."""


@web.stream_request_body
class BridgeHandler(RequestBase, APIHandler):
    """One HTTP route."""

    # The body of the answer.
    _answer = b""
    # Whether repeats may get this request's answer; then it continues without its client.
    _answers_others = False
    _has_left = False
    _gone: asyncio.Future[None] | None = None

    @property
    def repeat_key(self) -> str | None:
        """The Idempotency-Key, if any; BadRequest if it is too long."""
        key = self.request.headers.get("Idempotency-Key")
        if key is not None and len(key) > MAX_KEY:
            raise BadRequest(
                f"Idempotency-Key: May have {MAX_KEY} characters at most.", field="Idempotency-Key"
            )
        return key

    @property
    def repeats(self) -> Idempotency[StoredAnswer]:
        repeats: Idempotency[StoredAnswer] = self.settings["bridge_repeats"]
        return repeats

    async def prepare(self) -> None:  # type: ignore[override]
        async with self.before_body():
            # Not APIHandler.prepare: an API answers 403, without a redirect to the login page.
            await JupyterHandler.prepare(self, _redirect_to_login=False)
            self.check_user()
            if self.spec is not None:
                await self.authorize(self.spec.action)
                if self.spec.proof:
                    self.check_proof()

    @property
    def spec(self) -> Verb | None:
        """The Verb of this request's method; None if the route has no such method."""
        return getattr(getattr(self, str(self.request.method).lower(), None), "verb", None)

    @property
    def body_limit(self) -> int:
        spec = self.spec
        takes_one = spec is not None and (spec.raw or spec.body is not None)
        return spec.limit if spec is not None and takes_one else UNREAD_BODY

    async def judge(self, **arguments: Any) -> None:
        """Raise Denied unless the user has the permissions beyond the verb's `action`.

        Gets the arguments of the verb's method: path names, and `body` and `query` if the verb has
        them. Override it if a body or a query decides which permission is needed.
        """

    def check_proof(self) -> None:
        """Raise Denied unless a GET that changes something comes with a proof of intent.

        A proof is a token, the XSRF token, or the browser's headers for a script of this origin.
        `allow_origin` makes no difference; `disable_check_xsrf` switches the check off.
        """
        if self.token_authenticated or self.settings.get("disable_check_xsrf", False):
            return
        if not is_own_fetch(self.request.headers) and not shows_xsrf_token(self):
            raise Denied(
                "This GET changes something, and a cookie alone does not prove intent. "
                "Send the XSRF token in the header X-XSRFToken, or a token."
            )

    def read_body(self, kind: type[T]) -> T:
        """Decode the JSON body as `kind`; an empty body counts as an empty object."""
        body = self.request.body.strip() or b"{}"
        try:
            bounded.check_values(body, MAX_BODY // bounded.BYTES_A_VALUE)
            return msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as error:
            raise bad_field(error) from error
        except JSON_ERRORS as error:
            raise BadRequest(f"The body is not JSON: {error}") from error

    def answer(self, answer: Any, status: int = 200) -> None:
        """Finish with `answer` (anything msgspec can encode) as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self._answer = to_json(answer)
        self.finish(self._answer)

    async def answer_large(self, answer: Any, status: int = 200) -> None:
        """The same for an answer that may contain a LargeJson, which is sent in pieces."""
        await self._answer_in_pieces(large_json.encode(answer), status)

    async def answer_listing(self, answer: Any) -> None:
        """The same for a listing, of up to 1,000,000 entries: a Struct or a list, in pieces."""
        await self._answer_in_pieces(any_text.pieces(answer), 200)

    async def _answer_in_pieces(self, pieces: Iterator[bytes], status: int) -> None:
        """Finish with JSON in pieces, of which there is at least one."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        piece = next(pieces)
        for following in pieces:
            await self.send_piece(piece)
            piece = following
        self.finish(piece)

    async def send_piece(self, piece: bytes) -> None:
        """Send a piece of an answer, and give the event loop its turn."""
        self.write(piece)
        await self.flush()
        await asyncio.sleep(0)  # flush() does not yield if the system accepts the data at once

    def answer_nothing(self, status: int) -> None:
        self.set_status(status)
        self.finish()

    def answer_as(self, given: StoredAnswer) -> None:
        """Send the answer of an earlier request, unless this request was the earlier one."""
        if self._finished:
            return
        if given.location is not None:
            self.set_header("Location", given.location)
        if given.body:
            self.set_header("Content-Type", "application/json")
        self.set_status(given.status)
        self.finish(given.body or None)

    def link(self, path: str) -> str:
        """Return the quoted address of another route, for `Location`."""
        return f"{self.base_url.rstrip('/')}/bridge{quote(path, safe='/:', errors='replace')}"

    def raw_body(self) -> bytes:
        """Return the body of a raw verb, which the request then holds no more."""
        body, self.request.body = self.request.body, b""
        return body

    async def while_here(
        self, work: Coroutine[Any, Any, T], seconds: float | None = None
    ) -> T | None:
        """Return the result of `work`; after `seconds`, cancel the work and return None.

        When the client leaves, cancel the work and raise ClientLeft, which ends the request without
        an answer. All long waiting of a request is done here, so that no task or handler is left
        when the client leaves.
        """
        gone = self._leaving()
        task = asyncio.ensure_future(work)
        try:
            either: set[asyncio.Future[Any]] = {task, gone}
            await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and gone.done():
                if not self._answers_others:
                    raise ClientLeft
                await asyncio.wait({task}, timeout=seconds)
            return task.result() if task.done() else None
        finally:
            if not task.done():
                task.cancel()
                await ended([task])
            # Else a failure, whose traceback holds this frame, is held until a collection, and
            # with it the request's body.
            del task, either

    def _leaving(self) -> asyncio.Future[None]:
        """Return a future that is done once the client has closed the connection."""
        if self._gone is None:
            self._gone = asyncio.get_running_loop().create_future()
            # Tornado calls `on_connection_close` only if the request was read before.
            stream = getattr(self.request.connection, "stream", None)
            if self._has_left or (stream is not None and stream.closed()):
                self._gone.set_result(None)
        return self._gone

    async def each_while_here(
        self, steps: AsyncGenerator[T, None]
    ) -> AsyncGenerator[T | None, None]:
        """Yield the steps, and None after each KEEP_ALIVE seconds without a step; close the steps.

        Raises ClientLeft when the client leaves.
        """
        gone = self._leaving()
        coming: asyncio.Future[T] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(steps))
                either: set[asyncio.Future[Any]] = {coming, gone}
                await asyncio.wait(either, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    raise ClientLeft
                if not coming.done():
                    yield None
                    continue
                done, coming = coming, None
                try:
                    step = done.result()
                except StopAsyncIteration:
                    return
                finally:
                    del done, either
                yield step
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
            await steps.aclose()

    def cut(self, why: str) -> None:
        """Break the connection, so that the client does not take a partial answer as complete."""
        self.log.warning("An answer was cut off: %s", why)
        self._auto_finish = False
        cast(Any, self.request.connection).close()

    def on_connection_close(self) -> None:
        self._has_left = True
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        super().on_connection_close()


class NoSuchRoute(BridgeHandler):
    """Any other path under /bridge: a Problem instead of the host's page."""

    async def prepare(self) -> None:  # type: ignore[override]
        # Inside, so that the body is read and the client's connection can be reused.
        async with self.before_body():
            await JupyterHandler.prepare(self, _redirect_to_login=False)
            self.check_user()
            raise NotFound(f"No route {self.request.path}. GET /bridge/ lists the parts.")
