"""BridgeSession: requests to one server's `/bridge/`, and their answers or Problems.

The token is sent only in the `Authorization` header. No cookie is kept and no redirect followed, so
the token never reaches another host.

Unlike a connection's `Outbound` it trusts its server, which the user chose and runs: it uses the
proxies of the environment, checks no address, and has aiohttp unpack the answers.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from weakref import WeakSet

import aiohttp
import msgspec
from yarl import URL

from jupyter_bridge import problems
from jupyter_bridge.aio.deadline import within
from jupyter_bridge.problems import (
    BadRequest,
    Conflict,
    Problem,
    RemoteFailed,
    Unavailable,
)
from jupyter_bridge.transport.http import read_whole, shown
from jupyter_bridge.transport.problem_decoder import by_status, problem_in, what_answered
from jupyter_bridge.transport.response import ConnectionDropped, ConnectionSilent, Response
from jupyter_bridge.transport.retry import RetryPeriod
from jupyter_bridge.transport.server import Server
from jupyter_bridge.transport.tls_proxy import (
    Redirected,
    make_session,
    proxy_to,
    reason,
    unreachable,
)

# A server that does not accept a connection within this time is unreachable.
CONNECT_SECONDS = 10.0
# The limit of an answer: outputs with many images fit, an endless body does not.
MAX_ANSWER_BYTES = 512 << 20
# The part read of an error answer, or of a page of another program, to describe it. Bytes.
_PEEK_BYTES = 64 << 10
_PEEK_CLOCK = aiohttp.ClientTimeout(total=10)


class BridgeSession:
    """A session with one server's bridge. Call `open()` first; closing twice is fine."""

    def __init__(
        self,
        server: Server,
        *,
        ca_file: str | Path | None = None,
        verify: bool = True,
        timeout: float = 30.0,
    ) -> None:
        self.server = server
        self._timeout = timeout
        self._ca_file = ca_file
        self._verify = verify
        self._session: aiohttp.ClientSession | None = None
        # Open answers and websockets, for `close`.
        self._coming: WeakSet[aiohttp.ClientResponse] = WeakSet()
        self._sockets: WeakSet[aiohttp.ClientWebSocketResponse[bool]] = WeakSet()

    def __repr__(self) -> str:
        return f"<BridgeSession {self.server.url}bridge/>"

    async def open(self) -> None:
        """Create the HTTP session; sends nothing."""
        self._session = make_session(self.server, self._ca_file, self._verify)

    async def close(self) -> None:
        """Close every connection, including answers and websockets in use."""
        session, self._session = self._session, None
        for response in list(self._coming):
            response.close()
        for socket in list(self._sockets):
            await socket.close()
        if session is not None:
            await session.close()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        from_root: bool = False,
        persist: bool = False,
    ) -> Response:
        """Send a request and return the whole answer; raises its Problem.

        `path` is below `/bridge/`, or with `from_root` below the server's base URL. `timeout` is
        the longest silence in seconds. `persist` repeats the request after a dropped connection;
        use it only where repeating is safe.
        """
        wait = self._timeout if timeout is None else timeout
        patience = RetryPeriod()
        while True:
            try:
                return await self._ask(method, path, query, body, headers or {}, wait, from_root)
            except ConnectionDropped as error:  # noqa: PERF203
                if not persist:
                    raise error.to_problem() from error
                await patience.wait(error)

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str],
        wait: float,
        from_root: bool,
    ) -> Response:
        response = await self._send(method, path, query, body, headers, wait, from_root)
        where = shown(response.url)
        try:
            content = await _read(response, MAX_ANSWER_BYTES)
        except asyncio.TimeoutError:
            raise ConnectionSilent(f"{where} sent nothing more for {wait:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionDropped(f"{where} dropped the connection: {error}") from error
        finally:
            response.release()
        if not 200 <= response.status < 300:
            raise problem_in(response, content)
        if content and response.content_type != "application/json":
            raise RemoteFailed(what_answered(response, content))
        return Response(response.status, response.headers, content, where)

    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        silence: float,
    ) -> aiohttp.ClientResponse:
        """Send a request and return its open NDJSON answer; the caller closes it.

        After `silence` seconds without a byte the connection is dead.
        """
        head = {"Accept": "application/x-ndjson", **(headers or {})}
        response = await self._send(method, path, query, body, head, silence, False)
        if response.status == 200 and response.content_type == "application/x-ndjson":
            self._coming.add(response)
            return response
        try:
            content = await _read(response, _PEEK_BYTES)
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError, RemoteFailed):
            content = b""
        finally:
            response.release()
        raise problem_in(response, content)

    async def download(
        self, path: str, *, query: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Iterate the body of a GET as it comes, of any type; raises its Problem."""
        response = await self._send("GET", path, query, None, {}, self._timeout, False)
        where = shown(response.url)
        try:
            if response.status != 200:
                raise problem_in(response, await _read(response, _PEEK_BYTES))
            async for chunk in response.content.iter_any():
                yield chunk
        except asyncio.TimeoutError:
            raise problems.Timeout(f"{where} sent nothing more.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{where} dropped the connection: {error}.") from error
        finally:
            response.close()

    async def websocket(
        self, path: str, *, query: Mapping[str, Any], protocol: str, heartbeat: float, limit: int
    ) -> aiohttp.ClientWebSocketResponse[bool]:
        """Open a websocket with the subprotocol `protocol`; raises a refusal's Problem."""
        url = self._url(path, query, False)
        refused: int | None = None
        try:
            socket = await within(
                self._timeout,
                self._open_session().ws_connect(
                    url,
                    protocols=(protocol,),
                    heartbeat=heartbeat,
                    max_msg_size=limit,
                    proxy=proxy_to(self.server),
                ),
                discard=aiohttp.ClientWebSocketResponse.close,
            )
        except aiohttp.WSServerHandshakeError as error:
            refused = error.status
        except Redirected as error:
            refused = error.status
        except asyncio.TimeoutError:
            raise Unavailable(f"{shown(url)} did not open within {self._timeout:g} s.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(self.server, error) from error
        if refused is not None:
            # Raised outside the except: aiohttp's error has the request's headers, with the token,
            # and lacks the answer's body.
            raise await self._refusal(url, refused, protocol)
        if socket.protocol != protocol:
            await socket.close()
            raise RemoteFailed(f"{shown(url)} opened a websocket that does not speak {protocol}.")
        self._sockets.add(socket)
        return socket

    # -- below ---------------------------------------------------------------------------------

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        headers: Mapping[str, str],
        silence: float,
        from_root: bool,
    ) -> aiohttp.ClientResponse:
        url = self._url(path, query or {}, from_root)
        head = {"Accept": "application/json", **headers}
        data = None
        if body is not None:
            raw = isinstance(body, bytes)
            head["Content-Type"] = "application/octet-stream" if raw else "application/json"
            data = body if raw else msgspec.json.encode(body)
        clock = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence)
        try:
            return await self._open_session().request(
                method,
                url,
                data=data,
                headers=head,
                timeout=clock,
                allow_redirects=False,
                proxy=proxy_to(self.server),
            )
        except aiohttp.ClientConnectorError as error:
            raise unreachable(self.server, error) from error
        except aiohttp.ServerTimeoutError as error:
            if isinstance(error, aiohttp.ConnectionTimeoutError):
                raise unreachable(self.server, error) from error
            raise ConnectionSilent(f"{shown(url)} did not answer within {silence:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionDropped(
                f"{shown(url)} dropped the connection without an answer: {reason(error)}"
            ) from error

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise Conflict("This client is closed.")
        return self._session

    def _url(self, path: str, query: Mapping[str, Any], from_root: bool) -> URL:
        root = self.server.root if from_root else f"{self.server.root}bridge/"
        given = {name: value for name, value in query.items() if value is not None}
        return URL(f"{root}{path}?{urlencode(given)}" if given else f"{root}{path}", encoded=True)

    async def _refusal(self, url: URL, status: int, protocol: str) -> Problem:
        """Repeat the handshake as a plain request, to read the body of the refusal."""
        shake = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Protocol": protocol,
        }
        response, content = None, b""
        try:
            session = self._open_session()
            response = await session.get(
                url,
                headers=shake,
                allow_redirects=False,
                proxy=proxy_to(self.server),
                timeout=_PEEK_CLOCK,
            )
            if response.status == status:
                content = await _read(response, _PEEK_BYTES)
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError, RemoteFailed):
            pass  # the Problem is made from the status alone
        finally:
            if response is not None:
                response.close()
        if response is not None and response.status == status:
            return problem_in(response, content)
        return by_status(status)(f"{shown(url)} refused the websocket with {status}.")


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    # The user's own server is trusted: aiohttp unpacks, and only the result is bounded.
    return await read_whole(response, limit, response.content.iter_any())


def segment(text: str) -> str:
    """Quote `text` as one path segment; raises BadRequest for `.` and `..`, which lead up."""
    if text in (".", ".."):
        raise BadRequest(f"A name may not be {text!r}.")
    return quote(text, safe="")
