"""Outbound: the only access to the network, one per connection.

Every name is resolved, and the address is checked (resolver.py) and then used. Cookies are not
kept, the host's proxies and netrc are not read, redirects must stay on the same origin, and every
request has a deadline. Messages show URLs without their query, which may hold a token.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import anyio
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.aio.loop_thread import run_in_loop_thread
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.resolver import CONNECT_SECONDS, Resolver
from jupyter_bridge.connections.net.tls import TLSSettings
from jupyter_bridge.problems import (
    Denied,
    NotFound,
    Problem,
    RemoteFailed,
    Timeout,
    Unavailable,
)
from jupyter_bridge.transport.answers import NAMES, RemoteAnswer
from jupyter_bridge.transport.http import never_redirected, read_whole, shown
from jupyter_bridge.version import __version__

# The default deadline of a request and its whole answer.
ANSWER_SECONDS = 30.0
# The longest silence within a stream.
SILENCE_SECONDS = 60.0
# The longest wait for the head of an open answer: another bridge first has to start its shell.
HEAD_SECONDS = 180.0
# A longer body is sent in pieces of this size: aiohttp would copy it several times.
IN_ONE_GO = 256 << 10
# Bytes of one answer that may be received ahead. More would leave the processor's cache before it
# is used, and is lost if the process is killed.
READ_AHEAD = 1 << 20
# Same-origin redirects (a missing slash, the return from a login page) are one or two.
MAX_REDIRECTS = 5
# The largest message of a remote kernel, with its images and buffers. Bytes.
MAX_FRAME = 64 << 20
# Bytes received of a websocket at once.
RECEIVE_AT_ONCE = 32 << 10
# One transfer uses up to 8 streams; several may run, besides other calls.
MAX_SOCKETS = 64

# The Problem of a refused websocket, by the status of the answer.
_REFUSALS: dict[int, type[Problem]] = {401: Denied, 403: Denied, 404: NotFound, 410: NotFound}

T = TypeVar("T")
Buffer = bytes | memoryview


class RequestBody:
    """A request's body of `size` bytes, whose pieces are made as they are sent.

    The request re-raises an exception of their iterator.
    """

    def __init__(self, size: int, pieces: Iterator[Buffer]) -> None:
        self.size = size
        self.failed: Exception | None = None
        self._pieces = pieces

    @classmethod
    def of(cls, content: bytes) -> RequestBody:
        view = memoryview(content)
        starts = range(0, len(view), IN_ONE_GO)
        return cls(len(view), (view[start : start + IN_ONE_GO] for start in starts))

    def joined(self) -> bytes:
        return b"".join(self._pieces)

    def __aiter__(self) -> RequestBody:
        return self

    async def __anext__(self) -> Buffer:
        try:
            piece = next(self._pieces, None)
        except Exception as error:
            # aiohttp only says that the request could not be written.
            self.failed = error
            raise
        if piece is None:
            raise StopAsyncIteration
        return piece


class Outbound:
    """The network for one connection."""

    def __init__(self, policy: AddressPolicy, trust: TLSSettings | None = None) -> None:
        self.policy = policy
        self.lookup = Resolver(policy)
        self._trust = trust or TLSSettings()
        self._session: aiohttp.ClientSession | None = None
        self._lock = asyncio.Lock()

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | RequestBody | None = None,
        timeout: float = ANSWER_SECONDS,
        limit: int = NAMES,
    ) -> RemoteAnswer:
        """Send a request; return its whole answer within `timeout` seconds.

        Raises RemoteFailed as soon as the answer exceeds `limit` bytes after decompression, or
        its compression ratio is too high.
        """
        clock = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS)
        async with self._request(method, url, headers, body, clock) as response:
            content = await read_whole(response, limit)
            return RemoteAnswer(response.status, response.headers, content, limit)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | RequestBody | None = None,
        silence: float = SILENCE_SECONDS,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield an open answer, to be read as it arrives; `silence` is its longest pause, seconds.

        Errors while reading inside the block become Problems, too.
        """
        clock = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        async with self._request(method, url, headers, body, clock) as response:
            yield response

    async def websocket(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        protocols: tuple[str, ...] = (),
        heartbeat: float = 30.0,
        max_frame: int = MAX_FRAME,
        timeout: float = CONNECT_SECONDS,
        decode_text: bool = True,
    ) -> aiohttp.ClientWebSocketResponse[Any]:
        """Return an open websocket, which the caller closes; raise NotFound if there is none.

        Without `decode_text`, text frames are received as bytes.
        """
        where = shown(self.policy.check_url(url))
        session = await self._open()
        try:
            opened = await within(
                timeout,
                session.ws_connect(
                    url,
                    headers=headers,
                    protocols=protocols,
                    heartbeat=heartbeat,
                    max_msg_size=max_frame,
                    decode_text=decode_text,
                ),
                discard=aiohttp.ClientWebSocketResponse.close,
            )
            _receive_little(opened)
            return opened
        except aiohttp.WSServerHandshakeError as error:
            status = error.status
        except Exception as error:
            raise _translate(error, where) from None
        # Outside the except: aiohttp's error holds the request's headers, and so the token.
        kind = _REFUSALS.get(status, RemoteFailed)
        raise kind(f"{where} refused the websocket with {status}.", remote_status=status)

    async def apart(self, work: Callable[[Outbound], Coroutine[Any, Any, T]]) -> T:
        """Run `work` in a thread and an event loop of its own, with an Outbound like this one.

        So a fast download does not slow down the server, and may itself wait for a disk.
        """

        async def whole() -> T:
            twin = Outbound(self.policy, self._trust)
            try:
                return await work(twin)
            finally:
                await twin.close()

        return await run_in_loop_thread(whole)

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the allowed addresses of `host`, for other protocols than HTTP (ssh, sshfs)."""
        return await self.lookup.addresses(host, port)

    async def dial(self, host: str, port: int) -> socket.socket:
        """Return a connected, non-blocking TCP socket, for libraries with their own protocol."""
        return await self.lookup.dial(host, port)

    async def close(self) -> None:
        """Close all sockets; closing twice is fine, and another request opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            # Otherwise aiohttp would wait for a remote that does not take the unsent bytes.
            await self.lookup.shut()
            await session.close()

    # -- below ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | RequestBody | None,
        clock: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        target = self.policy.check_url(url)
        session = await self._open()
        if isinstance(body, RequestBody) and body.size <= IN_ONE_GO:
            body = body.joined()
        elif isinstance(body, bytes) and len(body) > IN_ONE_GO:
            body = RequestBody.of(body)
        if isinstance(body, RequestBody):
            headers = {**(headers or {}), "Content-Length": str(body.size)}
        for _ in range(MAX_REDIRECTS):
            try:
                # A head may be endless, line by line, without a pause.
                with anyio.fail_after(HEAD_SECONDS if clock.total is None else None):
                    response = await session.request(
                        method,
                        target,
                        headers=headers,
                        data=body,
                        timeout=clock,
                        allow_redirects=False,
                    )
            except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
                if isinstance(body, RequestBody) and body.failed is not None:
                    raise body.failed from None
                raise _translate(error, shown(target)) from None
            try:
                onward = _redirect(response, target)
                if onward is None:
                    yield response
                    return
            except aiohttp.ClientError as error:
                raise _translate(error, shown(target)) from None
            except asyncio.TimeoutError as error:
                if clock.total is None:  # the reader's own deadline
                    raise
                raise _translate(error, shown(target)) from None
            finally:
                # Unread bytes must not keep the socket open, nor be waited for.
                if response.content.at_eof():
                    response.release()
                else:
                    response.close()
            if method not in ("GET", "HEAD"):
                raise RemoteFailed(f"{shown(target)} answers {method} with a redirect.")
            target = onward
        raise RemoteFailed(f"{shown(target)} redirects in circles.")

    async def _open(self) -> aiohttp.ClientSession:
        async with self._lock:
            if self._session is None:
                trust = await asyncio.to_thread(self._trust.tls)
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(
                        resolver=_SessionResolver(self.lookup),
                        ssl=trust,
                        limit=MAX_SOCKETS,
                        socket_factory=self.lookup.open_socket,
                    ),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers={
                        "User-Agent": f"jupyter-bridge/{__version__}",
                        "Accept-Encoding": "gzip, deflate",
                    },
                    trust_env=False,
                    # Decompressed by `arriving`, where it can be stopped.
                    auto_decompress=False,
                    read_bufsize=READ_AHEAD // 2,
                    trace_configs=[never_redirected(_led_away)],
                )
            return self._session


