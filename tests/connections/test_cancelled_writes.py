"""A file is not written any more when the call that writes it has been cancelled."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.config import saved
from jupyter_bridge.connections.config.saved import SavedConnections
from jupyter_bridge.connections.connectors.folder import FolderFields
from jupyter_bridge.connections.mounts import records
from jupyter_bridge.connections.mounts.records import MountRecord, MountRecords
from jupyter_bridge.connections.secrets.vault import Vault
from tests.support.waiting import settle

LOG = logging.getLogger("test")
Write = Callable[[], Coroutine[Any, Any, None]]


def save(folder: Path) -> Write:
    kept = SavedConnections(folder, Vault(folder / "vault", LOG, "memory"), LOG)
    return lambda: kept.keep("lab", "folder", FolderFields(url="a"), settings=True)


def record(folder: Path) -> Write:
    mounts = MountRecords(folder, LOG)
    return lambda: mounts.write({"lab": MountRecord("/m", "0:1", 1, True)})


@pytest.mark.parametrize(
    ("module", "function", "writer"),
    [(saved, "write_private", save), (records, "open_private", record)],
    ids=["saved connections", "mounts"],
)
async def test_nothing_is_written_late(
    module: Any,
    function: str,
    writer: Callable[[Path], Write],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever was cancelled may replace the file, and no thread undoes it afterwards."""
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    write = getattr(module, function)

    def slowly(*arguments: Any) -> Any:
        began.set()
        assert go_on.wait(30)
        ended.set()
        return write(*arguments)

    monkeypatch.setattr(module, function, slowly)
    writing = asyncio.ensure_future(writer(tmp_path)())
    await asyncio.to_thread(began.wait, 30)
    writing.cancel()
    await settle()
    go_on.set()
    await asyncio.wait({writing})
    assert writing.cancelled()
    assert ended.is_set()
    written = {path: path.read_bytes() for path in tmp_path.glob("*.json")}
    assert written
    await asyncio.sleep(0.05)
    assert {path: path.read_bytes() for path in tmp_path.glob("*.json")} == written
