"""The README's lines about openBIS, typed on a terminal, at the simulator as it is run there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_bridge.connections.mounts import sshfs
from tests.conftest import Server, start_server
from tests.support.terminal import Terminal, call

_NO_FUSE = sshfs.available()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One whose connections may lead to this machine."""
    folder = tmp_path_factory.mktemp("openbis")
    server = start_server(folder, "--BridgeApp.allow_loopback=True", env={"HOME": str(folder)})
    yield server
    server.stop()


@pytest.fixture
def openbis() -> Iterator[tuple[str, str, str]]:
    """URL, permId and SFTP port of a simulator that was just started."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.simulators.openbis", "--sftp"],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    with process.stdout:
        url, perm_id, port = process.stdout.readline().decode().split()
        yield url, perm_id, port
        process.kill()
        process.wait()


def test_openbis_on_the_command_line(server: Server, openbis: tuple[str, str, str]) -> None:
    """Added, its password unseen; browsed, brought here; mounted once its key is accepted."""
    url, perm_id, port = openbis
    how = ("-k", "openbis", "-u", "ada", "-f", f"sftp_port={port}")
    with Terminal(server, "conn", "add", "bis", url, *how) as terminal:
        terminal.expect("Password.*: ")
        terminal.type("secret\n")
        assert terminal.wait() == 0
    assert "bis: connected" in terminal.shown
    assert "secret" not in terminal.shown
    assert perm_id in call(server, "conn", "browse", "bis", "LAB/PROJECT/S1").stdout
    done = call(server, "dataset", "get", "bis", perm_id, "here")
    assert done.returncode == 0, done.stderr
    assert (server.root / f"here/{perm_id}/original/hello.txt").read_text() == "hello\n"
    if _NO_FUSE is None:
        _mount(server, perm_id)
    assert call(server, "conn", "rm", "bis").returncode == 0


def _mount(server: Server, perm_id: str) -> None:
    done = call(server, "conn", "mount", "bis")
    assert done.returncode == 2, "nobody can be asked in a pipe"
    assert "SHA256:" in done.stderr
    with Terminal(server, "conn", "mount", "bis") as terminal:
        terminal.expect(r"Accept the host key SHA256:.* ")
        terminal.type("y\n")
        assert terminal.wait() == 0
    place = server.root.parent / "127.0.0.1"
    assert (place / perm_id / "original/hello.txt").read_text() == "hello\n"
    assert call(server, "conn", "umount", "bis").returncode == 0
    assert not place.exists()
