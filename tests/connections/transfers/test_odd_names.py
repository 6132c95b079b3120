"""Names that are not UTF-8: listed, downloaded and uploaded as any other."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Context
from jupyter_bridge.connections.connectors.folder import Folder, FolderFields
from jupyter_bridge.connections.connectors.ssh.sftp import Sftp, SftpFields
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.roles import CanBrowse, CanRead
from jupyter_bridge.connections.transfers.job import Job
from jupyter_bridge.connections.transfers.registry import TransferStore
from jupyter_bridge.models.datasets import File
from tests.support.sshd import Sshd
from tests.support.sshd import sshd as sshd  # the fixture
from tests.support.waiting import until

BAD = os.fsdecode(b"b\xff\xfe")
SHOWN = "b\ufffd\ufffd"
FILES = {BAD: b"one", f"{BAD}-folder/{BAD}": b"two", "ok": b"three"}


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "no-home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@asynccontextmanager
async def transferring(tmp_path: Path, kind: str, sshd: Sshd) -> AsyncIterator[TransferStore]:
    """Transfers over a connection to `sshd.data`, by a folder or by SFTP."""
    context = Context(
        "store",
        Outbound(AddressPolicy(allow_loopback=True)),
        tmp_path / "state",
        tmp_path,
        logging.getLogger("store"),
    )
    if kind == "folder":
        one = Connection("store", Folder(FolderFields(url=str(sshd.data)), context))
    else:
        known = {"key_file": str(sshd.key_file), "host_key": sshd.fingerprint}
        one = Connection("store", Sftp(SftpFields(url=sshd.url, **known), context))
    await one.login()
    transfers = TransferStore(tmp_path / "transfers", lambda _: one)
    await transfers.start()
    try:
        yield transfers
    finally:
        await transfers.close()
        await one.close()
        await context.outbound.close()


def written(folder: Path) -> None:
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def found(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", ["folder", "sftp"])
@pytest.mark.parametrize("direction", ["download", "upload"])
async def test_they_are_transferred(tmp_path: Path, sshd: Sshd, kind: str, direction: str) -> None:
    """Each file arrives under its own name; answers and events have U+FFFD for its bytes."""
    async with transferring(tmp_path, kind, sshd) as transfers:
        if direction == "download":
            written(sshd.data / "set" / BAD)
            one = await transfers.download("store", f"set/{BAD}", str(tmp_path / "down"))
        else:
            written(tmp_path / BAD)
            (sshd.data / "here").mkdir()
            one = await transfers.upload("store", [tmp_path / BAD], "here")
        told: list[Any] = [json.loads(msgspec.json.encode(step[2])) async for step in one.events()]
        assert told[-1]["state"] == "done", told[-1]

        def saved() -> Job:
            return Job.from_bytes((one.folder / "transfer.json").read_bytes())

        await until(lambda: saved().state == "done", "it is saved")
        names = {file.path for file in saved().files or []}
        assert any(BAD in name for name in names)
    where = sshd.data / "here" / BAD if direction == "upload" else tmp_path / f"down/set/{BAD}"
    assert found(where) == FILES
    assert SHOWN in told[-1]["permId"]
    async with transferring(tmp_path, kind, sshd) as transfers:  # the next process
        assert [again.job for again in transfers.all()] == [saved().resting()]


@pytest.mark.parametrize("kind", ["folder", "sftp"])
async def test_they_are_listed(tmp_path: Path, sshd: Sshd, kind: str) -> None:
    """With all others, and by their own names inside of the server."""
    written(sshd.data / "set")
    async with transferring(tmp_path, kind, sshd) as transfers:
        connection = transfers._connection("store")
        items = await connection.use(CanBrowse, lambda connector: connector.browse("set"))
        whole = await connection.use(CanRead, lambda connector: connector.dataset("set"))
    assert {item.name for item in items} == {BAD, f"{BAD}-folder", "ok"}
    assert {file.path for file in whole.files} == set(FILES)


def test_a_job_is_read_as_it_was_written() -> None:
    """Whichever of its texts is not UTF-8; a job without such a text is written as ever."""
    plain = Job(transfer="t", connection="c", direction="download", path="/p", files=[File("a")])
    assert plain.to_bytes() == msgspec.json.encode(plain)
    odd: list[dict[str, Any]] = [
        {"permId": BAD},
        {"path": f"/{BAD}"},
        {"files": [File("a"), File(BAD, 3, crc32=7)]},
        {"only": [BAD]},
        {"sources": [(f"/{BAD}", 5)]},
        {"entity": BAD},
        {"skipped": ["a", BAD]},
        {"upload": BAD},
    ]
    for fields in odd:
        job = msgspec.structs.replace(plain, **fields)
        assert Job.from_bytes(job.to_bytes()) == job
