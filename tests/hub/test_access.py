"""Every route and verb of users' servers under a real hub, with every kind of proof."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import Server
from tests.support.hub import ACCESS, RunningHub, needs_hub
from tests.support.hub_browser import Session, log_in
from tests.web import intent
from tests.web.intent import Way
from tests.web.test_access import BODIES, NO_BODY, VERBS, Verb, named

pytestmark = [needs_hub, pytest.mark.timeout(300)]

VISIT = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}
FETCH = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}


class Client:
    """Plain HTTP to mia's server through the proxy, as whoever the test says."""

    def __init__(self, hub: RunningHub, server: Server, browser: Session) -> None:
        self.server = server
        self._at = urlsplit(server.url)
        self.browser = browser
        cookie = {"Cookie": browser.cookie}
        proven = {**cookie, "X-XSRFToken": browser.xsrf}
        stranger = hub.user_token("tom", ACCESS)
        scopeless = hub.user_token("mia", ["read:users:name!user"])
        self.headers = {
            "nothing": {},
            "wrong token": {"Authorization": "token wrong"},
            "another user's token": {"Authorization": f"token {stranger}"},
            "token without the scope": {"Authorization": f"token {scopeless}"},
            "token": {"Authorization": f"token {server.token}"},
            "cookie": cookie,
            "cookie, a link followed": {**cookie, **VISIT, "Referer": "http://evil.example/"},
            "cookie, a link of another user's": {
                **cookie,
                **VISIT,
                "Sec-Fetch-Site": "same-origin",
                "Referer": f"{hub.url}user/tom/files/page.html",
            },
            "cookie, bad xsrf": {**cookie, "X-XSRFToken": "2|aaaa|bbbb|0"},
            "cookie, fetched": {**cookie, **FETCH},
            "cookie, xsrf": proven,
            "cookie, xsrf, fetched": {**proven, **FETCH},
        }

    def call(self, method: str, path: str, how: str, body: Any = None) -> tuple[int, Any]:
        line = http.client.HTTPConnection(str(self._at.hostname), self._at.port, timeout=60)
        try:
            content = None if method == "GET" else json.dumps(body or {})
            line.request(method, f"{self._at.path}{path[1:]}", content, self.headers[how])
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    def visit(self, path: str, way: Way) -> tuple[int, Any]:
        """A GET of the browser's, with its cookies and what the way adds."""
        line = http.client.HTTPConnection(str(self._at.hostname), self._at.port, timeout=60)
        query = f"?{way.query}" if way.query else ""
        headers = {"Cookie": self.browser.cookie, **way.headers}
        try:
            line.request("GET", f"{self._at.path}{path[1:]}{query}", headers=headers)
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    def state(self) -> Any:
        """All that a refused request may not have changed."""
        told = []
        for path in ("/bridge/conns", "/bridge/consoles", "/bridge/kernels"):
            status, body = self.call("GET", path, "token")
            assert status == 200, body
            told.append(json.loads(body))
        return told, sorted(path.name for path in self.server.root.iterdir() if path.suffix)


@pytest.fixture(scope="module")
def client(hub: RunningHub) -> Iterator[Client]:
    server = hub.server_of("mia")
    store = server.root / "store"
    (store / "a").mkdir(parents=True)
    (store / "a" / "one.txt").write_text("one")
    client = Client(hub, server, asyncio.run(log_in(hub, "mia")))
    body = {"name": "lab", "url": str(store)}
    assert client.call("POST", "/bridge/conns", "token", body)[0] == 201
    yield client
    assert client.call("DELETE", "/bridge/conn/lab", "token")[0] == 200


LET_IN = ("token", "cookie, xsrf", "cookie, xsrf, fetched")
READING = (
    "cookie",
    "cookie, a link followed",
    "cookie, a link of another user's",
    "cookie, bad xsrf",
)
REFUSED = (
    "nothing",
    "wrong token",
    "another user's token",
    "token without the scope",
    "cookie, fetched",
)


