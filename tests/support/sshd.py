"""A real OpenSSH sshd on loopback with temporary keys; and SSH servers with passwords."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
SFTP_SERVER = "/usr/lib/openssh/sftp-server"


@dataclass
class Sshd:
    """A running sshd; `line` is its line in a known_hosts file."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    host: str = "127.0.0.1"

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def key_file(self) -> Path:
        return self.folder / "user_key"

    @property
    def line(self) -> str:
        key = (self.folder / "host_key.pub").read_text().split()
        return f"[{self.host}]:{self.port} {key[0]} {key[1]}"

    @property
    def fingerprint(self) -> str:
        return asyncssh.read_public_key(self.folder / "host_key.pub").get_fingerprint("sha256")

    @property
    def url(self) -> str:
        return f"sftp://{self.user}@{self.host}:{self.port}{self.data}"

    def sessions(self) -> list[int]:
        """Return the processes that serve sessions."""
        return children(self.process.pid)

    def stop(self) -> None:
        for pid in self.sessions():
            for child in (*children(pid), pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def new_host_key(self) -> None:
        """Restart on the same port with another host key."""
        self.stop()
        _keygen(self.folder / "host_key")
        self.process = _start(self.folder)
        _wait_for(self.port)


def children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


def start_sshd(folder: Path) -> Sshd:
    if SSHD is None:
        pytest.skip("sshd is not installed (Debian: openssh-server)")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    (folder / "data").mkdir(parents=True)
    _keygen(folder / "host_key")
    _keygen(folder / "user_key")
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n"
        "MaxStartups 100\nMaxSessions 100\n"
        f"Subsystem sftp {SFTP_SERVER}\n"
    )
    process = _start(folder)
    _wait_for(port)
    return Sshd(port, folder, process)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    assert SSHD is not None
    with (folder / "sshd.log").open("ab") as log:
        return subprocess.Popen([SSHD, "-D", "-e", "-f", f"{folder}/sshd_config"], stderr=log)


def _keygen(path: Path) -> None:
    path.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as line:
            if line.recv(4) == b"SSH-":
                return
        time.sleep(0.02)
    raise RuntimeError("sshd did not start")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """An sshd for one test."""
    server = start_sshd(tmp_path / "sshd")
    yield server
    server.stop()


class OneUser(asyncssh.SSHServer):
    """Accepts one user with a password."""

    def __init__(self, user: str, password: str, tried: list[str]) -> None:
        self._user, self._password, self._tried = user, password, tried

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        self._tried.append(password)
        return (username, password) == (self._user, self._password)


async def start_password_server(
    folder: Path, user: str, password: str, tried: list[str] | None = None
) -> tuple[asyncssh.SSHAcceptor, asyncssh.SSHKey]:
    """An SFTP server with passwords; OpenSSH would check those of the machine's accounts."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        lambda: OneUser(user, password, [] if tried is None else tried),
        "127.0.0.1",
        0,
        server_host_keys=[key],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=os.fsencode(folder)),
    )
    return server, key
