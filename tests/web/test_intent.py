"""A GET that changes something is done only where the user, or a script of the page, meant it."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import pytest

from tests.web.test_access import FOREIGN, VERBS, Client, Verb, named, serve

# What a script of this origin sends with fetch(); a page can change none of it.
OWN = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"}
# What a browser sends with a request that a page only names, by the page's element.
ELEMENTS = {
    "image": ("image", "no-cors"),
    "image with crossorigin": ("image", "cors"),
    "frame": ("iframe", "navigate"),
    "document": ("document", "navigate"),
    "style": ("style", "no-cors"),
    "script": ("script", "no-cors"),
    "font": ("font", "cors"),
    "video": ("video", "no-cors"),
    "object": ("object", "navigate"),
    "prefetch": ("empty", "no-cors"),
}


def situations(client: Client) -> dict[str, tuple[dict[str, str], bool]]:
    """The headers of each situation, and whether they prove the intent."""
    same = {"Referer": f"{client.url}lab/tree/somebody.ipynb"}
    own = {
        f"own script without {left_out}": (
            {name: value for name, value in OWN.items() if name != left_out} | same,
            False,
        )
        for left_out in OWN
    }
    elements = {
        name: (
            {**same, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": to, "Sec-Fetch-Mode": mode},
            False,
        )
        for name, (to, mode) in ELEMENTS.items()
    }
    return {
        "cookie": ({}, False),
        "Referer of this server": (same, False),
        "Referer of another site": ({"Referer": f"{FOREIGN}/page"}, False),
        "Origin of this server": ({"Origin": client.url.rstrip("/"), **same}, False),
        "bad XSRF token": ({"X-XSRFToken": "2|aaaa|bbbb|0"}, False),
        "script of another site": ({**OWN, "Sec-Fetch-Site": "cross-site"}, False),
        "script of the same site": ({**OWN, "Sec-Fetch-Site": "same-site"}, False),
        "typed by the user": ({**OWN, "Sec-Fetch-Site": "none"}, False),
        "prefetch by a script's header": ({**OWN, "Sec-Purpose": "prefetch"}, False),
        "prefetch of an older browser": ({**OWN, "Purpose": "prefetch"}, False),
        **elements,
        **own,
        "own script": (OWN, True),
        "own script, mode same-origin": ({**OWN, "Sec-Fetch-Mode": "same-origin"}, True),
        "own script, another Referer": ({**OWN, "Referer": f"{FOREIGN}/page"}, True),
        "XSRF token": ({"X-XSRFToken": client.xsrf}, True),
        "token": ({"Authorization": f"token {client.token}"}, True),
    }


def get(client: Client, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """A GET with the browser's cookies and these headers."""
    at = urlsplit(client.url)
    line = http.client.HTTPConnection(str(at.hostname), at.port, timeout=60)
    try:
        line.request("GET", f"{at.path}{path[1:]}", headers=client.headers("cookie") | headers)
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


PROVEN = [verb for verb in VERBS if verb.proof]


def test_the_routes() -> None:
    """The kept GETs of older clients, and nothing else that is read-only by its method."""
    assert {named(verb) for verb in PROVEN} == {
        "GET /bridge/spawn/{kernelspec}",
        "GET /bridge/shutdown/{kernel_id}",
        "GET /bridge/dataset/{conn}/{perm_id}/{path}",
        "GET /openbis/dataset/{conn}/{perm_id}/{path}",
    }
    assert all(verb.proof for verb in VERBS if verb.method == "GET" and verb.action != "read")


@pytest.fixture(scope="module", params=["", "*"], ids=["own origin", "any origin"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A server; a second one lets every origin in, which is no proof either."""
    yield from serve(tmp_path_factory.mktemp("intent"), f"--ServerApp.allow_origin={request.param}")


def target(client: Client, verb: Verb) -> str:
    """The address of something that the route would change."""
    shutil.rmtree(client.root / "down", ignore_errors=True)
    if "shutdown" in verb.path:
        running = kernels(client)
        if not running:
            assert client.call("POST", "/bridge/spawn/python3", "token")[0] == 201
            running = kernels(client)
        return verb.url(kernel_id=running[0])
    return verb.url(kernelspec="python3", path=quote(str(client.root / "down"), safe=""))


def kernels(client: Client) -> list[str]:
    status, body = client.call("GET", "/bridge/kernels", "token")
    assert status == 200
    return sorted(kernel["id"] for kernel in json.loads(body))


def state(client: Client) -> object:
    """The kernels, and every file below the root."""
    return kernels(client), sorted(str(path) for path in client.root.rglob("*"))


@pytest.mark.parametrize("verb", PROVEN, ids=named)
def test_who_may_change(client: Client, verb: Verb) -> None:
    """In every situation without proof the answer is 403 and nothing changes; with it, it does."""
    for name, (headers, proves) in situations(client).items():
        path = target(client, verb)
        before = state(client)
        status, body = get(client, path, headers)
        if not proves:
            assert status == 403, (name, status, body)
            assert state(client) == before, name
            continue
        # jupyter-openbis-server's routes know openBIS connections alone: `lab` is not found there.
        assert status == (404 if verb.path.startswith("/openbis") else 200), (name, status, body)
        assert (state(client) != before) == (status == 200), name
    status, body = get(client, f"{target(client, verb)}?_xsrf={quote(client.xsrf)}", {})
    assert status != 403, body
    for kernel in kernels(client):
        assert client.call("DELETE", f"/bridge/shutdown/{kernel}", "token")[0] == 200
