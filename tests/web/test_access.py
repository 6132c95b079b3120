"""Every route and verb, with every kind of proof; generated from the route tables."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import pytest

from jupyter_bridge.connections import handlers as connections
from jupyter_bridge.consoles import handlers as consoles
from jupyter_bridge.kernels import handlers as relay
from jupyter_bridge.web import Route
from tests.conftest import Server, start_server
from tests.support.waiting import wait_until
from tests.web.test_request_base import log_in

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FOREIGN = "http://evil.example"
# Names that whoever owns them can have resolve to this machine.
REBOUND = ("evil.example", "evil.example:8888", "localhost.evil.example", "127.0.0.1.evil.example")
# What each would do to the connection `lab` if it were let in.
BODIES = {
    ("POST", "/conns"): {"name": "intruder", "url": "/"},
    ("PUT", "/conn/{name}"): {"action": "logout"},
    ("POST", "/consoles"): {"name": "intruder"},
    ("PATCH", "/consoles/{name}"): {"name": "intruder"},
    ("POST", "/run"): {"command": "touch intruder"},
    ("POST", "/openbis/conns"): {"name": "intruder", "url": "https://example.org"},
    ("POST", "/requirements"): {
        "notebook_path": "n.ipynb",
        "requirements_list": "",
        "requirements_filename": "requirements.txt",
        "runtime": "",
    },
}
SEATS = ("channels", "shell", "iopub", "stdin", "stdio", "control", "interact", "tail")
# What no route takes: whoever is let in changes nothing, either.
NO_BODY = {"no such field": 1}
NAMES = {"name": "lab", "conn": "lab", "perm_id": "a", "file": "one.txt", "path": "a"}


class Verb(NamedTuple):
    method: str
    top: str
    path: str
    action: str
    proof: bool

    @property
    def changes(self) -> bool:
        return self.method != "GET" or self.proof

    def url(self, **names: str) -> str:
        def fill(found: re.Match[str]) -> str:
            return {**NAMES, **names}.get(found[1], "x")

        return self.top + re.sub(r"\{(\w+)\}", fill, self.path)


def tables() -> list[Route]:
    """All routes, those of jupyter-openbis-server with them."""
    parts: Any = None
    return [
        *relay.routes(parts, parts, parts),
        *consoles.routes(parts, parts, parts),
        *connections.routes(*(parts,) * 5, "", openbis_compat=True),
    ]


def verbs() -> list[Verb]:
    return [
        Verb(method, route.top, route.path, handler.verb.action, handler.verb.proof)
        for route in tables()
        for method in METHODS
        if hasattr(handler := cast(Any, getattr(route.handler, method.lower(), None)), "verb")
    ]


VERBS = verbs()


class Client:
    """Plain HTTP to one server, with a browser's cookies or a token, as the test says."""

    def __init__(self, server: Server, cookies: dict[str, str]) -> None:
        self.at = urlsplit(server.url)
        self.token = server.token
        self.xsrf = cookies["_xsrf"]
        self.cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self.root = server.root

    def headers(self, how: str) -> dict[str, str]:
        cookie = {"Cookie": self.cookie}
        proven = {**cookie, "X-XSRFToken": self.xsrf}
        return {
            "nothing": {},
            "wrong token": {"Authorization": "token wrong"},
            "cookie": cookie,
            "cookie, foreign Referer": {**cookie, "Referer": f"{FOREIGN}/page"},
            "cookie, bad xsrf": {**cookie, "X-XSRFToken": "2|aaaa|bbbb|0"},
            "cookie, xsrf": proven,
            "cookie, xsrf, foreign Origin": {**proven, "Origin": FOREIGN},
            "token": {"Authorization": f"token {self.token}"},
            **{
                f"token, at {host}": {"Authorization": f"token {self.token}", "Host": host}
                for host in REBOUND
            },
        }[how]

    def call(self, method: str, path: str, how: str, body: Any = None) -> tuple[int, Any]:
        line = http.client.HTTPConnection(str(self.at.hostname), self.at.port, timeout=20)
        try:
            content: bytes | None = (
                body if isinstance(body, bytes) else json.dumps(body or {}).encode()
            )
            content = None if method == "GET" else content
            line.request(method, f"{self.at.path}{path[1:]}", content, self.headers(how))
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    def shake_hands(self, path: str, how: str) -> int:
        """The status of a websocket's handshake, with the proof and perhaps another Origin."""
        line = http.client.HTTPConnection(str(self.at.hostname), self.at.port, timeout=20)
        try:
            handshake = {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
                "Origin": f"http://{self.at.netloc}",
            }
            line.request("GET", f"{self.at.path}{path[1:]}", headers=handshake | self.headers(how))
            return line.getresponse().status
        finally:
            line.close()

    def state(self) -> Any:
        """All that a refused request may not have changed."""
        told = []
        for path in ("/bridge/conns", "/bridge/consoles", "/bridge/kernels"):
            status, body = self.call("GET", path, "token")
            assert status == 200
            told.append(json.loads(body))
        return told, sorted(path.name for path in self.root.iterdir())


