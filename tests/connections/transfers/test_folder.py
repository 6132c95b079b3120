"""Transfers over the folder connector: any connector will do."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.connector import Context
from jupyter_bridge.connections.connectors import folder as folder_module
from jupyter_bridge.connections.connectors.folder import Folder, FolderFields
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.outbound import Outbound
from jupyter_bridge.connections.transfers.registry import TransferStore
from tests.simulators.openbis.fixtures import CONTENT, tree
from tests.support.waiting import PATIENCE, until


@asynccontextmanager
async def transferring(tmp_path: Path) -> AsyncIterator[TransferStore]:
    """Transfers over a connection to `tmp_path`/store."""
    context = Context(
        "store",
        Outbound(AddressPolicy()),
        tmp_path / "state",
        tmp_path,
        logging.getLogger("store"),
    )
    one = Connection("store", Folder(FolderFields(url=str(tmp_path / "store")), context))
    transfers = TransferStore(tmp_path / "transfers", lambda _: one)
    await transfers.start()
    try:
        yield transfers
    finally:
        await transfers.close()
        await one.close()


def _write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


async def test_a_folder_and_a_file_come_down(tmp_path: Path) -> None:
    """A folder to path/permId, and a file to just that path."""
    _write(tmp_path / "store/in/set", CONTENT)

    async with transferring(tmp_path) as transfers:
        path = str(tmp_path / "down")
        whole = await transfers.download("store", "in/set", path)
        alone = await transfers.download("store", "in/set/deep/er/b.bin", str(tmp_path / "alone"))
        models = [await whole.wait(), await alone.wait()]
    assert [model.state for model in models] == ["done", "done"]
    assert tree(tmp_path / "down/in/set") == CONTENT
    found = tree(tmp_path / "alone")
    assert found == {"in/set/deep/er/b.bin": CONTENT["deep/er/b.bin"]}


async def test_a_folder_goes_up(tmp_path: Path) -> None:
    """In chunks, empty files and empty folders too, whole at the end."""
    files = {**CONTENT, "big": os.urandom(20 << 20)}
    _write(tmp_path / "up", files)
    (tmp_path / "up/hollow").mkdir()
    (tmp_path / "store/here").mkdir(parents=True)

    async with transferring(tmp_path) as transfers:
        transfer = await transfers.upload("store", [tmp_path / "up"], "here")
        model = await transfer.wait()
    assert (model.state, model.permId) == ("done", "here/up"), model.problem
    assert tree(tmp_path / "store/here/up") == files
    assert (tmp_path / "store/here/up/hollow").is_dir()
    assert sorted(os.listdir(tmp_path / "store")) == ["here"]


async def test_a_reader_that_is_gone_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled while the disk is asked to open, or given up in the middle, also once it closed."""
    opened: list[BinaryIO] = []
    (tmp_path / "store").mkdir()
    (tmp_path / "store/big").write_bytes(bytes(3 << 20))
    real = folder_module._open

    opening, go_on = threading.Event(), threading.Event()

    def slowly(target: Path) -> BinaryIO:
        opening.set()
        assert go_on.wait(PATIENCE)
        opened.append(real(target))
        return opened[-1]

    monkeypatch.setattr(folder_module, "_open", slowly)

    async def all_closed(number: int) -> None:
        await until(lambda: len(opened) == number and all(file.closed for file in opened))

    context = Context(
        "store",
        Outbound(AddressPolicy()),
        tmp_path / "state",
        tmp_path,
        logging.getLogger("store"),
    )
    folder = Folder(FolderFields(url=str(tmp_path / "store")), context)
    first = asyncio.ensure_future(anext(folder.read("big", "big")))
    assert await asyncio.to_thread(opening.wait, PATIENCE)
    first.cancel()
    await asyncio.wait({first})
    go_on.set()
    await all_closed(1)
    for close in (False, True):
        pieces = cast("AsyncGenerator[bytes, None]", folder.read("big", "big"))
        assert await anext(pieces) == bytes(1 << 20)
        if close:
            await folder.close()
        await pieces.aclose()
        await all_closed(3 if close else 2)
    assert folder._threads is None
