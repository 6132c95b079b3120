"""A JupyterHub: the user of a token, and the user's server, started if need be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import NoneType
from typing import Any
from urllib.parse import quote

from jupyter_bridge.connections.connectors.jupyter.api import (
    HubProgress,
    HubServer,
    HubServers,
    HubUser,
    JupyterApi,
)
from jupyter_bridge.problems import BadRequest, Denied, RemoteFailed, Unavailable
from jupyter_bridge.transport.answers import LISTS, NAMES, sentence
from jupyter_bridge.transport.http import Lines
from jupyter_bridge.wire import bounded
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# How often to poll after the progress stream ends before the server is ready, seconds.
_POLL = 1.0


class Hub:
    """The hub at `base` (ends with hub/), called through `api`."""

    def __init__(self, base: str, api: JupyterApi) -> None:
        self._base = base
        self._api = api

    async def user(self) -> str:
        """Return the name of the token's user."""
        return (await self._api.ask("GET", f"{self._base}api/user", HubUser)).name

    async def server(self, user: str, name: str) -> HubServer | None:
        """Return the user's server of this name ("" for the default one), None if it is not up."""
        url = f"{self._base}api/users/{quote(user, safe='')}"
        found = await self._api.ask("GET", url, HubServers, limit=LISTS)
        if found.servers is None:
            raise Denied(
                "The token may not read the user's servers; it needs the scopes read:servers, "
                "servers and access:servers (or inherit)."
            )
        return found.servers.get(name)

    async def start(
        self,
        user: str,
        name: str,
        options: dict[str, Any],
        on_progress: Callable[[int, str], None],
    ) -> HubServer:
        """Return the user's running server, started if need be. The caller sets a deadline.

        `options` are the fields of the hub's own form to start a server.
        `on_progress(percent, message)` gets the hub's progress.
        """
        path = f"{self._base}api/users/{quote(user, safe='')}/"
        path += f"servers/{quote(name, safe='')}" if name else "server"
        server = await self.server(user, name)
        while server is None or not server.ready:
            if server is None or server.pending not in ("spawn", "stop"):
                # 400 is "running or pending already": another client was faster.
                with suppress(BadRequest):
                    await self._api.ask("POST", path, NoneType, body=options)
            await self._follow(f"{path}/progress", on_progress)
            server = await self.server(user, name)
            if server is None or not server.ready:
                await asyncio.sleep(_POLL)
        return server

    async def _follow(self, url: str, on_progress: Callable[[int, str], None]) -> None:
        """Read the progress until the server is ready; Unavailable if it failed."""
        headers = {**self._api.headers, "Accept": "text/event-stream"}
        async with self._api.outbound.stream("GET", url, headers=headers) as response:
            if response.status != 200:
                return
            async for line in Lines(response, NAMES):
                if line.startswith(b"data:") and self._is_ready(line[5:], on_progress):
                    return

    def _is_ready(self, event: bytes, on_progress: Callable[[int, str], None]) -> bool:
        try:
            update = bounded.decode(event.strip(), HubProgress, NAMES)
        except JSON_ERRORS:
            raise RemoteFailed("The hub sent a progress message that cannot be read.") from None
        message = sentence(update.message)
        on_progress(int(min(max(update.progress, 0.0), 100.0)), message)
        if update.failed:
            raise Unavailable(f"The hub could not start the server: {message}")
        return update.ready
