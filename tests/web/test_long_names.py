"""Names that no file can have are a fault of the request, by whatever field they come."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.conftest import Server, start_server

# One part of a path may have 255 bytes on most disks, and the whole 4095.
NAMES = {
    "a long part": "x" * 300,
    "a very long part": "x" * 5000,
    "many parts": "a/" * 3000,
    "a long part of the root": "/" + "x" * 300,
    "a long user": "~" + "x" * 300,
    "a lone surrogate": "\ud800",
    "a NUL": "a\0b",
}
DOWN = {"connection": "here", "direction": "download", "permId": "d", "path": "y"}
UP = {"connection": "here", "direction": "upload", "permId": "d", "path": "d"}
PAPERS = {"notebook_path": "n.ipynb", "requirements_list": "", "runtime": ""}
# What takes a path: the field of the body that has it, or the path of the request.
BODIES: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "consoles", {}, "cwd"),
    ("POST", "run", {"command": "true"}, "cwd"),
    ("POST", "spawn/nothing", {}, "cwd"),
    ("POST", "spawn/nothing", {}, "path"),
    ("POST", "transfers", DOWN, "path"),
    ("POST", "transfers", DOWN, "permId"),
    ("POST", "transfers", UP, "path"),
    ("POST", "transfers", UP, "permId"),
    ("POST", "requirements", PAPERS, "notebook_path"),
    ("POST", "requirements", PAPERS, "requirements_filename"),
    ("POST", "conns", {"name": "new"}, "url"),
    ("POST", "conns", {"name": "key", "url": "sftp://h"}, "key_file"),
    ("POST", "conns", {"name": "ca", "url": "https://h"}, "ca_file"),
    ("PUT", "conn/far", {"action": "mount"}, "mountpoint"),
]
PATHS = [
    *("GET tail/file:", "GET conn/here/browse/", "GET dataset/here/", "GET content/here/d/"),
    *("GET dataset/here/d/", "POST dataset/here/d/", "GET recording/file:"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start_server(tmp_path_factory.mktemp("long"))
    (server.root / "d").mkdir()
    (server.root / "d" / "f").write_text("x")
    try:
        assert ask(server, "POST", "conns", {"name": "here", "url": "."}) == 201
        assert ask(server, "POST", "conns", {"name": "far", "url": "sftp://127.0.0.1:1"}) == 201
        yield server
    finally:
        server.stop()


def ask(server: Server, method: str, path: str, body: Any = None) -> int:
    at = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(at.hostname), at.port, timeout=60)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, f"{at.path}bridge/{path}", content, server.headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("name", NAMES)
def test_no_file_has_this_name(server: Server, name: str) -> None:
    """It is never an internal error, in each field and each route that takes a path."""
    text = NAMES[name]
    for method, path, body, field in BODIES:
        status = ask(server, method, path, {**body, field: text})
        assert status in (501, *range(200, 500)), (method, path, field)
    for method, path in (one.split(" ") for one in PATHS):
        full = path + quote(text.encode("utf-8", "surrogatepass"), safe="")
        status = ask(server, method, full, {} if method == "POST" else None)
        assert 400 <= status < 500, (method, path)
