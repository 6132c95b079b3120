"""SavedConnections: connections that were added at run time and outlive the server.

Settings are in a file (0600), secrets in the vault. Of a connection that is configured elsewhere
only the secrets are saved.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec

from jupyter_bridge.aio.loop_thread import to_its_end
from jupyter_bridge.connections.connector import Fields, secrets_of
from jupyter_bridge.connections.secrets.vault import Vault
from jupyter_bridge.private_files import alone, read_json, write_private
from jupyter_bridge.problems import Problem, Unavailable

# 10,000 connections take about 4 MiB. Bytes.
MAX_FILE = 16 << 20


class _Saved(msgspec.Struct):
    """`settings` is None if the connection is configured elsewhere."""

    kind: str
    settings: dict[str, Any] | None
    has_secret: bool


class SavedConnections:
    """The saved connections, by name; call `load` first."""

    def __init__(self, folder: Path, vault: Vault, log: logging.Logger) -> None:
        self._path = folder / "connections.json"
        self._vault = vault
        self._log = log
        self._saved: dict[str, _Saved] = {}
        self._lock = asyncio.Lock()

    @property
    def vault(self) -> Vault:
        return self._vault

    def __contains__(self, name: str) -> bool:
        return name in self._saved

    async def load(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Return kind and settings of the connections added at run time, by name. Never raises."""
        try:
            self._saved = await asyncio.to_thread(self._read)
        except OSError as error:
            self._log.warning("The saved connections cannot be read: %s", error)
        return {
            name: (saved.kind, saved.settings)
            for name, saved in self._saved.items()
            if saved.settings is not None
        }

    async def secrets(self, name: str, kind: str, url: str) -> dict[str, str]:
        """Return the secrets of one connection; empty if the vault has none or fails."""
        saved = self._saved.get(name)
        if saved is None or not saved.has_secret:
            return {}
        try:
            return await self._vault.read(name, _binding(kind, url))
        except Problem as problem:
            self._log.warning("The secret of %s is not to be had: %s", name, problem.message)
            return {}

    async def keep(self, name: str, kind: str, fields: Fields, *, settings: bool) -> None:
        """Save the present state of a connection. Does nothing if it is unchanged."""
        hidden = secrets_of(type(fields))
        values = {k: v for k, v in msgspec.structs.asdict(fields).items() if v is not None}
        secrets = {k: v for k, v in values.items() if k in hidden and v}
        shown = {k: v for k, v in msgspec.to_builtins(values).items() if k not in hidden}
        async with self._lock:
            if secrets:
                await self._vault.write(name, _binding(kind, fields.url), secrets)
            elif name in self._saved and self._saved[name].has_secret:
                await self._vault.delete(name)
            await self._store(name, _Saved(kind, shown if settings else None, bool(secrets)))

    async def forget(self, name: str) -> None:
        async with self._lock:
            saved = self._saved.get(name)
            if saved is None:
                return
            await self._store(name, None)
            if saved.has_secret:
                await self._vault.delete(name)

    async def _store(self, name: str, saved: _Saved | None) -> None:
        try:
            self._saved = await to_its_end(lambda: self._change(name, saved))
        except OSError as error:  # what cannot be read is not overwritten either
            raise Unavailable(
                f"{self._path} cannot be changed: {error.strerror}. Repair it or move it away."
            ) from error

    def _change(self, name: str, saved: _Saved | None) -> dict[str, _Saved]:
        """Change one entry of the file; other servers of this user may have changed others."""
        with alone(self._path):
            all_saved = self._read()
            if saved is None:
                all_saved.pop(name, None)
            else:
                all_saved[name] = saved
            content = msgspec.json.format(msgspec.json.encode(all_saved), indent=2)
            write_private(self._path, content)
        return all_saved

    def _read(self) -> dict[str, _Saved]:
        try:
            return read_json(self._path, dict[str, _Saved], MAX_FILE)
        except FileNotFoundError:
            return {}


def _binding(kind: str, url: str) -> str:
    return f"{kind} {url}"
