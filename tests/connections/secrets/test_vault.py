"""Vault and Remembered: where secrets are, and that they are nowhere else."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import pytest

from jupyter_bridge.connections.config.saved import SavedConnections
from jupyter_bridge.connections.secrets import vault as vault_module
from jupyter_bridge.connections.secrets.backends import EncryptedFileBackend
from jupyter_bridge.connections.secrets.vault import Vault
from jupyter_bridge.private_files import alone
from jupyter_bridge.problems import Unavailable
from tests.simulators.connector import DoubleFields

LOG = logging.getLogger("test")
SECRET = "Sesame-0123-canary"


class Ring(keyring.backend.KeyringBackend):
    """A keyring in memory; `fault` is what goes wrong in it."""

    priority = 1
    fault = ""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        if self.fault == "amnesia":
            return None
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.fault == "locked":
            time.sleep(60)
        if self.fault == "broken":
            raise RuntimeError(f"cannot store {password}")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Ring:
    ring = Ring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: ring)
    monkeypatch.setattr(vault_module, "KEYRING_SECONDS", 0.5)
    return ring


@pytest.fixture
def no_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "get_keyring", keyring.backends.fail.Keyring)


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_the_keyring_comes_first(tmp_path: Path, ring: Ring) -> None:
    """A keyring that keeps a canary is used, nothing is written to disk, and the canary is gone."""
    vault = Vault(tmp_path / "vault", LOG)
    await vault.open()
    assert (vault.place, ring.kept) == ("keyring", {})
    await vault.write("lab", "a", {"password": SECRET})
    assert await vault.read("lab", "a") == {"password": SECRET}
    assert not (tmp_path / "vault").exists()
    await vault.delete("lab")
    assert ring.kept == {}


@pytest.mark.parametrize("fault", ["amnesia", "broken", "locked"])
async def test_a_keyring_that_fails_is_not_used(
    tmp_path: Path, ring: Ring, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A keyring that forgets, raises or waits for somebody gives way to the encrypted file."""
    ring.fault = fault

    with caplog.at_level(logging.DEBUG):
        vault = Vault(tmp_path / "vault", LOG)
        await vault.open()
        assert vault.place == "file"


@pytest.mark.usefixtures("no_ring")
async def test_the_file_is_encrypted_and_private(tmp_path: Path) -> None:
    """The file and its key are 0600 in a 0700 folder, no secret stands in them, and it reopens."""
    vault = Vault(tmp_path / "vault", LOG)
    await vault.open()
    assert vault.place == "file"
    await vault.write("lab", "a", {"password": SECRET})
    again = Vault(tmp_path / "vault", LOG)
    assert await again.read("lab", "a") == {"password": SECRET}
    folder = tmp_path / "vault"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    assert SECRET.encode() not in everything(folder)


@pytest.mark.usefixtures("no_ring")
def test_a_key_in_the_environment_is_on_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With JUPYTER_BRIDGE_KEY there is no key file; with another key the file stays shut."""
    monkeypatch.setenv("JUPYTER_BRIDGE_KEY", "correct horse")
    EncryptedFileBackend(tmp_path).write("lab", SECRET)
    assert not (tmp_path / "key").exists()
    monkeypatch.setenv("JUPYTER_BRIDGE_KEY", "another")
    with pytest.raises(Unavailable):
        EncryptedFileBackend(tmp_path)


@pytest.mark.usefixtures("no_ring")
async def test_memory_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cryptography secrets stay in memory, and the vault says so."""
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)

    vault = Vault(tmp_path / "vault", LOG)
    await vault.write("lab", "a", {"password": SECRET})
    assert vault.place == "memory"
    assert await vault.read("lab", "a") == {"password": SECRET}


async def test_secrets_are_bound_to_their_url(tmp_path: Path) -> None:
    """A secret kept for one url is not given out for another."""
    vault = Vault(tmp_path / "vault", LOG, "file")
    remembered = SavedConnections(tmp_path, vault, LOG)
    await remembered.load()
    fields = DoubleFields(url="https://good.example.org", password=SECRET)
    await remembered.keep("lab", "double", fields, settings=True)
    assert await remembered.secrets("lab", "double", "https://good.example.org") == {
        "password": SECRET
    }
    assert await remembered.secrets("lab", "double", "https://evil.example.org") == {}
    assert await remembered.secrets("lab", "other", "https://good.example.org") == {}


async def test_settings_are_remembered_without_secrets(tmp_path: Path) -> None:
    """connections.json is 0600, has the settings and no secret; forgetting leaves nothing."""
    vault = Vault(tmp_path / "vault", LOG, "file")
    remembered = SavedConnections(tmp_path, vault, LOG)
    await remembered.load()
    fields = DoubleFields(url="x", username="jane", password=SECRET)
    await remembered.keep("lab", "double", fields, settings=True)
    assert (tmp_path / "connections.json").stat().st_mode & 0o777 == 0o600
    assert SECRET.encode() not in everything(tmp_path)
    again = SavedConnections(tmp_path, Vault(tmp_path / "vault", LOG, "file"), LOG)
    assert await again.load() == {"lab": ("double", {"url": "x", "username": "jane"})}
    assert await again.secrets("lab", "double", "x") == {"password": SECRET}
    await again.forget("lab")
    assert await again.secrets("lab", "double", "x") == {}
    assert await again.load() == {}


async def test_two_servers_remember_beside_each_other(tmp_path: Path) -> None:
    """What one server remembers does not undo what another one has written meanwhile."""
    servers = []
    for _ in range(2):
        server = SavedConnections(tmp_path, Vault(tmp_path / "vault", LOG, "file"), LOG)
        await server.load()
        servers.append(server)
    for index, server in enumerate(servers):
        fields = DoubleFields(url="x", password=f"{SECRET}{index}")
        await server.keep(f"lab{index}", "double", fields, settings=True)
    third = SavedConnections(tmp_path, Vault(tmp_path / "vault", LOG, "file"), LOG)
    assert set(await third.load()) == {"lab0", "lab1"}
    assert await third.secrets("lab0", "double", "x") == {"password": f"{SECRET}0"}


def test_the_lock_file_is_private(tmp_path: Path) -> None:
    """The lock beside a file is as private as the file."""
    with alone(tmp_path / "x" / "file"):
        pass
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o700
