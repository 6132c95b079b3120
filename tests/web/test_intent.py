"""A GET that changes something is done only if it was meant; judged by what it changed.

Every such route of the route tables, in every way that a browser or another client can ask for it.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tornado.httputil import HTTPHeaders

from jupyter_bridge.web.proof import is_own_fetch
from tests.simulators.openbis.simulator import Simulator
from tests.web import intent
from tests.web.intent import FOREIGN, SCRIPT, Way
from tests.web.test_access import VERBS, Client, Verb, named, serve

CHANGING_GETS = [verb for verb in VERBS if verb.proof]
# The tables of names are made before there is a server: these stand for what it will say.
REFUSED = tuple(intent.refused("http://x/lab/tree/a.ipynb"))
SCRIPTS = tuple(intent.scripts())
PROVEN = tuple(intent.proven("", ""))


class Host:
    """One server, a browser that is logged in there, and all that the GETs could change."""

    def __init__(self, client: Client, perm_id: str) -> None:
        self._client = client
        self._perm_id = perm_id
        at = client.at
        self.page = f"{at.scheme}://{at.netloc}{at.path}lab/tree/a.ipynb"
        self.ways = {
            **intent.refused(self.page),
            **intent.scripts(),
            **intent.proven(client.token, client.xsrf),
        }

    def url(self, verb: Verb) -> str:
        """The route with names for which it would change something."""
        conn, perm_id = ("lab", "a") if verb.top else ("bis", self._perm_id)
        names = {"kernelspec": "python3", "conn": conn, "perm_id": perm_id, "path": "got"}
        if "{kernel_id}" in verb.path:
            names["kernel_id"] = self.a_kernel()
        return verb.url(**names)

    def ask(self, verb: Verb, way: Way, method: str = "GET", *, logged_in: bool = True) -> Any:
        """Status and body of the answer."""
        return self.send(method, self.url(verb), way, logged_in=logged_in)

    def send(self, method: str, path: str, way: Way, *, logged_in: bool = True) -> Any:
        at = self._client.at
        line = http.client.HTTPConnection(str(at.hostname), at.port, timeout=60)
        cookie = {"Cookie": self._client.cookie} if logged_in else {}
        query = f"?{way.query}" if way.query else ""
        try:
            line.request(method, f"{at.path}{path[1:]}{query}", headers=cookie | way.headers)
            answer = line.getresponse()
            return answer.status, answer.read()
        finally:
            line.close()

    def kernels(self) -> list[str]:
        status, body = self._client.call("GET", "/api/kernels", "token")
        assert status == 200
        return sorted(kernel["id"] for kernel in json.loads(body))

    def a_kernel(self) -> str:
        """One that runs; started if there is none."""
        for kernel_id in self.kernels():
            return kernel_id
        status, body = self._client.call("POST", "/api/kernels", "token", {"name": "python3"})
        assert status == 201, body
        return str(json.loads(body)["id"])

    def state(self) -> Any:
        """The kernels, the files below the root, and which things the bridge knows."""
        files = sorted(str(path) for path in self._client.root.rglob("*"))
        known = []
        for path, name in (("conns", "name"), ("consoles", "name"), ("transfers", "transfer")):
            status, body = self._client.call("GET", f"/bridge/{path}", "token")
            assert status == 200, body
            told = json.loads(body)
            told = told["connections"] if path == "conns" else told
            known.append([(one[name], one["state"]) for one in told])
        return self.kernels(), files, known

    def clean(self) -> None:
        """Stop all kernels but one, and remove what was downloaded."""
        for kernel_id in self.kernels()[1:]:
            self._client.call("DELETE", f"/api/kernels/{kernel_id}", "token")
        shutil.rmtree(self._client.root / "got", ignore_errors=True)


@pytest.fixture(scope="module")
def openbis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("openbis")) as simulator:
        yield simulator


Start = Callable[..., Host]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, openbis: Simulator) -> Iterator[Start]:
    """Start a server with the given options; the same options give the same server."""
    hosts: dict[tuple[str, ...], Host] = {}
    running: list[Iterator[Client]] = []
    data_set = openbis.store.add({"one.txt": b"one"})

    def start(*options: str) -> Host:
        if options not in hosts:
            folder = tmp_path_factory.mktemp("intent")
            running.append(serve(folder, "--BridgeApp.allow_loopback=True", *options))
            client = next(running[-1])
            login = {"url": openbis.url, "username": "ada", "password": "secret"}
            about = {"name": "bis", "kind": "openbis", **login}
            status, body = client.call("POST", "/bridge/conns", "token", about)
            assert status == 201, body
            hosts[options] = Host(client, data_set.perm_id)
        return hosts[options]

    yield start
    for server in running:
        for _ in server:
            pass


ORIGINS = {"plain": (), "allow_origin='*'": ("--ServerApp.allow_origin=*",)}


@pytest.fixture(params=ORIGINS)
def host(request: pytest.FixtureRequest, start: Start) -> Iterator[Host]:
    host = start(*ORIGINS[request.param])
    host.a_kernel()
    yield host
    host.clean()


def test_the_table_is_whole() -> None:
    """Every GET that is asked more than to read is in the matrix; each changes a known thing."""
    changing = [verb for verb in VERBS if verb.method == "GET" and verb.action != "read"]
    assert changing == CHANGING_GETS
    kinds = {re.split(r"[/{]+", verb.path.removeprefix("/openbis"))[1] for verb in CHANGING_GETS}
    assert kinds == {"spawn", "shutdown", "dataset"}
    assert [verb for verb in CHANGING_GETS if not verb.top], "the older routes are not in it"


@pytest.mark.parametrize("way", REFUSED)
def test_what_proves_nothing(host: Host, way: str) -> None:
    """It is refused with a sentence, and changes nothing, whatever `allow_origin` is."""
    before = host.state()
    answers = {named(verb): host.ask(verb, host.ways[way]) for verb in CHANGING_GETS}
    assert host.state() == before
    for name, (status, body) in answers.items():
        assert status == 403, (name, body)
        assert json.loads(body)["reason"]


@pytest.mark.parametrize("verb", CHANGING_GETS, ids=named)
@pytest.mark.parametrize("way", [*SCRIPTS, *PROVEN])
def test_what_proves_it(host: Host, verb: Verb, way: str) -> None:
    """A token, the XSRF token and a script's own fetch are let in, and the GET does its work."""
    before = host.state()
    status, body = host.ask(verb, host.ways[way])
    assert status == 200, body
    assert host.state() != before


