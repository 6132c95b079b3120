"""The backends of the vault: the system's keyring, an encrypted file, memory."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from abc import ABC, abstractmethod
from pathlib import Path

import msgspec

from jupyter_bridge.private_files import (
    alone,
    open_private,
    private_folder,
    read_regular,
    write_private,
)
from jupyter_bridge.problems import Unavailable
from jupyter_bridge.wire.json_errors import JSON_ERRORS

SERVICE = "jupyter_bridge"
KEY_VARIABLE = "JUPYTER_BRIDGE_KEY"
# The largest vault, some 10,000 passwords, and the largest file of a key. Bytes.
MAX_VAULT = 16 << 20
MAX_KEY = 1 << 10


class Backend(ABC):
    """One backend for secrets: short texts by name. Methods may block: call them in a thread."""

    name: str

    @abstractmethod
    def read(self, name: str) -> str | None: ...

    @abstractmethod
    def write(self, name: str, text: str) -> None: ...

    @abstractmethod
    def delete(self, name: str) -> None: ...


class MemoryBackend(Backend):
    """Memory, until the server stops."""

    name = "memory"

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def __repr__(self) -> str:
        return "<Memory>"

    def read(self, name: str) -> str | None:
        return self._texts.get(name)

    def write(self, name: str, text: str) -> None:
        self._texts[name] = text

    def delete(self, name: str) -> None:
        self._texts.pop(name, None)


class KeyringBackend(Backend):
    """The operating system's keyring."""

    name = "keyring"

    def __init__(self) -> None:
        import keyring
        import keyring.backends.chainer
        import keyring.backends.fail
        import keyring.backends.null

        backend = keyring.get_keyring()
        refused = (keyring.backends.fail.Keyring, keyring.backends.null.Keyring)
        chainer = keyring.backends.chainer.ChainerBackend
        if isinstance(backend, refused) or (
            isinstance(backend, chainer) and not list(backend.backends)
        ):
            raise Unavailable("There is no keyring.")
        self._backend = backend

    def read(self, name: str) -> str | None:
        text = self._backend.get_password(SERVICE, name)
        return None if text is None else str(text)

    def write(self, name: str, text: str) -> None:
        self._backend.set_password(SERVICE, name, text)

    def delete(self, name: str) -> None:
        if self.read(name) is not None:
            self._backend.delete_password(SERVICE, name)


class EncryptedFileBackend(Backend):
    """A file encrypted with AES-128-CBC and HMAC-SHA-256 (Fernet), 0600 in a 0700 folder.

    The key is in a file beside it, or in JUPYTER_BRIDGE_KEY: then a stolen file reveals nothing.
    """

    name = "file"

    def __init__(self, folder: Path) -> None:
        from cryptography.fernet import Fernet

        private_folder(folder)
        self._path = folder / "secrets.bin"
        self._fernet = Fernet(_key(folder))
        self._load()  # raises now, not when somebody needs it

    def read(self, name: str) -> str | None:
        return self._load().get(name)

    def write(self, name: str, text: str) -> None:
        with alone(self._path):
            self._store({**self._load(), name: text})

    def delete(self, name: str) -> None:
        with alone(self._path):
            texts = self._load()
            if texts.pop(name, None) is not None:
                self._store(texts)

    def _load(self) -> dict[str, str]:
        from cryptography.fernet import InvalidToken

        try:
            sealed = read_regular(self._path, MAX_VAULT)
        except FileNotFoundError:
            return {}
        try:
            return msgspec.json.decode(self._fernet.decrypt(sealed), type=dict[str, str])
        except (InvalidToken, *JSON_ERRORS):
            raise Unavailable(
                f"{self._path} cannot be opened with the present key; restore the key, or move "
                "the file away to start with an empty vault."
            ) from None

    def _store(self, texts: dict[str, str]) -> None:
        write_private(self._path, self._fernet.encrypt(msgspec.json.encode(texts)))


def _key(folder: Path) -> bytes:
    given = os.environ.get(KEY_VARIABLE)
    if given:
        return base64.urlsafe_b64encode(hashlib.sha256(given.encode()).digest())
    path = folder / "key"
    with contextlib.suppress(FileExistsError):
        fresh = base64.urlsafe_b64encode(secrets.token_bytes(32))
        with open(open_private(path, os.O_WRONLY | os.O_EXCL), "wb") as file:
            file.write(fresh)
    if path.stat().st_mode & 0o077:
        raise Unavailable(f"{path} can be read by others; set its mode to 0600.")
    return read_regular(path, MAX_KEY)
