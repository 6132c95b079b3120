"""An ssh login with a check of the host's key, which the user accepts once.

ssh's own files are not used: neither ~/.ssh/config nor ~/.ssh/known_hosts is read or written. The
accepted key is in a known_hosts file in the connection's own folder, in OpenSSH's format, so that
sshfs can trust the same key.
"""

from __future__ import annotations

import asyncio
import getpass
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncssh

from jupyter_bridge.aio.loop_thread import to_its_end
from jupyter_bridge.connections.connector import Context, WrongCredentials
from jupyter_bridge.private_files import read_regular, write_private
from jupyter_bridge.problems import (
    BadRequest,
    Conflict,
    Denied,
    Problem,
    RemoteFailed,
    Timeout,
    Unavailable,
)
from jupyter_bridge.transport.answers import sentence

# From the first byte to the end of the login; PAM with a directory service may take 10 s.
LOGIN_SECONDS = 30.0
# The connection is lost after three of these without an answer, seconds.
KEEPALIVE_SECONDS = 10.0
# The largest file of accepted host keys: one connection has a few. Bytes.
MAX_KNOWN = 1 << 20

_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)


class UnknownHostKey(Conflict):
    """The host's key is not accepted yet; it is `host_key` in the details."""

    code = "unknown-host-key"


class HostKeyChanged(Conflict):
    """The host has another key than the accepted one: it was reinstalled, or is an impostor."""

    code = "host-key-changed"


@dataclass(frozen=True)
class SshAddress:
    """The parts of an sftp:// URL. `path` is absolute, or relative to the home ("" is the home)."""

    host: str
    port: int
    user: str
    path: str

    @classmethod
    def from_url(cls, url: str, username: str | None) -> SshAddress:
        try:
            parts = urlsplit(url)
            port = parts.port or 22
        except ValueError as error:
            raise BadRequest(f"url: {error}.", field="url") from error
        if parts.scheme != "sftp" or not parts.hostname or parts.query or parts.fragment:
            raise BadRequest(
                "url: must be sftp://host/path, with a user@ or a :port if needed.", field="url"
            )
        if parts.password is not None:
            raise BadRequest("url: must not hold the password; it has its own field.", field="url")
        path = unquote(parts.path)
        if "\0" in path or ".." in PurePosixPath(path).parts:
            raise BadRequest("url: the path must not contain ..", field="url")
        if path == "/~" or path.startswith("/~/"):
            path = path[3:]
        user = username or unquote(parts.username or "") or getpass.getuser()
        return cls(parts.hostname, port, user, path)

    @property
    def alias(self) -> str:
        """The host in the form of a known_hosts file."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        return self.host if self.port == 22 else f"{self.host}:{self.port}"


class KnownHosts:
    """The accepted key of each host of one connection. Its methods block briefly.

    They raise Unavailable if the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, where: SshAddress) -> asyncssh.SSHKey | None:
        for line in self._lines():
            name, _, key = line.partition(" ")
            if name == where.alias:
                try:
                    return asyncssh.import_public_key(key)
                except asyncssh.KeyImportError:
                    return None
        return None

    def accept(self, where: SshAddress, key: asyncssh.SSHKey) -> None:
        """Accept this key, and no other, for the host."""
        lines = [line for line in self._lines() if line.partition(" ")[0] != where.alias]
        text = "".join(f"{line}\n" for line in [*lines, line_of(where, key)])
        write_private(self._path, text.encode())

    def _lines(self) -> list[str]:
        try:
            return read_regular(self._path, MAX_KNOWN).decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:  # accepting a key would overwrite what it holds
            reason = f"{self._path} cannot be read: {error.strerror}."
            raise Unavailable(f"{reason} Repair it or move it away.") from error


def line_of(where: SshAddress, key: asyncssh.SSHKey) -> str:
    """Return the key as a line of a known_hosts file."""
    algorithm, data = key.export_public_key().decode().split()[:2]
    return f"{where.alias} {algorithm} {data}"


