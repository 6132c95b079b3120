"""Every connection route and verb, with every kind of proof; generated from the route table."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from jupyter_bridge.connections.handlers import routes
from tests.conftest import Server, start_server
from tests.web.test_door import log_in

METHODS = ("GET", "POST", "PUT", "DELETE")
FOREIGN = "http://evil.example"
# What each would do to the connection `lab` if it were let in.
BODIES = {
    ("POST", "/conns"): {"name": "intruder", "url": "/"},
    ("PUT", "/conn/{name}"): {"action": "logout"},
}
NAMES = {"name": "lab", "conn": "lab", "perm_id": "a", "file": "one.txt", "path": "a"}


class Verb(NamedTuple):
    method: str
    path: str
    action: str
    proof: bool

    @property
    def changes(self) -> bool:
        return self.method != "GET" or self.proof

    def url(self, **names: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: {**NAMES, **names}.get(found[1], "x"), self.path)


def verbs() -> list[Verb]:
    parts: Any = None
    return [
        Verb(method, route.path, handler.verb.action, handler.verb.proof)
        for route in routes(parts, parts, parts, parts, "")
        for method in METHODS
        if hasattr(handler := getattr(route.handler, method.lower()), "verb")
    ]


VERBS = verbs()


class Client:
    """Plain HTTP to one server, with a browser's cookies or a token, as the test says."""

    def __init__(self, server: Server, cookies: dict[str, str]) -> None:
        self._at = urlsplit(server.url)
        self._token = server.token
        self._xsrf = cookies["_xsrf"]
        self._cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self.root = server.root

    def headers(self, how: str) -> dict[str, str]:
        cookie = {"Cookie": self._cookie}
        proven = {**cookie, "X-XSRFToken": self._xsrf}
        return {
            "nothing": {},
            "wrong token": {"Authorization": "token wrong"},
            "cookie": cookie,
            "cookie, foreign Referer": {**cookie, "Referer": f"{FOREIGN}/page"},
            "cookie, bad xsrf": {**cookie, "X-XSRFToken": "2|aaaa|bbbb|0"},
            "cookie, xsrf": proven,
            "cookie, xsrf, foreign Origin": {**proven, "Origin": FOREIGN},
            "token": {"Authorization": f"token {self._token}"},
        }[how]

    def call(self, method: str, path: str, how: str, body: Any = None) -> tuple[int, Any]:
        line = http.client.HTTPConnection(str(self._at.hostname), self._at.port, timeout=20)
        try:
            content = None if method == "GET" else json.dumps(body or {})
            line.request(method, f"{self._at.path}bridge{path}", content, self.headers(how))
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    def state(self) -> Any:
        status, body = self.call("GET", "/conns", "token")
        assert status == 200
        return json.loads(body)


def serve(folder: Path, *options: str, **env: str) -> Iterator[Client]:
    store = folder / "store"
    (store / "a").mkdir(parents=True)
    (store / "a" / "one.txt").write_text("one")
    path = Path(__file__).parents[2]
    server = start_server(
        folder,
        f"--BridgeApp.connections=[{{'name': 'lab', 'url': '{store}'}}]",
        *options,
        env={"PYTHONPATH": str(path), **env},
    )
    try:
        yield Client(server, asyncio.run(log_in(server)))
    finally:
        server.stop()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    yield from serve(tmp_path_factory.mktemp("open"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server whose authorizer allows `read` alone."""
    yield from serve(
        tmp_path_factory.mktemp("reading"),
        "--ServerApp.authorizer_class=tests.connections.denying.Denying",
        TEST_ALLOWED="read",
    )


def is_let_in(verb: Verb, how: str) -> bool:
    """What API.md, section 1, says."""
    if how in ("token", "cookie, xsrf"):
        return True
    if how in ("cookie", "cookie, foreign Referer", "cookie, bad xsrf"):
        return not verb.changes
    return False


HOWS = [
    "nothing",
    "wrong token",
    "cookie",
    "cookie, foreign Referer",
    "cookie, bad xsrf",
    "cookie, xsrf",
    "cookie, xsrf, foreign Origin",
    "token",
]


def test_the_table_is_whole() -> None:
    """Every route has at least one verb, and every verb that is not GET changes something."""
    assert len({verb.path for verb in VERBS}) == len(routes(*[None] * 4, ""))  # type: ignore[arg-type]
    assert all(verb.action != "read" for verb in VERBS if verb.method != "GET")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: f"{verb.method} {verb.path}")
def test_who_is_let_in(client: Client, verb: Verb, how: str) -> None:
    """Each verb lets in whom the contract says; a refusal is 403 denied and changes nothing."""
    if is_let_in(verb, how):
        names = {"name": "absent", "conn": "absent"} if verb.changes else {}
        status, body = client.call(verb.method, verb.url(**names), how)
        assert status not in (403, 500), body
        return
    before = client.state()
    status, body = client.call(verb.method, verb.url(), how, BODIES.get((verb.method, verb.path)))
    # The host itself answers a foreign Origin of a change with 404, before anything is looked up.
    refusals = [(403, "denied"), *([(404, "not-found")] if "Origin" in how else [])]
    assert (status, json.loads(body)["error"]) in refusals
    assert client.state() == before


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: f"{verb.method} {verb.path}")
def test_the_authorizer_is_asked(reader: Client, verb: Verb) -> None:
    """Where the authorizer allows reading alone, reading passes, all else is 403 and no change."""
    before = reader.state()
    body = BODIES.get((verb.method, verb.path))
    status, answer = reader.call(verb.method, verb.url(), "token", body)
    assert (status == 403) == (verb.action != "read"), answer
    assert reader.state() == before
