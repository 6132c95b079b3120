"""The jupyter connector on a real JupyterHub with a real proxy and real users' servers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import WrongCredentials
from jupyter_bridge.connections.roles import HasKernels
from jupyter_bridge.models.connections import Progress
from jupyter_bridge.problems import Denied, Unavailable
from tests.connections.connectors.test_jupyter import Heard, Seen, ask, make, using
from tests.support.hub import RunningHub, needs_hub
from tests.support.waiting import until

pytestmark = [needs_hub, pytest.mark.timeout(300)]
_SCOPES = ["read:users:name!user", "read:servers!user", "servers!user", "access:servers!user"]


async def test_a_users_server_is_started_and_used(hub: RunningHub, tmp_path: Path) -> None:
    """From the hub's address alone: started with progress, its terminals and kernels used."""
    token = hub.user_token("jo", [*_SCOPES, "self"])
    remote = make(tmp_path, hub.url, token, user_options={"profile": "small"})
    connection = Connection("lab", remote)
    told: list[Progress | None] = []

    async with using(remote):

        def look() -> None:
            model = connection.model()
            assert model.state == "connecting"
            told.append(model.progress)

        # Whoever looks now and then may miss what a quick hub tells.
        remote.context.on_progress = look
        await connection.login()
        assert told[-1] is None
        model = connection.model()
        assert (model.username, model.state, model.progress) == ("jo", "connected", None)
        assert [step for step in told if step is not None and step.message]
        started = (await asyncio.to_thread(hub.api, "GET", "users/jo"))["servers"][""]
        assert started["user_options"] == {"profile": "small"}
        assert remote.server.base == f"{hub.url}user/jo/"
        source, seen = await remote.console(await remote.create_console()), Seen()
        await seen.open(source)
        await source.write(b"echo on-the-hub-$((6*7))\n")
        await seen.until(b"on-the-hub-42")
        await source.end()
        await source.close()


async def test_a_kernel_there_is_relayed(hub: RunningHub, tmp_path: Path) -> None:
    """Through the hub's proxy, in the binary protocol."""
    remote = make(tmp_path, hub.url, hub.user_token("jo", [*_SCOPES, "self"]))

    async with using(remote):
        await remote.login()
        model = await remote.spawn("python3")
        line, heard = await remote.kernel(model["id"]), Heard()
        await line.open(heard.on_messages, heard.lost.append)
        line.send("shell", ask("import getpass, os; print(os.environ['JUPYTERHUB_USER'])"))
        await heard.when(lambda m: m[1] == "stream" and m[2]["text"] == "jo\n")
        await line.close()
        await remote.control(model["id"], "shutdown")


async def test_a_server_that_the_hub_stopped_starts_when_it_is_used(
    hub: RunningHub, tmp_path: Path
) -> None:
    """A probe does not start it (the hub stops the idle ones on purpose); a call does."""
    token = hub.user_token("ann", [*_SCOPES, "self"])
    remote = make(tmp_path, f"{hub.url}user/ann/", token)
    connection = Connection("lab", remote)

    await connection.use(HasKernels, lambda c: c.kernels())
    await asyncio.to_thread(hub.api, "DELETE", "users/ann/server")

    async def is_stopped() -> bool:
        return "" not in (await asyncio.to_thread(hub.api, "GET", "users/ann"))["servers"]

    await until(is_stopped, "stopping the server")
    with pytest.raises(Unavailable, match="using it starts it"):
        await remote.probe()
    assert (await asyncio.to_thread(hub.api, "GET", "users/ann"))["servers"] == {}
    assert await connection.use(HasKernels, lambda c: c.kernels()) == []
    assert (await asyncio.to_thread(hub.api, "GET", "users/ann"))["servers"][""]["ready"]
    await connection.close()
    await remote.context.outbound.close()


async def test_what_the_token_may_not_is_told(hub: RunningHub, tmp_path: Path) -> None:
    """A wrong token is wrong; one that lacks scopes is told which ones."""
    remote = make(tmp_path, hub.url, "canary")

    async with using(remote):
        with pytest.raises(WrongCredentials) as caught:
            await remote.login()
        assert "canary" not in repr(caught.value)
        remote.fields.token = await asyncio.to_thread(
            hub.user_token, "joe", ["read:users:name!user"]
        )
        with pytest.raises(Denied, match="read:servers"):
            await remote.login()
