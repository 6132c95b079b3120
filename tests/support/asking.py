"""Asking a server of a test beside the page that shows it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.conftest import Server


def read(
    server: Server,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return the bytes of the server's answer; raises urllib's HTTPError if it is no success.

    `path` is below the server's address; a body that is not bytes is sent as JSON.
    """
    head = {**server.headers, **(headers or {})}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        head["Content-Type"] = "application/json"
    request = urllib.request.Request(f"{server.url}{path}", body, head, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return bytes(answer.read())


def ask(server: Server, method: str, path: str, body: Any = None) -> Any:
    """The JSON of the server's answer, None where it is empty; fails as `read` does."""
    text = read(server, method, path, body)
    return json.loads(text) if text else None
