"""A file system that does not answer: sshfs, stopped, as NFS is without its server."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.mounts import sshfs
from tests.conftest import start_server
from tests.support.console_client import Bridge, bridge_of
from tests.support.sshd import Sshd
from tests.support.sshd import sshd as sshd  # the fixture
from tests.support.waiting import wait_until

NO_FUSE = sshfs.available()
pytestmark = pytest.mark.skipif(NO_FUSE is not None, reason=f"no sshfs mounts here: {NO_FUSE}")

REPOSITORY = Path(__file__).parents[2]
# A loaded machine is given this; whoever waited for the stalled mount would wait for ever.
ON_TIME = 20.0


class Mounted:
    """An sshfs of the test's own, and the process that serves it."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.process = folder, process

    def stop(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture
def mounted(sshd: Sshd, tmp_path: Path) -> Iterator[Mounted]:
    folder = tmp_path / "root" / "far"
    folder.mkdir(parents=True)
    known = tmp_path / "known_hosts"
    known.write_text(sshd.line + "\n")
    (sshd.data / "log.txt").write_text("far away\n")
    (sshd.data / "set").mkdir(exist_ok=True)
    (sshd.data / "set" / "one.bin").write_bytes(os.urandom(3 << 20))
    options = f"port={sshd.port},IdentityFile={sshd.key_file},UserKnownHostsFile={known},cache=no"
    process = subprocess.Popen(
        [
            *(str(shutil.which("sshfs")), "-f", f"{sshd.user}@{sshd.host}:{sshd.data}"),
            *(str(folder), "-o", options),
        ]
    )
    wait_until(lambda: folder.is_mount() or process.poll() is not None, "mounting")
    assert process.poll() is None, "sshfs ended"
    yield Mounted(folder, process)
    os.kill(process.pid, signal.SIGCONT)
    # Its process first: whoever waits in the mount, a thread of the server, is let go by that.
    process.terminate()
    process.wait(30)
    with suppress(FileNotFoundError):
        subprocess.run(["fusermount3", "-u", "-z", str(folder)], capture_output=True, check=False)


async def on_time(bridge: Bridge, near: str) -> None:
    """Lists, status, another connection, another console: all answer."""
    asked: list[tuple[str, str, dict[str, Any]]] = [
        *(("GET", path, {}) for path in ("", "conns", "consoles", "kernels", "transfers", "kinds")),
        ("GET", "conn/near", {}),
        ("GET", "conn/near/browse/", {}),
        ("GET", f"tail/{near}?lines=5", {}),
        # Not a new terminal: each new process first closes the file that is open on such a mount,
        # and the system waits for the mount with that. See docs/consoles.md.
        ("POST", f"send/{near}?newline=1", {"data": b"word"}),
    ]
    for method, path, options in asked:
        begun = time.monotonic()
        try:
            status, answer = await asyncio.wait_for(bridge.ask(method, path, **options), ON_TIME)
        except asyncio.TimeoutError:
            pytest.fail(f"{method} {path} waits for the stalled mount")
        assert status in (200, 204), (path, answer)
        assert time.monotonic() - begun < ON_TIME, path


@pytest.mark.timeout(180)
async def test_nobody_waits_for_a_stalled_mount(mounted: Mounted, tmp_path: Path) -> None:
    """While the file system below one connection, one console and one transfer does not answer, all
    others do; and when it answers again, what waited goes on and is whole."""
    near_folder = tmp_path / "root" / "near"
    near_folder.mkdir(parents=True)
    server = start_server(tmp_path, env={"PYTHONPATH": str(REPOSITORY)})
    try:
        async with bridge_of(server) as bridge:
            for name, url in (("far", mounted.folder), ("near", near_folder)):
                status, answer = await bridge.ask(
                    "POST", "conns", json={"name": name, "url": str(url)}
                )
                assert status == 201, answer
            near = await bridge.open("echo near; exec cat")
            assert "far away" in await bridge.text("tail/file:far%2Flog.txt")

            status, _ = await bridge.ask("GET", "kinds")  # the first one imports what they need
            assert status == 200

            mounted.stop()
            transfer = {"connection": "far", "direction": "download", "permId": "set"}
            waiting = [
                asyncio.create_task(bridge.ask("GET", "tail/file:far%2Flog.txt?lines=7")),
                asyncio.create_task(bridge.ask("GET", "conn/far/browse/")),
                asyncio.create_task(
                    bridge.ask("POST", "transfers", json={**transfer, "path": "here"})
                ),
            ]
            for _ in range(3):  # at the first time the others may still be on their way
                await on_time(bridge, near)
            mounted.go_on()

            tail, browsed, begun = await asyncio.wait_for(asyncio.gather(*waiting), 60)
            assert tail[0] == 200
            assert browsed[0] in (200, 503, 504)
            assert begun[0] == 202, begun
            told = await bridge.transfer(begun[1]["transfer"], "done", "failed")
            assert told["state"] == "done", told
            arrived = server.root / "here" / "set" / "one.bin"
            assert arrived.read_bytes() == (mounted.folder / "set" / "one.bin").read_bytes()
    finally:
        mounted.go_on()  # or the server could not even be killed
        server.stop()