@dataclass(frozen=True)
class Credentials:
    """The credentials: the password, else the key, else the agent and the user's own keys."""

    password: str | None = field(repr=False)
    key_file: str | None
    passphrase: str | None = field(repr=False)

    async def options(self) -> dict[str, Any]:
        """Return the arguments of asyncssh.connect. Denied if the key cannot be read."""
        if self.password is not None:
            return {"password": self.password, "client_keys": None, "agent_path": None}
        if self.key_file is None:
            return {"password": None}
        path = self.key_file
        try:
            key = await asyncio.to_thread(_read_key, path, self.passphrase)
        except OSError as error:
            raise Denied(f"The key file {path} cannot be read: {error.strerror}.") from error
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            hint = "Is the passphrase right?" if self.passphrase else "Does it have a passphrase?"
            raise Denied(f"The key file {path} cannot be used: {error}. {hint}") from error
        return {"password": None, "client_keys": [key], "agent_path": None}


def _read_key(path: str, passphrase: str | None) -> asyncssh.SSHKey:
    return asyncssh.read_private_key(os.path.expanduser(path), passphrase)


class _Judge(asyncssh.SSHClient):
    """Compares the host's key with the accepted one, and keeps it."""

    def __init__(self, accepted: str | None) -> None:
        self._accepted = accepted
        self.seen: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        self.seen = key
        return self._accepted == key.get_fingerprint()


async def connect(
    where: SshAddress, credentials: Credentials, accepted: str | None, context: Context
) -> asyncssh.SSHClientConnection:
    """Log in to the host; `accepted` is the fingerprint that the user accepted.

    Raises UnknownHostKey or HostKeyChanged before anything secret has been sent.
    """
    known_hosts = KnownHosts(await asyncio.to_thread(context.state_folder) / "known_hosts")
    known = await asyncio.to_thread(known_hosts.get, where)
    if accepted is None and known is not None:
        accepted = known.get_fingerprint()
    judge = _Judge(accepted)
    options = await credentials.options()
    socket = await context.outbound.dial(where.host, where.port)
    try:
        line = await asyncssh.connect(
            where.host,
            where.port,
            sock=socket,
            config=None,
            known_hosts=asyncssh.import_known_hosts(""),
            server_host_key_algs=_preferred(known),
            client_factory=lambda: judge,
            username=where.user,
            login_timeout=LOGIN_SECONDS,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=3,
            **options,
        )
    except (asyncssh.Error, OSError, asyncio.TimeoutError, ValueError) as error:
        socket.close()
        raise _translate(error, where, accepted, judge.seen, context.name) from None
    assert judge.seen is not None
    try:
        if judge.seen != known:
            seen = judge.seen
            await to_its_end(lambda: known_hosts.accept(where, seen))
    except BaseException:
        line.abort()
        raise
    return line


def _preferred(known: asyncssh.SSHKey | None) -> list[str]:
    """Return the algorithms, that of the known key first: a host may have several keys."""
    if known is None:
        return list(_ALGORITHMS)
    name = known.get_algorithm()
    return sorted(_ALGORITHMS, key=lambda a: not (a == name or (name, a[:3]) == ("ssh-rsa", "rsa")))


def _translate(
    error: Exception,
    where: SshAddress,
    accepted: str | None,
    seen: asyncssh.SSHKey | None,
    name: str,
) -> Problem:
    if isinstance(error, asyncssh.HostKeyNotVerifiable) and seen is not None:
        shown = seen.get_fingerprint()
        if accepted is None:
            return UnknownHostKey(
                f"{where} is not known yet. Its key is {shown}: compare it with the one that its "
                "administrator publishes, then accept it.",
                host_key=shown,
                host=str(where),
            )
        return HostKeyChanged(
            f"{where} has the key {shown}, but {accepted} was accepted. It may have been "
            "reinstalled, or an attacker listens in: ask its administrator before accepting.",
            host_key=shown,
            accepted=accepted,
            host=str(where),
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return WrongCredentials(name)
    if isinstance(error, asyncio.TimeoutError):
        return Timeout(f"{where} did not complete the login within {LOGIN_SECONDS:g} s.")
    if isinstance(error, (asyncssh.ConnectionLost, OSError)):
        return Unavailable(f"{where} broke off.")
    reason = getattr(error, "reason", None) or type(error).__name__
    return RemoteFailed(f"{where} does not speak ssh as expected: {sentence(reason)}")
