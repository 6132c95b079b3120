"""Vault: where secrets of remembered connections are kept, and which kind of place that is.

The operating system's keyring, if a canary can be written, read and deleted there; else a file
encrypted with a key beside it (or with JUPYTER_BRIDGE_KEY, which then is nowhere on disk); else
memory, until the server stops. What is kept is bound to the connection's kind and url: an edited
configuration cannot make the bridge send a password to another host.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from jupyter_bridge.problems import Problem, Unavailable

SERVICE = "jupyter_bridge"
KEY_VARIABLE = "JUPYTER_BRIDGE_KEY"
# A keyring that asks somebody at a desktop to unlock it does not answer; it is not waited for. Sec.
KEYRING_SECONDS = 5.0


T = TypeVar("T")


class Place(ABC):
    """One place for secrets: short texts by name. Its methods may block, and run in a thread."""

    name: str

    @abstractmethod
    def read(self, name: str) -> str | None: ...

    @abstractmethod
    def write(self, name: str, text: str) -> None: ...

    @abstractmethod
    def delete(self, name: str) -> None: ...


class Memory(Place):
    """Until the server stops."""

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


class Keyring(Place):
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


class EncryptedFile(Place):
    """A file encrypted with AES-128-CBC and HMAC-SHA-256 (Fernet), 0600 in a 0700 folder.

    The key lies beside it unless JUPYTER_BRIDGE_KEY holds it: then a copy of the file says nothing.
    """

    name = "file"

    def __init__(self, folder: Path) -> None:
        from cryptography.fernet import Fernet

        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
            sealed = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            return msgspec.json.decode(self._fernet.decrypt(sealed), type=dict[str, str])
        except (InvalidToken, msgspec.MsgspecError):
            raise Unavailable(
                f"{self._path} cannot be opened with the present key; restore the key, or move "
                "the file away to begin anew."
            ) from None

    def _store(self, texts: dict[str, str]) -> None:
        write_private(self._path, self._fernet.encrypt(msgspec.json.encode(texts)))


class Vault:
    """The secrets of remembered connections. `open` first; `place` then says where they are."""

    def __init__(self, folder: Path, log: logging.Logger, choice: str = "auto") -> None:
        """`choice` is auto, keyring, file or memory: with one of these, no other is tried."""
        self._folder = folder
        self._log = log
        self._choice = choice
        self._place: Place = Memory()
        self._lock = asyncio.Lock()
        self._opened = False

    @property
    def place(self) -> str:
        """keyring, file or memory."""
        return self._place.name

    async def open(self) -> None:
        """Find the best place; never raises, memory always works."""
        async with self._lock:
            if self._opened:
                return
            self._opened = True
            places: dict[str, Callable[[], Place]] = {
                "keyring": Keyring,
                "file": lambda: EncryptedFile(self._folder),
            }
            for name, make in places.items():
                if self._choice not in ("auto", name):
                    continue
                place = await _try(make, self._log)
                if place is not None:
                    self._place = place
                    return
            if self._choice not in ("auto", "memory"):
                self._log.warning("The vault cannot use %s; secrets stay in memory.", self._choice)

    async def read(self, name: str, bound_to: str) -> dict[str, str]:
        """The secrets of a connection; none if they were kept for another kind or url."""
        async with self._lock:
            text = await self._do(self._place.read, name)
        if text is None:
            return {}
        try:
            entry = msgspec.json.decode(text, type=_Entry)
        except msgspec.MsgspecError:
            return {}
        return entry.secrets if entry.bound_to == _digest(bound_to) else {}

    async def write(self, name: str, bound_to: str, secrets: Mapping[str, str]) -> None:
        entry = msgspec.json.encode(_Entry(_digest(bound_to), dict(secrets))).decode()
        async with self._lock:
            await self._do(self._place.write, name, entry)

    async def delete(self, name: str) -> None:
        async with self._lock:
            await self._do(self._place.delete, name)

    async def _do(self, call: Callable[..., Any], *arguments: str) -> Any:
        try:
            return await _patiently(call, *arguments)
        except Problem:
            raise
        except Exception as error:
            # A keyring's own error may repeat what it was given.
            raise Unavailable(
                f"The {self.place} did not take or give the secret ({type(error).__name__})."
            ) from None


class _Entry(msgspec.Struct):
    bound_to: str
    secrets: dict[str, str]

    def __repr__(self) -> str:
        return "_Entry(******)"


async def _try(make: Callable[[], Place], log: logging.Logger) -> Place | None:
    """The place if it keeps a canary and gives it back; None, with the reason logged, if not."""
    try:
        return await _patiently(_proven, make)
    except asyncio.TimeoutError:
        log.info("The vault's %s did not answer; perhaps it is locked.", make)
    except ImportError as error:
        log.debug("The vault has no %s: pip install 'jupyter_bridge[vault]'", error.name)
    except Problem as problem:
        log.info("The vault: %s", problem.message)
    except Exception as error:
        log.info("The vault: %s", type(error).__name__)
    return None


async def _patiently(call: Callable[..., T], *arguments: Any) -> T:
    """The call's result within KEYRING_SECONDS, from a thread that may hang for ever.

    Not `to_thread`: its threads are waited for when the server ends.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if not answer.done():
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(cast(T, result))

    def run() -> None:
        result, failed = None, None
        try:
            result = call(*arguments)
        except BaseException as error:
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=run, name="bridge-vault", daemon=True).start()
    return await asyncio.wait_for(answer, KEYRING_SECONDS)


def _proven(make: Callable[[], Place]) -> Place:
    place = make()
    name, canary = f"canary-{secrets.token_hex(4)}", secrets.token_hex(16)
    place.write(name, canary)
    try:
        if place.read(name) != canary:
            raise Unavailable(f"The {place.name} does not give back what it was given.")
    finally:
        place.delete(name)
    return place


def _key(folder: Path) -> bytes:
    given = os.environ.get(KEY_VARIABLE)
    if given:
        return base64.urlsafe_b64encode(hashlib.sha256(given.encode()).digest())
    path = folder / "key"
    with contextlib.suppress(FileExistsError):
        fresh = base64.urlsafe_b64encode(secrets.token_bytes(32))
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(fresh)
    if path.stat().st_mode & 0o077:
        raise Unavailable(f"{path} can be read by others; set its mode to 0600.")
    return path.read_bytes()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """While it lasts, no other server of this user changes `path`; blocks until that is so."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_private(path: Path, content: bytes) -> None:
    """Replace the file at once, readable by its owner alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