@pytest.mark.parametrize("verb", CHANGING_GETS, ids=named)
@pytest.mark.parametrize("way", [*SCRIPTS, "XSRF token", "XSRF token, query"])
def test_proof_is_no_login(host: Host, verb: Verb, way: str) -> None:
    """Whoever is not logged in changes nothing, whatever else is shown."""
    before = host.state()
    status, _ = host.ask(verb, host.ways[way], logged_in=False)
    assert status == 403
    assert host.state() == before


@pytest.mark.parametrize("verb", CHANGING_GETS, ids=named)
def test_the_host_can_switch_it_off(start: Start, verb: Verb) -> None:
    """With `disable_check_xsrf` a cookie alone is enough, as on the host's own routes."""
    host = start("--ServerApp.disable_check_xsrf=True")
    before = host.state()
    assert host.ask(verb, Way())[0] == 200
    assert host.state() != before
    host.clean()


OTHER_DOORS = {
    "HEAD": ("HEAD", Way()),
    "OPTIONS": ("OPTIONS", Way()),
    "OPTIONS, preflight": (
        "OPTIONS",
        Way({"Origin": FOREIGN, "Access-Control-Request-Method": "POST"}),
    ),
    "X-HTTP-Method-Override": ("GET", Way({"X-HTTP-Method-Override": "POST"})),
    "_method": ("GET", Way(query="_method=DELETE")),
    "POST": ("POST", Way()),
    "POST, script": ("POST", Way(SCRIPT)),
    "POST, override": ("POST", Way({"X-HTTP-Method-Override": "GET"})),
    "DELETE, script": ("DELETE", Way(SCRIPT)),
}


@pytest.mark.parametrize("door", OTHER_DOORS)
def test_no_other_door(host: Host, door: str) -> None:
    """No other method, and no word for another one, changes anything by a cookie and own Referer.

    Every route that has a changing verb. The host lets a Referer pass for proof on GET and HEAD.
    """
    method, way = OTHER_DOORS[door]
    way = Way({"Referer": host.page, **way.headers}, way.query)
    before = host.state()
    for verb in VERBS:
        if not verb.changes:
            continue
        status, body = host.ask(verb, way, method)
        assert status in (200, 204, 403, 404, 405), (named(verb), status, body)
        assert status != 200 or method == "GET" or not body, (named(verb), body)
    assert host.state() == before


@pytest.mark.parametrize("verb", [verb for verb in VERBS if not verb.changes], ids=named)
def test_reading_changes_nothing(host: Host, verb: Verb) -> None:
    """Every other GET may be an image in a page: it starts, writes and ends nothing."""
    before = host.state()
    host.ask(verb, Way({"Referer": host.page}))
    assert host.state() == before


def test_is_own_fetch() -> None:
    """All three headers have to be right, whatever the case of their names; prefetching is not."""
    assert is_own_fetch(HTTPHeaders({name.lower(): value for name, value in SCRIPT.items()}))
    for way in intent.refused("http://x/lab/tree/a.ipynb").values():
        assert not is_own_fetch(HTTPHeaders(way.headers)), way
    for way in intent.scripts().values():
        assert is_own_fetch(HTTPHeaders(way.headers)), way
