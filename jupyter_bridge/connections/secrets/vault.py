"""Vault: the secrets of saved connections, in the best backend that works.

That is the operating system's keyring, if a canary can be written, read and deleted there; else a
file encrypted with a key beside it (or with JUPYTER_BRIDGE_KEY, which is not on disk); else memory.
Secrets are bound to the connection's kind and url: an edited configuration cannot make the bridge
send a password to another host.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from jupyter_bridge.aio.deadline import within
from jupyter_bridge.aio.loop_thread import in_daemon_thread
from jupyter_bridge.connections.secrets.backends import (
    Backend,
    EncryptedFileBackend,
    KeyringBackend,
    MemoryBackend,
)
from jupyter_bridge.problems import Problem, Unavailable
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# A keyring may wait for a user to unlock it at a desktop; the bridge does not. Seconds.
KEYRING_SECONDS = 5.0


T = TypeVar("T")


class Vault:
    """The secrets of saved connections, in a backend that is looked for on first use."""

    def __init__(self, folder: Path, log: logging.Logger, choice: str = "auto") -> None:
        """`choice` is auto, or the only backend to try: keyring, file or memory."""
        self._folder = folder
        self._log = log
        self._choice = choice
        self._place: Backend = MemoryBackend()
        self._lock = asyncio.Lock()
        self._opened = False

    @property
    def place(self) -> str:
        """keyring, file or memory; known once it is open."""
        return self._place.name

    async def open(self) -> None:
        """Find the best backend, once; never raises, as memory always works.

        Imports keyring and cryptography, in a thread.
        """
        async with self._lock:
            if self._opened:
                return
            self._opened = True
            places: dict[str, Callable[[], Backend]] = {
                "keyring": KeyringBackend,
                "file": lambda: EncryptedFileBackend(self._folder),
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
        """Return the secrets of a connection; none if saved for another kind or url."""
        await self.open()
        async with self._lock:
            text = await self._do(self._place.read, name)
        if text is None:
            return {}
        try:
            entry = msgspec.json.decode(text, type=_Entry)
        except JSON_ERRORS:
            return {}
        return entry.secrets if entry.bound_to == _digest(bound_to) else {}

    async def write(self, name: str, bound_to: str, secrets: Mapping[str, str]) -> None:
        entry = msgspec.json.encode(_Entry(_digest(bound_to), dict(secrets))).decode()
        await self.open()
        async with self._lock:
            await self._do(self._place.write, name, entry)

    async def delete(self, name: str) -> None:
        await self.open()
        async with self._lock:
            await self._do(self._place.delete, name)

    async def _do(self, call: Callable[..., Any], *arguments: str) -> Any:
        try:
            return await _patiently(call, *arguments)
        except Problem:
            raise
        except Exception as error:
            # A keyring's own error may contain the secret.
            raise Unavailable(
                f"The {self.place} did not take or give the secret ({type(error).__name__})."
            ) from None


class _Entry(msgspec.Struct):
    bound_to: str
    secrets: dict[str, str]

    def __repr__(self) -> str:
        return "_Entry(******)"


async def _try(make: Callable[[], Backend], log: logging.Logger) -> Backend | None:
    """Return the backend if it keeps and returns a canary; else log why and return None."""
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
    """Return the result within KEYRING_SECONDS, from a thread that may hang for ever."""
    return await within(KEYRING_SECONDS, in_daemon_thread(call, *arguments))


def _proven(make: Callable[[], Backend]) -> Backend:
    place = make()
    name, canary = f"canary-{secrets.token_hex(4)}", secrets.token_hex(16)
    place.write(name, canary)
    try:
        if place.read(name) != canary:
            raise Unavailable(f"The {place.name} does not give back what it was given.")
    finally:
        place.delete(name)
    return place


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
