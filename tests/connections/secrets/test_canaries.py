"""Canaries: a secret goes in, and is looked for everywhere it must not come out."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.connector import Context, to_fields
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from tests.conftest import Server, start_server
from tests.support.waiting import wait_until

CANARY = "canary-5e5a7e-0123456789"
PLUGIN = """
from typing import Any
from jupyter_bridge.connections.connector import Connector, Fields, Login, Secret, WrongCredentials
from jupyter_bridge.connections.roles import CanBrowse
from jupyter_bridge.models.datasets import Item
from jupyter_bridge.problems import RemoteFailed

class ParrotFields(Fields):
    password: Secret | None = None
    token: Secret | None = None

class Parrot(Connector[ParrotFields], CanBrowse):
    kind, title, fields_type = "parrot", "Parrot", ParrotFields

    async def login(self) -> Login:
        self.context.log.debug("login as %s with %s", self.fields.username, self.fields.password)
        self.context.log.debug("fields %r", self.fields)
        if self.fields.username == "wrong":
            raise WrongCredentials(self.context.name)
        if self.fields.username == "broken":
            raise KeyError(self.fields.password)
        return Login(keep={"token": self.fields.password + "-minted"})

    async def probe(self) -> None:
        pass

    async def browse(self, path: str) -> list[Item]:
        raise ValueError(f"cannot browse with {self.fields.password}")
"""
METADATA = """Metadata-Version: 2.1
Name: parrot
Version: 1
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server at debug level, with a stranger's connector that says whatever it is told."""
    folder = tmp_path_factory.mktemp("canary")
    plugins = folder / "plugins"
    info = plugins / "parrot-1.dist-info"
    info.mkdir(parents=True)
    (plugins / "parrot.py").write_text(PLUGIN)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[jupyter_bridge.connectors]\nparrot = parrot:Parrot\n")
    config = folder / "config"
    config.mkdir()
    path = config / "bridge-connections.yaml"
    path.write_text(
        f"connections:\n- {{name: filed, kind: parrot, url: x, password: {CANARY}-file}}\n"
        f"- {{name: bad, kind: parrot, url: x, password: [{CANARY}-list]}}\n"
    )
    # Whatever the host's event logger is told.
    handler = f"logging.FileHandler({str(folder / 'events')!r})"
    (config / "jupyter_server_config.py").write_text(
        f"import logging\nc.EventLogger.handlers = [{handler}]\n"
    )
    server = start_server(
        folder, "--debug", "--BridgeApp.vault=file", env={"PYTHONPATH": str(plugins)}
    )
    yield server
    server.stop()


def call(server: Server, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}{path}", content, server.headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def seen_in_proc(pid: int) -> bool:
    folder = Path(f"/proc/{pid}")
    return any(CANARY.encode() in (folder / name).read_bytes() for name in ("cmdline", "environ"))


def test_no_canary_comes_out(server: Server) -> None:
    """No secret is in a reply, the log, events, metrics, the process table or a plain file."""
    replies = []

    def do(method: str, path: str, body: Any = None) -> int:
        status, reply = call(server, method, path, body)
        replies.append(reply)
        return status

    new = {"kind": "parrot", "url": "x", "remember": True, "password": f"{CANARY}-new"}
    assert do("POST", "bridge/conns", {"name": "good", "username": "jane", **new}) == 201
    assert do("POST", "bridge/conns", {"name": "good", **new}) == 409
    assert do("POST", "bridge/conns", {"name": "two", "username": "wrong", **new}) == 201
    assert do("POST", "bridge/conns", {"name": "three", "username": "broken", **new}) == 201
    assert do("POST", "bridge/conns", {"name": "four", **new, "password": [CANARY]}) == 400
    assert do("POST", "bridge/conns", {"name": "five", **new, "colour": CANARY}) == 400
    assert do("PUT", "bridge/conn/absent", {"password": CANARY}) == 404
    assert do("PUT", "bridge/conn/good", {"username": "wrong", "password": CANARY}) == 401
    assert do("PUT", "bridge/conn/good", {"username": "broken", "password": CANARY}) == 502
    assert do("PUT", "bridge/conn/good", {"username": "jane", "password": CANARY}) == 200
    assert do("GET", "bridge/conn/good/browse") == 500
    for path in (
        "bridge/conns",
        "bridge/conn/good",
        "bridge/kinds",
        "metrics",
        "bridge/openapi.json",
    ):
        assert do("GET", path) == 200
    with_secret = json.loads(call(server, "GET", "bridge/conns")[1])["connections"]
    assert {c["name"] for c in with_secret if c["has_secret"]} >= {"good", "filed"}
    wait_until(lambda: "login as jane with [secret]" in server.log.read_text(), "a line in the log")
    wait_until(
        lambda: '"action": "login"' in (server.root.parent / "events").read_text(), "an event"
    )
    assert not [reply for reply in replies if CANARY.encode() in reply]
    log = server.log.read_text()
    assert "fields ParrotFields(" in log
    assert CANARY not in log
    events = (server.root.parent / "events").read_text()
    assert CANARY not in events
    assert not seen_in_proc(server.process.pid)
    data = server.root.parent / "data"
    leaks = [
        path for path in data.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
    ]
    assert leaks == []
    assert json.loads((data / "jupyter_bridge/connections/connections.json").read_bytes())["good"]
    audit = (data / "jupyter_bridge/connections/audit.jsonl").read_text()
    assert '"outcome":"denied"' in audit, "among what was looked through"


def test_every_kinds_repr_is_clean(tmp_path: Path) -> None:
    """The fields of every installed kind hide their secrets in repr, str and rich's repr."""
    import logging

    from jupyter_bridge.connections.connector import secrets_of
    from jupyter_bridge.connections.connector_registry import ConnectorRegistry
    from jupyter_bridge.problems import Problem

    kinds = ConnectorRegistry()
    for name in kinds.names():
        try:
            connector = kinds.load(name)
        except Problem:
            continue
        secrets = secrets_of(connector.fields_type)
        given = {"url": "https://example.org", **dict.fromkeys(secrets, CANARY)}
        try:
            fields = to_fields(connector, given)
        except Problem:
            given["url"] = {"sftp": "sftp://example.org", "folder": "/"}[name]
            fields = to_fields(connector, given)
        context = Context("x", Outbound(AddressPolicy()), tmp_path, tmp_path, logging.getLogger())
        for text in (
            repr(fields),
            str(fields),
            f"{fields}",
            str(list(fields.__rich_repr__())),
            repr(connector(fields, context)),
            repr(context),
        ):
            assert CANARY not in text
    assert os.path.exists(tmp_path)
