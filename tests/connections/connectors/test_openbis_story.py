"""The openBIS connector as its user meets it: over HTTP, from the login to the mount."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.mounts import sshfs, table
from tests.simulators.openbis.fixtures import CONTENT, IN_DATA_SET, tree
from tests.simulators.openbis.simulator import Simulator
from tests.support.sshd import start_password_server

_NO_FUSE = sshfs.available()
OBJECT = "LAB/PROJECT/S1"


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    return {
        "ServerApp": {"jpserver_extensions": {"jupyter_bridge": True}},
        "BridgeApp": {"allow_loopback": True},
    }


@pytest.fixture
def openbis(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "openbis") as simulator:
        yield simulator


async def ask(fetch: Any, method: str, *path: str, body: Any = None, status: int = 200) -> Any:
    content = None if body is None else json.dumps(body)
    answer = await fetch(
        "bridge", *path, method=method, body=content, raise_error=False, request_timeout=60
    )
    assert answer.code == status, answer.body
    return json.loads(answer.body)


async def test_logged_in_browsed_and_downloaded(
    jp_fetch: Any, jp_root_dir: Path, openbis: Simulator
) -> None:
    """A connection is added, its object looked at, and a data set brought here and sent there."""
    made = openbis.store.add(CONTENT, sample=f"/{OBJECT}")
    new = {"name": "bis", "url": openbis.url, "username": "ada", "password": "secret"}
    (one,) = (await ask(jp_fetch, "POST", "conns", body=new, status=201))["connections"]
    assert (one["kind"], one["state"], one["has_secret"]) == ("openbis", "connected", True)
    items = await ask(jp_fetch, "GET", "conn", "bis", "browse", *OBJECT.split("/"))
    assert [item["permId"] for item in items] == [made.perm_id]
    wanted = {"connection": "bis", "direction": "download", "permId": made.perm_id, "path": "down"}
    transfer = (await ask(jp_fetch, "POST", "transfers", body=wanted, status=202))["transfer"]
    answer = await jp_fetch(
        "bridge", "transfers", transfer, headers={"Prefer": "wait=60"}, request_timeout=90
    )
    assert json.loads(answer.body)["state"] == "done"
    assert tree(jp_root_dir / "down" / made.perm_id) == IN_DATA_SET
    (jp_root_dir / "new.txt").write_text("new")
    body = {"files": ["new.txt"], "entityIdentifier": f"/{OBJECT}", "type": "RAW_DATA"}
    sent = await ask(jp_fetch, "POST", "dataset", "bis", body=body)
    assert openbis.store.data_sets[sent["permId"]].sample == f"/{OBJECT}"
    page = await ask(jp_fetch, "GET", "sample", "bis", *OBJECT.split("/"))
    assert page["totalCount"] == 2
    types = await ask(jp_fetch, "GET", "datasetTypes", "bis")
    assert {one["code"] for one in types["dataSetTypes"]} == set(openbis.store.types)


@pytest.mark.skipif(_NO_FUSE is not None, reason=f"no sshfs mounts here: {_NO_FUSE}")
async def test_mounted(
    jp_fetch: Any, jp_root_dir: Path, tmp_path: Path, openbis: Simulator
) -> None:
    """A person accepts the host key once; then its data sets are files, until it is unmounted."""
    remote, place = tmp_path / "remote", jp_root_dir / "place"
    (remote / "DEFAULT").mkdir(parents=True)
    (remote / "DEFAULT/a.txt").write_text("a")
    server, key = await start_password_server(remote, "ada", "secret")
    try:
        new = {
            "name": "bis",
            "url": openbis.url,
            "username": "ada",
            "password": "secret",
            "sftp_port": server.get_port(),
        }
        await ask(jp_fetch, "POST", "conns", body=new, status=201)
        body = {"action": "mount", "mountpoint": str(place)}
        refused = await ask(jp_fetch, "PUT", "conn", "bis", body=body, status=409)
        assert refused["error"] == "unknown-host-key"
        assert refused["host_key"] == key.get_fingerprint()
        accepted = {**body, "host_key": refused["host_key"]}
        for elsewhere in (str(tmp_path / "place"), str(jp_root_dir / ".place")):
            far = {**accepted, "mountpoint": elsewhere}
            assert (await ask(jp_fetch, "PUT", "conn", "bis", body=far, status=403))["path"]
        one = (await ask(jp_fetch, "PUT", "conn", "bis", body=accepted))["connection"]
        assert (one["isMounted"], one["mountpoint"]) == (True, str(place))
        # By another process: this one's loop serves the remote that would have to answer.
        assert await read(place / "DEFAULT/a.txt") == b"a"
        one = (await ask(jp_fetch, "PUT", "conn", "bis", body={"action": "unmount"}))["connection"]
        assert (one["isMounted"], one["mountpoint"]) == (False, "")
        assert table.at(str(place)) is None
        await ask(jp_fetch, "PUT", "conn", "bis", body=body)
        assert table.at(str(place)) is not None
        await ask(jp_fetch, "DELETE", "conn", "bis")
        assert table.at(str(place)) is None, "removing a connection unmounts it"
    finally:
        server.close()
        await server.wait_closed()


async def read(path: Path) -> bytes:
    """What `cat` says."""
    process = await asyncio.create_subprocess_exec("cat", path, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return said
