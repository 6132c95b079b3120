"""A JupyterHub: whose token it is, and that user's server, started if need be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import msgspec

from jupyter_bridge.connections.outbound import Outbound
from jupyter_bridge.problems import Denied, RemoteFailed, Unavailable
from jupyter_bridge.wire.unreadable import UNREADABLE

# How often the hub is asked when its progress stream ends before the server is ready, seconds.
_POLL = 1.0
# A progress event is a few hundred bytes.
_MAX_EVENT = 64 << 10

Api = Callable[..., Awaitable[Any]]


class Hub:
    """The hub at `base` (ends with hub/); `api(method, url, body)` asks it with the token."""

    def __init__(self, base: str, api: Api, outbound: Outbound, token: str) -> None:
        self._base = base
        self._api = api
        self._outbound = outbound
        self._token = token

    async def user(self) -> dict[str, Any]:
        """Whose token this is."""
        return dict(await self._api("GET", f"{self._base}api/user"))

    async def server(self, user: str, name: str) -> dict[str, Any] | None:
        """The user's server of this name ("" is the default one), None if none runs."""
        model = await self._api("GET", f"{self._base}api/users/{quote(user, safe='')}")
        servers = model.get("servers")
        if servers is None:
            raise Denied(
                "The token may not read the user's servers; it needs the scopes read:servers, "
                "servers and access:servers (or inherit)."
            )
        found = servers.get(name)
        return None if found is None else dict(found)

    async def start(
        self,
        user: str,
        name: str,
        options: dict[str, Any],
        on_progress: Callable[[int, str], None],
    ) -> dict[str, Any]:
        """The user's server, running; started if it does not. The caller has the deadline.

        `options` are what the hub's own form would ask when it starts one.
        `on_progress(percent, message)` tells what the hub tells.
        """
        path = f"{self._base}api/users/{quote(user, safe='')}/"
        path += f"servers/{quote(name, safe='')}" if name else "server"
        server = await self.server(user, name)
        while server is None or not server.get("ready"):
            if server is None or server.get("pending") not in ("spawn", "stop"):
                # 400 is "running or pending already": somebody else was faster.
                await self._api("POST", path, options, fine=(400,))
            await self._follow(f"{path}/progress", on_progress)
            server = await self.server(user, name)
            if server is None or not server.get("ready"):
                await asyncio.sleep(_POLL)
        return server

    async def _follow(self, url: str, on_progress: Callable[[int, str], None]) -> None:
        """Read the progress until it says ready; Unavailable if it says failed."""
        headers = {"Authorization": f"token {self._token}", "Accept": "text/event-stream"}
        async with self._outbound.stream("GET", url, headers=headers) as response:
            if response.status != 200:
                return
            async for line in response.content:
                if not line.startswith(b"data:") or len(line) > _MAX_EVENT:
                    continue
                try:
                    event = msgspec.json.decode(line[5:].strip())
                    message = str(event.get("message", ""))
                    on_progress(int(event.get("progress", 0)), message)
                except (*UNREADABLE, AttributeError, TypeError, ValueError, OverflowError):
                    raise RemoteFailed("The hub tells a progress that is none.") from None
                if event.get("failed"):
                    raise Unavailable(f"The hub could not start the server: {message}")
                if event.get("ready"):
                    return
