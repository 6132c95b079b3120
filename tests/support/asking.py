"""Asking a server of a test for its raw routes: with a session, or by a plain call."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

import aiohttp

from tests.conftest import Server


class RawRoutes:
    """A client of a server's routes below `base`, with the server's token."""

    base = ""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    def url(self, path: str) -> str:
        return f"{self.server.url}{self.base}{path}"

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Return the status, and the body: JSON, text, or None where it is empty."""
        headers = {**self.server.headers, **options.pop("headers", {})}
        async with self.session.request(
            method, self.url(path), headers=headers, **options
        ) as answer:
            body = await answer.read()
            try:
                return answer.status, json.loads(body) if body else None
            except ValueError:
                return answer.status, body.decode()


def read(
    server: Server,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes of the server's answer; raises urllib's HTTPError if it is no success.

    `path` is below the server's base URL; a body that is not bytes is sent as JSON.
    """
    head = {**server.headers, **(headers or {})}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        head["Content-Type"] = "application/json"
    request = urllib.request.Request(f"{server.url}{path}", body, head, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


def ask(server: Server, method: str, path: str, body: Any = None) -> Any:
    """Return the JSON of the server's answer, None if it is empty; raises as `read` does."""
    text = read(server, method, path, body)
    return json.loads(text) if text else None
