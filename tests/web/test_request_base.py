"""Who may in: tokens, cookies, XSRF, Referer, Origin; nobody is sent to a login page."""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import SimpleCookie

import aiohttp
import pytest
from jupyter_server.auth import IdentityProvider, User
from jupyter_server.auth.identity import LegacyIdentityProvider, PasswordIdentityProvider
from jupyter_server.auth.login import LegacyLoginHandler
from tornado.httputil import HTTPHeaders

from jupyter_bridge.web.request_base import RequestBase, identity_of, subprotocols_of
from tests.conftest import Server
from tests.support.kernel_client import Bridge, expect_problem
from tests.web.intent import SCRIPT

ROUTES = [
    ("GET", "/"),
    ("GET", "/openapi.json"),
    ("GET", "/kernels"),
    ("GET", "/kernels/{id}"),
    ("POST", "/spawn/python3"),
    ("GET", "/spawn/python3"),
    ("POST", "/shutdown/{id}"),
    ("DELETE", "/shutdown/{id}"),
    ("GET", "/shutdown/{id}"),
    ("POST", "/interrupt/{id}"),
    ("POST", "/restart/{id}"),
    ("POST", "/execute/{id}"),
    ("POST", "/execute?kernel=python3"),
    ("GET", "/executions/x"),
    ("DELETE", "/executions/x"),
    ("POST", "/executions/x/input"),
    ("GET", "/no-such-route"),
]
SOCKETS = ["channels", "shell", "iopub", "stdin", "stdio", "control"]
CHANGES = [(m, p) for m, p in ROUTES if m != "GET"]


async def log_in(server: Server) -> dict[str, str]:
    """The cookies of a browser that logged in at the host's page."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        async with session.get(server.url + "login") as page:
            xsrf = page.cookies["_xsrf"].value
        async with session.post(
            server.url + "login",
            data={"password": server.token, "_xsrf": xsrf},
            headers={"Cookie": f"_xsrf={xsrf}"},
            allow_redirects=False,
        ) as answer:
            assert answer.status == 302, await answer.text()
            cookies: SimpleCookie = answer.cookies
            found = {name: morsel.value for name, morsel in cookies.items() if morsel.value}
    assert any(name.startswith("username-") for name in found), found
    return {"_xsrf": xsrf, **found}


@pytest.fixture
def browser(
    bridge_server: Server, connect: Callable[..., Bridge], jp_asyncio_loop: object
) -> tuple[Bridge, str]:
    """A client with a login cookie and nothing else, and its XSRF token."""
    cookies = jp_asyncio_loop.run_until_complete(log_in(bridge_server))  # type: ignore[attr-defined]
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return connect(bridge_server, {"Cookie": header}), cookies["_xsrf"]


# -- unknown -----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["True", "False"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "token wrong"}], ids=["none", "wrong"])
async def test_unknown_user(
    servers: Callable[..., Server],
    connect: Callable[..., Bridge],
    option: str,
    headers: dict[str, str],
) -> None:
    """Without credentials every route and verb is a 403 Problem, and never a redirect."""
    server = servers(f"--ServerApp.allow_unauthenticated_access={option}")
    stranger = connect(server, headers)
    for method, path in ROUTES:
        answer = await stranger.call(method, path.format(id="x"))
        assert answer.status == 403, (method, path, answer)
        assert answer.json["error"] == "denied"
    for seat in SOCKETS:
        expect_problem(await stranger.handshake(f"/{seat}/x"), 403, "denied")
    known = connect(server)
    assert (await known.get("/kernels")).json == []


async def test_token_in_the_query(bridge: Bridge, bridge_server: Server) -> None:
    """The token may stand in the query, as everywhere on the host."""
    answer = await bridge.get(
        f"/kernels?token={bridge_server.token}", headers={"Authorization": ""}
    )
    assert answer.status == 200


# -- cookies -----------------------------------------------------------------------------------


async def test_cookie_reads(browser: tuple[Bridge, str]) -> None:
    """A login cookie is enough to read."""
    client, _ = browser
    assert (await client.get("/kernels")).status == 200
    assert (await client.get("/openapi.json")).status == 200


@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_cookie_without_xsrf(
    browser: tuple[Bridge, str], method: str, path: str, kernel: str
) -> None:
    """A cookie alone changes nothing: 403 on every state change, whatever its Referer."""
    client, _ = browser
    same = {"Referer": client.server.url + "lab"}
    for headers in ({}, same):
        answer = await client.call(method, path.format(id=kernel), {"code": "1"}, headers=headers)
        expect_problem(answer, 403, "denied")
    assert kernel in [m["id"] for m in (await client.get("/kernels")).json]


async def test_cookie_with_xsrf(browser: tuple[Bridge, str]) -> None:
    """Cookie and XSRF token, in the header or as an argument, may do what a token may."""
    client, xsrf = browser
    proof = {"X-XSRFToken": xsrf}
    spawned = await client.post("/spawn/python3", {}, headers=proof)
    assert spawned.status == 201
    kernel_id = spawned.json["id"]
    run = await client.post(f"/execute/{kernel_id}?_xsrf={xsrf}", {"code": "1"})
    assert run.json["status"] == "ok"
    wrong = await client.post(f"/interrupt/{kernel_id}", headers={"X-XSRFToken": "2|nonsense"})
    expect_problem(wrong, 403, "denied")
    assert (await client.delete(f"/shutdown/{kernel_id}", headers=proof)).status == 200


@pytest.mark.parametrize("path", ["/spawn/python3", "/shutdown/{id}"])
@pytest.mark.parametrize(
    "referer", [None, "http://evil.example/page", "http://127.0.0.1:1/", "{server}lab"]
)
async def test_changing_get_without_proof(
    browser: tuple[Bridge, str], path: str, referer: str | None, kernel: str
) -> None:
    """GET spawn and shutdown with a cookie alone are 403, whatever page asks."""
    client, _ = browser
    before = (await client.get("/kernels")).json
    headers = {"Referer": referer.format(server=client.server.url)} if referer else {}
    answer = await client.get(path.format(id=kernel), headers=headers)
    expect_problem(answer, 403, "denied")
    assert [m["id"] for m in (await client.get("/kernels")).json] == [m["id"] for m in before]


@pytest.mark.parametrize("proof", ["script", "header"])
async def test_changing_get_with_proof(browser: tuple[Bridge, str], proof: str) -> None:
    """GET spawn and shutdown work for a script of this origin or with the XSRF token."""
    client, xsrf = browser
    headers = {"script": SCRIPT, "header": {"X-XSRFToken": xsrf}}[proof]
    answer = await client.get("/spawn/python3", headers=headers)
    assert answer.status == 200
    kernel_id = answer.json["kernelId"]
    answer = await client.get(f"/shutdown/{kernel_id}", headers=headers)
    assert answer.json == {"id": kernel_id, "kernelId": kernel_id}


async def test_changing_get_with_a_token(bridge: Bridge) -> None:
    """GET spawn and shutdown work with a token, which proves the intent by itself."""
    answer = await bridge.get("/spawn/python3")
    assert answer.status == 200
    assert (await bridge.get(f"/shutdown/{answer.json['id']}")).status == 200


# -- origins -----------------------------------------------------------------------------------


async def test_websocket_origin(browser: tuple[Bridge, str], kernel: str) -> None:
    """A cookie opens a websocket from this server's pages and from no others."""
    client, _ = browser
    for seat in SOCKETS:
        answer = await client.handshake(f"/{seat}/{kernel}", Origin="http://evil.example")
        expect_problem(answer, 403, "denied")
    own = {"Origin": client.server.url.rstrip("/")}
    async with client.seat(kernel, headers=own) as seat_:
        assert await seat_.run("1")


