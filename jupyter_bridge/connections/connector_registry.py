"""ConnectorRegistry: the installed connectors, found by entry point, imported on first use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from jupyter_bridge.connections.connector import Connector, form_of, secrets_of
from jupyter_bridge.connections.roles import words_of
from jupyter_bridge.models.connections import KindModel
from jupyter_bridge.problems import BadRequest, Problem, Unsupported

GROUP = "jupyter_bridge.connectors"


class ConnectorRegistry:
    """The kinds by name. A broken one is listed with the reason; the others still work."""

    def __init__(self, found: Iterable[EntryPoint] | None = None) -> None:
        self._found = {entry.name: entry for entry in found or entry_points(group=GROUP)}
        self._loaded: dict[str, type[Connector[Any]]] = {}

    def names(self) -> list[str]:
        return sorted(self._found)

    async def get(self, kind: str) -> type[Connector[Any]]:
        """Return the connector of `kind`; Unsupported says what to install."""
        if kind not in self._loaded:
            # In a thread: an import may take long (asyncssh: 0.3 s).
            self._loaded[kind] = await asyncio.to_thread(self.load, kind)
        return self._loaded[kind]

    def load(self, kind: str) -> type[Connector[Any]]:
        """As `get`, without an event loop."""
        entry = self._found.get(kind)
        if entry is None:
            raise BadRequest(
                f"No kind named {kind!r}. Available: {', '.join(self.names())}.", field="kind"
            )
        try:
            connector = entry.load()
        except ImportError as error:
            raise Unsupported(_missing(entry, error), kind=kind) from error
        except Exception as error:
            raise Unsupported(f"The connector {kind} is broken: {error!r}", kind=kind) from error
        if not (isinstance(connector, type) and issubclass(connector, Connector)):
            raise Unsupported(f"{entry.value} is not a Connector.", kind=kind)
        return connector

    def guess(self, url: str) -> str:
        """Return the kind of a URL: its scheme if that is a kind, folder for a path, else openbis.

        The files and clients of jupyter-openbis-server name no kind: openbis is their only one.
        """
        scheme, colon, _ = url.partition(":")
        if not colon or scheme == "file":
            return "folder"
        return scheme if scheme in self._found else "openbis"

    async def models(self) -> list[KindModel]:
        return [await self.model(kind) for kind in self.names()]

    async def model(self, kind: str) -> KindModel:
        try:
            connector = await self.get(kind)
        except Problem as problem:
            return KindModel(kind, kind, problem=problem.message)
        fields = connector.fields_type
        return KindModel(
            kind,
            connector.title,
            form_of(fields),
            sorted(secrets_of(fields)),
            list(words_of(connector)),
        )


def _missing(entry: EntryPoint, error: ImportError) -> str:
    package = entry.dist.name if entry.dist else "jupyter_bridge"
    if not entry.extras or entry.module.startswith(error.name or "?"):
        return f"The connector {entry.name} cannot be imported: {error}"
    extras = ",".join(entry.extras)
    return (
        f"The kind {entry.name} needs {error.name or 'a package'}, which is not installed: "
        f'pip install "{package}[{extras}]"'
    )