@pytest.mark.parametrize("how", [*LET_IN, *READING, *REFUSED])
@pytest.mark.parametrize("verb", VERBS, ids=named)
def test_who_is_let_in(client: Client, verb: Verb, how: str) -> None:
    """The user's token and session pass; others' do not, nor a change that a page elsewhere asks.

    A hub refuses a page's own reading, too, where its fetch does not show the XSRF token.
    """
    if how in LET_IN or (how in READING and not verb.changes):
        names = {"name": "absent", "conn": "absent"} if verb.changes else {}
        status, body = client.call(verb.method, verb.url(**names), how, NO_BODY)
        assert status != 403, body
        assert b"internal" not in body
        return
    before = client.state()
    status, body = client.call(verb.method, verb.url(), how, BODIES.get((verb.method, verb.path)))
    assert status == 403, body
    told = json.loads(body)
    assert told["reason"]
    if verb.top:
        assert told["error"] == "denied"
    assert client.state() == before


# A hub takes no token from an address, unless it is told to, and no script's word without the XSRF
# token, as all its users' pages may have one origin.
PROVING = tuple(way for way in intent.proven("", "") if way != "token, query")
PROVING_NOTHING = (*intent.refused("http://x/lab/a"), *intent.scripts(), "token, query")


@pytest.fixture(scope="module")
def kernel(client: Client) -> Iterator[str]:
    """One that a GET could shut down."""
    status, body = client.call("POST", "/bridge/spawn/python3", "token")
    assert status == 201, body
    kernel_id = str(json.loads(body)["id"])
    yield kernel_id
    client.call("DELETE", f"/bridge/shutdown/{kernel_id}", "token")


def ways(client: Client) -> dict[str, Way]:
    return {
        **intent.refused(f"{client.server.url}lab/tree/a.ipynb"),
        **intent.scripts(),
        **intent.proven(client.server.token, client.browser.xsrf),
    }


@pytest.mark.parametrize("way", PROVING_NOTHING)
def test_a_get_that_was_not_meant(client: Client, kernel: str, way: str) -> None:
    """The hub's check lets a followed link and an image pass; the bridge's refuses them."""
    names = {"kernelspec": "python3", "kernel_id": kernel, "path": "got"}
    before = client.state()
    for verb in VERBS:
        if verb.proof:
            status, body = client.visit(verb.url(**names), ways(client)[way])
            assert status == 403, (named(verb), body)
    assert client.state() == before
    assert not (client.server.root / "got").exists()


@pytest.mark.parametrize("way", PROVING)
def test_a_get_that_was_meant(client: Client, way: str) -> None:
    """The user's token and the XSRF token are proof under a hub, too: a file is written."""
    got = client.server.root / "got"
    status, body = client.visit("/bridge/dataset/lab/a/got", ways(client)[way])
    assert status == 200, body
    assert (got / "a/one.txt").read_text() == "one"
    shutil.rmtree(got)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if not verb.changes], ids=named)
def test_no_page_of_another_user_frames_it(client: Client, verb: Verb) -> None:
    """All users' pages may have one origin: no answer shows in a frame, or runs as a script."""
    line = http.client.HTTPConnection(client.server.url.split("/")[2], timeout=60)
    try:
        visit = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
        headers = {"Cookie": client.browser.cookie, **visit, "Sec-Fetch-Dest": "iframe"}
        line.request("GET", f"{urlsplit(client.server.url).path}{verb.url()[1:]}", headers=headers)
        answer = line.getresponse()
        policy = answer.headers.get("Content-Security-Policy", "")
        saved = answer.headers.get("Content-Disposition", "").startswith("attachment")
        assert "frame-ancestors 'none'" in policy or (saved and "sandbox" in policy)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    finally:
        line.close()


def test_the_matrix_is_whole(client: Client) -> None:
    """Every kind of proof is either let in, let in to read, or refused."""
    assert {*LET_IN, *READING, *REFUSED} == set(client.headers)


def test_the_links_lead_through_the_proxy(client: Client) -> None:
    """What the index and the document name stands below the user's own address."""
    for path in ("/bridge/", "/bridge/openapi.json"):
        assert client.call("GET", path, "token")[0] == 200
    index = json.loads(client.call("GET", "/bridge/", "token")[1])
    for link in (*index["parts"].values(), index["links"]["openapi"]):
        address = f"http://{urlsplit(client.server.url).netloc}{link}"
        request = urllib.request.Request(address, headers=client.server.headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