async def test_http_origin(browser: tuple[Bridge, str]) -> None:
    """A foreign origin reads nothing with a cookie, and gets no CORS headers."""
    client, _ = browser
    answer = await client.get("/kernels", headers={"Origin": "http://evil.example"})
    expect_problem(answer, 403, "denied")
    assert "Access-Control-Allow-Origin" not in answer.headers


# -- pieces ------------------------------------------------------------------------------------


def test_subprotocols_of() -> None:
    """The offered subprotocols are a list, however they are spaced."""
    headers = HTTPHeaders({"Sec-WebSocket-Protocol": " a ,b,, c"})
    assert subprotocols_of(headers) == ["a", "b", "c"]


class ByToken(IdentityProvider):
    async def get_user_token(self, handler: object) -> None:
        return None


class ByProxy(PasswordIdentityProvider):
    def get_user(self, handler: object) -> User | None:
        return None


class ByLogin(LegacyLoginHandler):
    @classmethod
    def get_user(cls, handler: object) -> str:
        return "named"


class OldLogin(LegacyLoginHandler):
    """A page of one's own; the users are the host's."""


# Who finds the user; whether a token is needed; whether the request had it; whether users are one.
PROVIDERS: dict[str, tuple[IdentityProvider, bool, bool]] = {
    "the host's, by a token": (IdentityProvider(token="x"), True, True),
    "the host's, by a cookie": (IdentityProvider(token="x"), False, False),
    "the host's, by a password": (
        PasswordIdentityProvider(token="", hashed_password="a"),
        False,
        False,
    ),
    "the host's, without a password": (PasswordIdentityProvider(token=""), False, True),
    "tokens with names": (ByToken(token="x"), True, False),
    "a proxy's header, without a login": (ByProxy(token=""), False, False),
    "a proxy's header, with a token": (ByProxy(token="x"), True, False),
    "an older login page": (LegacyIdentityProvider(login_handler_class=OldLogin), True, True),
    "an older login with names": (LegacyIdentityProvider(login_handler_class=ByLogin), True, False),
}


@pytest.mark.parametrize("who", PROVIDERS)
def test_identity(who: str) -> None:
    """Users whom the host invents for a shared token are one; those with a name are not."""
    provider, by_token, are_one = PROVIDERS[who]

    class Handler:
        token_authenticated = by_token
        identity_provider = provider

        class current_user:  # noqa: N801
            username = "named"

    assert identity_of(Handler()) == ("" if are_one else "named")  # type: ignore[arg-type]
    assert RequestBase.resources == ("bridge",)
