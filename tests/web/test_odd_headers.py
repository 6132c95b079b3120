"""Headers that are no URLs are no reason for an internal error, and open no door."""

from __future__ import annotations

import http.client
from itertools import product
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from jupyter_bridge.web import BridgeHandler
from tests.conftest import Server
from tests.hostile.target import shaking
from tests.web.test_request_base import log_in

NOT_URLS = ["http://[x", "http://[::1", "//]["]
ROUTES = ["/bridge/kernels", "/bridge/tail/none", "/bridge/nothing", "/bridge/socket.io/?EIO=4"]


def ask(server: Server, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    line = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    try:
        line.request(method, path, headers=headers)
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


def alarms(server: Server, start: int) -> list[str]:
    text = server.log.read_bytes()[start:].decode()
    return [line for line in text.splitlines() if "Traceback" in line or "rror " in line]


@pytest.mark.parametrize("name", ["Referer", "Origin"])
async def test_a_header_that_is_no_url(bridge_server: Server, name: str) -> None:
    """Whoever asks, with whatever proof, is answered below 500, and the log has no traceback."""
    start = len(bridge_server.log.read_bytes())
    cookies = await log_in(bridge_server)
    cookie = {"Cookie": "; ".join(f"{key}={word}" for key, word in cookies.items())}
    for path, value, method in product(ROUTES, NOT_URLS, ("GET", "POST", "DELETE")):
        for proof, more in product(({}, bridge_server.headers, cookie), ({}, shaking())):
            headers = {**more, **proof, name: value}
            status, body = ask(bridge_server, method, path, headers)
            assert 400 <= status < 500 or (status == 200 and method == "GET"), body
    assert alarms(bridge_server, start) == []


async def test_an_origin_that_is_no_url_is_foreign(bridge_server: Server) -> None:
    """A cookie and an XSRF token from such an Origin are refused, as from any other site's."""
    cookies = await log_in(bridge_server)
    cookie = "; ".join(f"{key}={word}" for key, word in cookies.items())
    headers = {"Cookie": cookie, "X-XSRFToken": cookies["_xsrf"], "Origin": NOT_URLS[0]}
    status, body = ask(bridge_server, "POST", "/bridge/spawn/python3", headers)
    assert status in (403, 404), body
    for path in ("/bridge/tail/none", "/bridge/channels/none"):
        status, body = ask(bridge_server, "GET", path, {**shaking(), **headers})
        assert status == 403, body


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("lab:1", "lab:1"),
        ("my lab", "my%20lab"),
        ("a\r\nSet-Cookie: b=c", "a%0D%0ASet-Cookie:%20b%3Dc"),
        ("\u202e\ud800", "%E2%80%AE%3F"),
    ],
)
def test_a_remotes_name_is_no_header(name: str, quoted: str) -> None:
    """`Location` leads to a console or kernel whatever it is called, and says nothing else."""
    handler: Any = SimpleNamespace(base_url="/")
    assert BridgeHandler.link(handler, f"/consoles/{name}") == f"/bridge/consoles/{quoted}"
