"""A disk that fills up under a transfer."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import start_server
from tests.support.console_client import bridge_of

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB below the server's root."""
    folder = tmp_path / "root" / "small"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_download_that_does_not_fit(tmp_path: Path, small_disk: Path) -> None:
    """It fails with a sentence, nothing stands where the data set would, and when there is room
    again it goes on and is whole."""
    data = os.urandom(700_000)
    store = tmp_path / "root" / "store" / "set"
    store.mkdir(parents=True)
    (store / "one.bin").write_bytes(data)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(700_000))
    server = start_server(tmp_path, env={"PYTHONPATH": str(REPOSITORY)})
    try:
        async with bridge_of(server) as bridge:
            body = {"name": "store", "url": str(store.parent)}
            status, answer = await bridge.ask("POST", "conns", json=body)
            assert status == 201, answer
            job = {"connection": "store", "direction": "download", "permId": "set"}
            status, begun = await bridge.ask("POST", "transfers", json={**job, "path": "small"})
            assert status == 202, begun
            failed = await bridge.transfer(begun["transfer"], "failed", "paused", "done")
            assert failed["state"] != "done"
            assert failed["problem"]["message"], failed
            assert not (small_disk / "set").exists()
            ballast.unlink()
            status, answer = await bridge.ask("POST", f"transfers/{begun['transfer']}/resume")
            assert status in (200, 202), answer
            done = await bridge.transfer(begun["transfer"], "done", "failed")
            assert done["state"] == "done", done
            assert (small_disk / "set" / "one.bin").read_bytes() == data
            assert sorted(path.name for path in small_disk.iterdir()) == ["set"]
    finally:
        server.stop()
