"""A browser's session with a hub: login on its page, redirected to a user's server."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
from yarl import URL

from tests.support.hub import RunningHub


@dataclass
class Session:
    """The cookies that a browser sends to one server, as a header, and its XSRF token."""

    cookie: str
    xsrf: str


async def log_in(hub: RunningHub, user: str) -> Session:
    """Log in as `user` at the hub's page and visit that user's server."""
    # By default aiohttp ignores cookies of an IP address.
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        login = f"{hub.url}hub/login"
        async with session.get(login) as page:
            assert page.status == 200, await page.text()
        xsrf = jar.filter_cookies(URL(login))["_xsrf"].value
        sent = {"username": user, "password": "any", "_xsrf": xsrf}
        async with session.post(login, data=sent) as page:
            assert page.status < 500, await page.text()
        home = f"{hub.url}user/{user}/"
        # A page that needs a login: redirected to the hub, back with a code, logged in.
        async with session.get(f"{home}files/") as page:
            assert str(page.url).startswith(home), page.url
        found = jar.filter_cookies(URL(f"{home}bridge/"))
        assert f"jupyterhub-user-{user}" in found, found
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in found.items())
        return Session(cookie, found["_xsrf"].value)