class _SessionResolver(AbstractResolver):
    """Resolves through a Resolver, so that only allowed addresses are used."""

    def __init__(self, lookup: Resolver) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._lookup.addresses(host, port)
        ]

    async def close(self) -> None:
        """Holds nothing."""


def _receive_little(socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
    """Make asyncio receive less at once, as aiohttp parses all of it in one turn of the loop.

    asyncio's default of 256 KiB can be 87,000 frames, which take half a second.
    """
    transport = getattr(getattr(socket, "_conn", None), "transport", None)
    if transport is not None and hasattr(transport, "max_size"):
        transport.max_size = RECEIVE_AT_ONCE


def _led_away(response: aiohttp.ClientResponse) -> Exception:
    return RemoteFailed(f"{shown(response.url)} redirects a websocket, which is not followed.")


def _redirect(response: aiohttp.ClientResponse, target: URL) -> URL | None:
    """Return the target of a redirect, None without one; RemoteFailed if it leaves the origin."""
    if response.status not in (301, 302, 303, 307, 308):
        return None
    location = response.headers.get("Location")
    if not location:
        return None
    try:
        onward = target.join(URL(location))
        same = onward.origin() == target.origin()
    except ValueError:
        same = False
    if not same:
        raise RemoteFailed(f"{shown(target)} redirects to another host, which is not followed.")
    return onward


def _translate(error: Exception, where: str) -> Problem:
    """Return an error as a Problem, without its text, which may hold a URL with a token."""
    if isinstance(error, Problem):
        return error
    # aiohttp's is asyncio's; before Python 3.11 anyio has another one.
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return Timeout(f"{where} did not answer in time.")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return RemoteFailed(
            f"The certificate of {where} is not trusted: {error.certificate_error}. Name its "
            "authority with ca_file, or the certificate itself with pin."
        )
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return RemoteFailed(f"{where} has another certificate than the pinned one.")
    if isinstance(error, aiohttp.ClientSSLError):
        return RemoteFailed(f"{where} does not speak TLS as expected: {error.os_error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unavailable(f"{where} cannot be reached: {error.os_error.strerror or 'no answer'}.")
    if isinstance(error, (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, OSError)):
        return Unavailable(f"{where} broke off.")
    return RemoteFailed(f"{where} does not speak HTTP as expected ({type(error).__name__}).")