def serve(folder: Path, *options: str, **env: str) -> Iterator[Client]:
    store = folder / "store"
    (store / "a").mkdir(parents=True)
    (store / "a" / "one.txt").write_text("one")
    (folder / "config").mkdir()
    config = folder / "config/bridge-connections.yaml"
    config.write_text(f"connections:\n- {{name: lab, url: {store}}}\n")
    path = Path(__file__).parents[2]
    server = start_server(
        folder,
        "--BridgeApp.openbis_compat=True",
        *options,
        env={"PYTHONPATH": str(path), **env},
    )
    try:
        client = Client(server, asyncio.run(log_in(server)))
        wait_until(
            lambda: b'"state":"connected"' in client.call("GET", "/bridge/conn/lab", "token")[1],
            "the login",
        )
        yield client
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
        "--ServerApp.authorizer_class=tests.support.denying.Denying",
        TEST_ALLOWED="read",
    )


def is_let_in(verb: Verb, how: str) -> bool:
    """Whether the page on security lets it in."""
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
    """Every HTTP route has a verb, and every verb that is not GET changes something."""
    bare = {route.top + route.path for route in tables()} - {v.top + v.path for v in VERBS}
    assert {path.split("/")[2] for path in bare} <= set(SEATS)
    assert all(verb.action != "read" for verb in VERBS if verb.method != "GET")


def named(verb: Verb) -> str:
    return f"{verb.method} {verb.top}{verb.path}"


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("verb", VERBS, ids=named)
def test_who_is_let_in(client: Client, verb: Verb, how: str) -> None:
    """Each verb lets in whom the contract says; a refusal is 403 denied and changes nothing."""
    if is_let_in(verb, how):
        names = {"name": "absent", "conn": "absent"} if verb.changes else {}
        status, body = client.call(verb.method, verb.url(**names), how, NO_BODY)
        assert status != 403, body
        assert b"internal" not in body
        return
    before = client.state()
    status, body = client.call(verb.method, verb.url(), how, BODIES.get((verb.method, verb.path)))
    # The host itself answers a foreign Origin of a change with 404, before anything is looked up.
    assert status in ((403, 404) if "Origin" in how else (403,))
    told = json.loads(body)
    assert told["reason"]
    if verb.top:
        assert told["error"] == {403: "denied", 404: "not-found"}[status]
    assert client.state() == before


@pytest.mark.parametrize("verb", VERBS, ids=named)
def test_the_authorizer_is_asked(reader: Client, verb: Verb) -> None:
    """Where the authorizer allows reading alone, reading passes, all else is 403 and no change."""
    before = reader.state()
    body = BODIES.get((verb.method, verb.path))
    status, answer = reader.call(verb.method, verb.url(), "token", body)
    assert (status == 403) == (verb.action != "read"), answer
    assert reader.state() == before


@pytest.mark.parametrize("how", ["nothing", "cookie", "token"])
@pytest.mark.parametrize("path", ["/bridge/kernels", "/bridge/nothing", "/bridge/kernels/absent"])
def test_a_refusal_leaves_the_connection_open(client: Client, how: str, path: str) -> None:
    """Whatever the answer is, the next request goes over the same connection."""
    at = client.at
    line = http.client.HTTPConnection(str(at.hostname), at.port, timeout=20)
    try:
        line.connect()
        socket = line.sock
        for method in ("GET", "POST", "GET"):
            content = None if method == "GET" else b"{}"
            line.request(method, f"{at.path}{path[1:]}", content, client.headers(how))
            line.getresponse().read()
            assert line.sock is socket, method
    finally:
        line.close()


JUNK = {
    "text that is not UTF-8": b'{"name": "\xff", "command": "\xff", "url": "\xff"}',
    "a key of nobody's that is not UTF-8": b'{"name": "a", "url": "/", "no such field": "\xff"}',
    "a number of nobody's that is too large": b'{"name": "a", "url": "/", "no such field": 1e999}',
    "lists without end": b"[" * 100_000,
    "objects without end": b'{"name":' * 100_000,
    "half a body": b'{"name": "x',
    "values without end": b'{"props": {"a": [' + b"[]," * 300_000 + b"[]]}}",
    "NaN": b'{"timeout": NaN}',
    "no object": b"[1]",
}


