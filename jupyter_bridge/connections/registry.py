"""ConnectionRegistry: all connections by name, whether configured, saved or added."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import anyio

from jupyter_bridge.aio.first_use import imported
from jupyter_bridge.aio.throttle import Throttle
from jupyter_bridge.connections.config.files import RUN_TIME, ConfigEntry, ConfigFiles, Report
from jupyter_bridge.connections.config.saved import SavedConnections
from jupyter_bridge.connections.connection import Connection, check_size, hide_secrets
from jupyter_bridge.connections.connector import (
    Connector,
    Context,
    WebFields,
    to_fields,
)
from jupyter_bridge.connections.connector_registry import ConnectorRegistry
from jupyter_bridge.connections.health import Health
from jupyter_bridge.connections.login_backoff import LoginBackoff
from jupyter_bridge.connections.net.address_policy import AddressPolicy
from jupyter_bridge.connections.net.tls import TLSSettings
from jupyter_bridge.connections.places import Places
from jupyter_bridge.observe import metrics
from jupyter_bridge.observe.events import Events
from jupyter_bridge.problems import BadRequest, Conflict, NotFound, Problem, Timeout

# Names stand in routes, console names (`<connection>:<node>`), file names and metrics.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,62}[A-Za-z0-9_]|[A-Za-z0-9_]")
_RESERVED = frozenset({"kernel", "file"})
# How often changes of a connection within the same state are reported, per second.
TELL_HZ = 4.0
# More on one user's server are a mistake of the program that adds them.
MAX_CONNECTIONS = 1_000
# A folder that a request names may be on a mount that does not answer; seconds.
ADMIT_SECONDS = 10.0


class ConnectionRegistry:
    """The connections of one server. `start` returns at once; lists are answered from memory."""

    def __init__(
        self,
        kinds: ConnectorRegistry,
        remembered: SavedConnections,
        *,
        sources: ConfigFiles | None = None,
        policy: AddressPolicy | None = None,
        folder: Path,
        root_dir: Path,
        places: Places | None = None,
        events: Events | None = None,
        log: logging.Logger,
    ) -> None:
        self.kinds = kinds
        self.reports: list[Report] = []
        self._remembered = remembered
        self._sources = sources or ConfigFiles(environ={})
        self._policy = policy or AddressPolicy()
        self._folder = folder
        self._root_dir = root_dir
        self._places = places or Places(root_dir)
        self._events = events or Events()
        self._log = log
        self._connections: dict[str, Connection] = {}
        self._configured: dict[str, ConfigEntry] = {}  # as last read, removed ones included
        self._making: set[str] = set()
        self._refusals = LoginBackoff()
        self._loaded = asyncio.Event()
        self._health = Health(self._connections, self._reload, log)
        self._starting: asyncio.Task[None] | None = None
        self._watchers: list[Callable[[Connection, bool], None]] = []
        self._throttle: Throttle[None] = Throttle(
            lambda name, _: self._emit_unchanged(name), 1 / TELL_HZ
        )

    def on_news(self, name: str) -> None:
        """Report a change within the same state: a mount, the progress of a login."""
        if name in self._connections:
            self._throttle.note(name, None)

    def watch(self, watcher: Callable[[Connection, bool], None]) -> None:
        """Call `watcher(connection, gone)` after each change of a state, and when it is removed."""
        self._watchers.append(watcher)

    async def vault(self) -> str:
        """Return where saved secrets are: keyring, file or memory."""
        await self._remembered.vault.open()
        return self._remembered.vault.place

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to read the configuration and to log in; starting twice is fine."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._start())

    async def loaded(self) -> None:
        """Wait until the configuration has been read, which needs no remote."""
        self.start()
        await self._loaded.wait()

    async def close(self) -> None:
        """Release all resources. Sessions and secrets stay."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting})
        await self._health.close()
        self._throttle.close()
        closing = [connection.close() for connection in self._connections.values()]
        await asyncio.gather(*closing)
        for connection in self._connections.values():
            metrics.CONNECTIONS.labels(connection.kind, connection.state).dec()
        self._connections.clear()

    # -- the connections -----------------------------------------------------------------------

    def list(self) -> list[Connection]:
        return sorted(self._connections.values(), key=lambda connection: connection.name)

    def get(self, name: str) -> Connection:
        try:
            return self._connections[name]
        except KeyError:
            raise NotFound(f"No such connection: {name}") from None

    async def add(
        self, name: str, kind: str | None, given: Mapping[str, Any], *, remember: bool = False
    ) -> Connection:
        """Return a new connection, not yet logged in. Raises Conflict if the name is taken."""
        await self.loaded()
        if len(self._connections) >= MAX_CONNECTIONS:
            raise Conflict(f"There are {MAX_CONNECTIONS} connections; remove some first.")
        if name in self._connections or name in self._making:
            raise Conflict(f"There is a connection {name} already.")
        check_size(given)
        entry = ConfigEntry(name, kind, given)
        connection = await self._make(entry, remembered=remember)
        if remember:
            await self._keep(connection)
        return connection

    async def kind_of(self, kind: str | None, given: Mapping[str, Any]) -> type[Connector[Any]]:
        """Return the connector of a kind, guessed from `given`'s url if it is None."""
        url = given.get("url")
        return await self.kinds.get(kind or self.kinds.guess(url if isinstance(url, str) else ""))

    async def remember(self, connection: Connection, remember: bool = True) -> None:
        """Save a connection's settings and secrets beyond this server, or delete them."""
        connection.remembered = remember
        if remember:
            await self._keep(connection)
        else:
            await self._remembered.forget(connection.name)

    async def remove(self, name: str) -> None:
        """Log out, delete it and its secret; a configured one returns when its file changes."""
        await self._release(name)
        await self._remembered.forget(name)

    # -- below ---------------------------------------------------------------------------------

    async def _start(self) -> None:
        try:
            found = await asyncio.to_thread(self._sources.read)
            saved = await self._remembered.load()
            self.reports = list(found.reports)
            self._configured = dict(found.entries)
            for entry in found.entries.values():
                await self._configure(entry)
            for name, (kind, settings) in saved.items():
                if name not in found.entries:
                    await self._configure(
                        ConfigEntry(name, kind, settings, "remembered"), saved=True
                    )
            self._log_reports()
        except Exception:
            # Any error: the server works on, and connections can be added.
            self._log.exception("Not all configured connections could be read")
        finally:
            self._loaded.set()
        self._health.start()

    async def _reload(self) -> None:
        """Read changed files: add new connections, replace changed ones, remove the others."""
        if not await asyncio.to_thread(self._sources.changed):
            return
        found = await asyncio.to_thread(self._sources.read)
        self.reports = list(found.reports)
        before, self._configured = self._configured, dict(found.entries)
        for name, entry in before.items():
            if not _same(found.entries.get(name), entry) and name in self._connections:
                await self._release(name)
        for name, entry in found.entries.items():
            if not _same(before.get(name), entry):
                await self._configure(entry)
            elif name in self._connections:
                self._connections[name].source = entry.source  # its line number may differ
        self._log_reports()

    async def _release(self, name: str) -> None:
        """Remove a connection, but not its saved secret."""
        connection = self.get(name)
        del self._connections[name]
        metrics.CONNECTIONS.labels(connection.kind, connection.state).dec()
        connection.release()
        self._emit_state(connection, connection.state, "gone")
        self._call_watchers(connection, gone=True)
        await connection.logout()
        await connection.close()

    async def _configure(self, entry: ConfigEntry, *, saved: bool = False) -> None:
        if entry.name in self._connections:
            self.reports.append(Report(entry.source, f"{entry.name} exists already."))
            return
        try:
            kind = entry.kind or self.kinds.guess(entry.given["url"])
            url = str(entry.given.get("url"))
            secrets = await self._remembered.secrets(entry.name, kind, url)
            known = entry.name in self._remembered
            entry = replace(entry, given={**secrets, **entry.given})
            await self._make(entry, remembered=saved or known)
        except Problem as problem:
            self.reports.append(Report(entry.source, problem.message))
        except Exception as error:
            self._log.exception("The connection in %s could not be made", entry.source)
            self.reports.append(Report(entry.source, f"It failed with a {type(error).__name__}."))

    def _log_reports(self) -> None:
        for report in self.reports:
            self._log.warning("%s: %s", report.source, report.message)

    async def _make(self, entry: ConfigEntry, *, remembered: bool) -> Connection:
        name = entry.name
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise BadRequest(
                "name: letters, digits, _, ., - and spaces within, 64 at most; not kernel or file.",
                field="name",
            )
        url = entry.given.get("url")
        self._making.add(name)
        try:
            connector_type = await self.kind_of(entry.kind, entry.given)
            kind = connector_type.kind
            if isinstance(url, str):
                _check_url(url)
            fields = to_fields(connector_type, entry.given)
            policy, trust = self._policy, TLSSettings(verify=entry.verify)
            if isinstance(fields, WebFields):
                if entry.insecure_http:
                    host = (urlsplit(fields.url).hostname or "").lower()
                    hosts = policy.insecure_http_hosts | {host}
                    policy = replace(policy, insecure_http_hosts=hosts)
                policy.check_url(fields.url)
                trust = TLSSettings(fields.ca_file, _pin(fields.pin), entry.verify)
            await imported("jupyter_bridge.connections.net.outbound")
            from jupyter_bridge.connections.net.outbound import Outbound

            context = Context(
                name,
                Outbound(policy, trust),
                self._folder / name,
                self._root_dir,
                self._log,
                on_progress=lambda: self.on_news(name),
                places=self._places,
                requested=not entry.configured,
            )
            hide_secrets(fields, context)
            connector = connector_type(fields, context)
            if entry.source == RUN_TIME:  # all others are checked when they are used
                await _admit(connector)
            connection = Connection(
                name,
                connector,
                source=entry.source,
                remembered=remembered,
                on_change=self._on_change,
                on_keep=self._keep,
                refusals=self._refusals,
            )
            self._connections[name] = connection
            metrics.CONNECTIONS.labels(kind, connection.state).inc()
            self._emit_state(connection, "gone", connection.state)
            return connection
        finally:
            self._making.discard(name)

    async def _keep(self, connection: Connection) -> None:
        await self._remembered.keep(
            connection.name,
            connection.kind,
            connection.fields,
            settings=connection.name not in self._configured,
        )

    def _on_change(self, connection: Connection, before: str) -> None:
        if self._connections.get(connection.name) is not connection:
            return
        metrics.CONNECTIONS.labels(connection.kind, before).dec()
        metrics.CONNECTIONS.labels(connection.kind, connection.state).inc()
        self._emit_state(connection, before, connection.state)
        self._call_watchers(connection)

    def _emit_state(self, connection: Connection, before: str, state: str) -> None:
        with contextlib.suppress(Exception):
            self._events.emit(
                "connection_state",
                connection=connection.name,
                kind=connection.kind,
                state=state,
                before=before,
            )

    def _emit_unchanged(self, name: str) -> None:
        connection = self._connections.get(name)
        if connection is not None:
            self._emit_state(connection, connection.state, connection.state)

    def _call_watchers(self, connection: Connection, *, gone: bool = False) -> None:
        for watcher in self._watchers:
            try:
                watcher(connection, gone)
            except Exception:  # noqa: PERF203 - the connection itself must go on
                self._log.exception("A watcher of the connections failed")


def _same(one: ConfigEntry | None, other: ConfigEntry) -> bool:
    """Tell whether two readings configure the same, apart from the line."""
    return one is not None and replace(one, source="") == replace(other, source="")


async def _admit(connector: Connector[Any]) -> None:
    try:
        with anyio.fail_after(ADMIT_SECONDS):
            await connector.admit()
    except TimeoutError as error:
        raise Timeout(f"No answer within {ADMIT_SECONDS:g} s whether this may be used.") from error


def _check_url(url: str) -> None:
    """Raise BadRequest if a URL, which is shown, has a secret in it."""
    try:
        parts = urlsplit(url)
        secret = parts.password is not None
    except ValueError as error:
        raise BadRequest(f"url: is not a URL: {error}", field="url") from None
    named = {name for name, _ in parse_qsl(parts.query)}
    if secret or named & {"token", "password", "sessionID"}:
        raise BadRequest("url: a password or token has its own field.", field="url")


def _pin(pin: str | None) -> str | None:
    if pin is None or re.fullmatch("([0-9a-fA-F]{2}:?){32}", pin):
        return pin
    raise BadRequest("pin: must be a SHA-256 in hex, as in 3f:a0:…", field="pin")
