"""What the host's settings and environment do to connections, and what they do not do."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
async def test_no_proxy_of_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request goes to the remote itself, whatever proxy the environment names."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    remote, proxy = TestServer(app), TestServer(web.Application())
    async with remote, proxy:
        monkeypatch.setenv(name, str(proxy.make_url("/")))
        outbound = Outbound(AddressPolicy(allow_loopback=True))
        try:
            await outbound.ask("GET", str(remote.make_url("/here")))
        finally:
            await outbound.close()
    assert asked == ["/here"]


@pytest.mark.parametrize("switched_off", [True, False])
def test_no_check_of_xsrf_is_told(
    jp_configurable_serverapp: Any,
    capfd: pytest.CaptureFixture[str],
    switched_off: bool,
) -> None:
    """A server whose host does not check XSRF says so at its start, at level CRITICAL."""
    settings = {"disable_check_xsrf": switched_off, "jpserver_extensions": {"jupyter_bridge": True}}
    jp_configurable_serverapp(config={"ServerApp": settings})
    told = [
        line for line in capfd.readouterr().err.splitlines() if "disable_check_xsrf is set" in line
    ]
    assert [line[:3] for line in told] == ["[C "] * switched_off
