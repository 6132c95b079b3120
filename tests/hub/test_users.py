"""Two users of one hub: neither sees, names or reaches what is the other's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Server
from tests.kernels.conftest import connect
from tests.support.console_client import bridge_of
from tests.support.hub import RunningHub, needs_hub
from tests.support.kernel_client import Bridge, expect_problem

__all__ = ["connect"]  # a fixture

pytestmark = [needs_hub, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def mias(hub: RunningHub) -> Server:
    return hub.server_of("mia")


@pytest.fixture(scope="module")
def toms(hub: RunningHub) -> Server:
    return hub.server_of("tom")


async def test_kernels(mias: Server, toms: Server, connect: Callable[..., Bridge]) -> None:
    """A kernel, its seats and its executions are in its user's lists alone."""
    mia, tom = connect(mias), connect(toms)
    async with mia.kernel() as kernel_id:
        run = await mia.execute(kernel_id, "import getpass, os; os.environ['JUPYTERHUB_USER']")
        assert run["outputs"][0]["data"]["text/plain"] == "'mia'"
        assert kernel_id in [m["id"] for m in (await mia.get("/kernels")).json]
        assert kernel_id not in [m["id"] for m in (await tom.get("/kernels")).json]
        expect_problem(await tom.get(f"/kernels/{kernel_id}"), 404, "not-found")
        expect_problem(await tom.post(f"/execute/{kernel_id}", {"code": "1"}), 404, "not-found")
        expect_problem(await tom.delete(f"/shutdown/{kernel_id}"), 404, "not-found")
        expect_problem(await tom.get(f"/executions/{run['execution']}"), 404, "not-found")
        expect_problem(await tom.handshake(f"/channels/{kernel_id}"), 404, "not-found")
        expect_problem(await tom.get(f"/tail/kernel:{kernel_id}"), 404, "not-found")
        assert (await mia.get(f"/kernels/{kernel_id}")).status == 200


async def test_consoles(mias: Server, toms: Server) -> None:
    """Consoles, their journals and runs are their user's alone, also under the same name."""
    async with bridge_of(mias) as mia, bridge_of(toms) as tom:
        await mia.open("echo canary; sleep 99", name="shared")
        _, run = await mia.ask("POST", "run", json={"command": "echo canary"})
        assert [c for c in (await tom.ask("GET", "consoles"))[1] if c["name"] == "shared"] == []
        for path in ("consoles/shared", "tail/shared", "recording/shared", f"runs/{run['run']}"):
            status, told = await tom.ask("GET", path)
            assert (status, told["error"]) == (404, "not-found"), path
        assert (await tom.ask("POST", "send/shared", data=b"exit\r"))[0] == 404
        await tom.open("echo other; sleep 99", name="shared")
        _, text = await tom.ask("GET", "tail/shared?follow=true&until=other&timeout=30")
        assert "canary" not in str(text)
        assert (await mia.ask("GET", "consoles/shared"))[1]["state"] == "live"


async def test_connections(mias: Server, toms: Server) -> None:
    """A connection, its files and its transfers are its user's alone."""
    store = mias.root / "private"
    store.mkdir()
    (store / "secret.txt").write_text("canary")
    async with bridge_of(mias) as mia, bridge_of(toms) as tom:
        body = {"name": "private", "url": str(store)}
        assert (await mia.ask("POST", "conns", json=body))[0] == 201
        try:
            assert "private" not in str((await tom.ask("GET", "conns"))[1])
            for path in ("conn/private", "conn/private/browse/", "content/private/secret.txt/x"):
                status, told = await tom.ask("GET", path)
                assert (status, told["error"]) == (404, "not-found"), path
            assert (await tom.ask("DELETE", "conn/private"))[0] == 404
            assert (await mia.ask("GET", "conn/private"))[0] == 200
        finally:
            assert (await mia.ask("DELETE", "conn/private"))[0] == 200


@pytest.mark.parametrize("path", ["kernels", "consoles", "conns", "transfers", "openapi.json"])
async def test_the_others_address(mias: Server, toms: Server, path: str) -> None:
    """A user's token opens nothing at another user's address."""
    async with bridge_of(mias) as mia, bridge_of(toms) as tom:
        for asker, other in ((mia, toms), (tom, mias)):
            async with asker.session.get(
                f"{other.url}bridge/{path}", headers=asker.server.headers
            ) as answer:
                assert answer.status == 403
                assert (await answer.json())["error"] == "denied"