@pytest.mark.parametrize("junk", JUNK)
def test_a_body_that_cannot_be_read(client: Client, junk: str) -> None:
    """Every route that reads one refuses it with a sentence; it is never an error of ours."""
    before = client.state()
    for verb in VERBS:
        if verb.method in ("POST", "PUT"):
            url = verb.url(name="absent", conn="absent")
            status, body = client.call(verb.method, url, "token", JUNK[junk])
            # The older routes skip the keys they do not know, as jupyter-openbis-server does.
            assert (400 if verb.top else 200) <= status < 500, (verb, status, body)
            if status >= 400:
                assert json.loads(body)["reason"]
    assert client.state() == before


SOCKETS = sorted(
    {route.top + re.sub(r"\{\w+\}", "absent", route.path) for route in tables()}
    & {f"/bridge/{seat}/absent" for seat in SEATS}
)


@pytest.mark.parametrize("host", REBOUND)
def test_a_name_that_leads_here_is_not_ours(client: Client, host: str) -> None:
    """A page whose name resolves to this machine later on (DNS rebinding) reaches no route."""
    before, how = client.state(), f"token, at {host}"
    for verb in VERBS:
        body = BODIES.get((verb.method, verb.path))
        assert client.call(verb.method, verb.url(), how, body)[0] == 403, verb
    for path in SOCKETS:
        assert client.shake_hands(path, how) == 403
    for path in ("/bridge/", "/bridge/openapi.json", "/bridge/no/such/route"):
        assert client.call("GET", path, how)[0] == 403
    assert client.call("GET", "/bridge/socket.io/?EIO=4&transport=polling", how)[0] == 403
    assert client.state() == before


# What the reply is to whoever is let in: there is no such kernel or console.
LET_IN = 404


def test_every_socket_is_in_the_matrix() -> None:
    """Every route that takes a websocket, and no other."""
    assert len(SOCKETS) == len(SEATS)


@pytest.mark.parametrize(
    ("how", "let_in"),
    [
        ("nothing", False),
        ("wrong token", False),
        ("cookie", True),
        ("cookie, xsrf, foreign Origin", False),
        ("token", True),
    ],
)
@pytest.mark.parametrize("path", SOCKETS)
def test_who_may_open_a_socket(client: Client, path: str, how: str, let_in: bool) -> None:
    """A cookie opens one from a page of this server alone; nobody unknown opens any."""
    assert client.shake_hands(path, how) == (LET_IN if let_in else 403)


@pytest.mark.parametrize("path", SOCKETS)
def test_the_authorizer_is_asked_for_a_socket(reader: Client, path: str) -> None:
    """Who may only read may watch; where a client types it is refused, before any look-up."""
    watches = path.split("/")[2] in ("channels", "iopub", "tail")
    assert reader.shake_hands(path, "token") == (LET_IN if watches else 403)


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server that lets nothing pass that does not say it needs no login."""
    yield from serve(
        tmp_path_factory.mktemp("strict"), "--ServerApp.allow_unauthenticated_access=False"
    )


def test_without_unauthenticated_access(strict: Client) -> None:
    """Everything is as it is without: refused without proof, and answered with a token."""
    for verb in VERBS:
        before = strict.call(verb.method, verb.url(name="absent", conn="absent"), "nothing")
        assert before[0] == 403, verb
        names = {"name": "absent", "conn": "absent"} if verb.changes else {}
        status, body = strict.call(verb.method, verb.url(**names), "token", NO_BODY)
        assert status != 403, (verb, body)
        assert status != 500 or not verb.top, (
            verb,
            body,
        )  # the older routes have 500s of their own
    for path in SOCKETS:
        assert strict.shake_hands(path, "nothing") == 403
        assert strict.shake_hands(path, "token") == LET_IN
    for path in ("/bridge/", "/bridge/openapi.json"):
        assert strict.call("GET", path, "nothing")[0] == 403
        assert strict.call("GET", path, "token")[0] == 200
    handshake = "/bridge/socket.io/?EIO=4&transport=polling"
    assert strict.call("GET", handshake, "wrong token")[0] in (401, 403)
    assert strict.call("GET", handshake, "token")[0] == 200
    assert strict.call("GET", "/bridge/no/such/route", "nothing")[0] in (403, 404)
