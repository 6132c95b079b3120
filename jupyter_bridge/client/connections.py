"""Connections: a server's connections, data sets and transfers, for `BridgeClient.connections`.

Passwords are sent and never returned; a connection only has `has_secret`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import msgspec

from jupyter_bridge.models.connections import (
    ConnectionListModel,
    ConnectionModel,
    KindModel,
    OneConnectionModel,
)
from jupyter_bridge.models.datasets import Dataset, Item
from jupyter_bridge.models.environments import EnvironmentModel
from jupyter_bridge.models.transfers import TransferModel
from jupyter_bridge.transport.bridge_session import BridgeSession, segment
from jupyter_bridge.transport.line_follower import SILENCE_SECONDS, read_line
from jupyter_bridge.transport.response import Response

# A login may take a minute (a hub starts a server first), a mount half a minute.
LOGIN_SECONDS = 180.0


class Connections:
    """The routes of connections and transfers. Every method raises the server's Problem."""

    def __init__(self, session: Callable[[], BridgeSession]) -> None:
        self._session = session

    async def list(self) -> ConnectionListModel:
        """List all connections, as the server last knew them."""
        return (await self._ask("GET", "conns")).read(ConnectionListModel)

    async def kinds(self) -> dict[str, KindModel]:
        """Return the kinds of connections, by name."""
        kinds: Any = (await self._ask("GET", "kinds")).read(tuple[KindModel, ...])
        return {kind.kind: kind for kind in kinds}

    async def get(self, name: str) -> ConnectionModel:
        """Return one connection."""
        return (await self._ask("GET", f"conn/{segment(name)}")).read(OneConnectionModel).connection

    async def add(
        self,
        /,
        name: str,
        url: str,
        *,
        kind: str | None = None,
        remember: bool = False,
        **fields: Any,
    ) -> ConnectionModel:
        """Add a connection and log in if no field is missing; `remember` saves it."""
        body = {"name": name, "url": url, "kind": kind, "remember": remember, **fields}
        given = {key: value for key, value in body.items() if value is not None}
        answer = await self._ask("POST", "conns", body=given, timeout=LOGIN_SECONDS)
        return next(one for one in answer.read(ConnectionListModel).connections if one.name == name)

    async def login(self, /, name: str, **fields: Any) -> ConnectionModel:
        """Log in, with new credentials if given (username, password, token, host_key)."""
        return await self._put(name, "login", fields)

    async def logout(self, name: str) -> ConnectionModel:
        """Log out; the connection stays logged out until `login`."""
        return await self._put(name, "logout", {})

    async def mount(
        self, name: str, mountpoint: str | None = None, *, host_key: str | None = None
    ) -> ConnectionModel:
        """Mount on the server's host (default: ~/<hostname>); `host_key` accepts that host key."""
        return await self._put(name, "mount", {"mountpoint": mountpoint, "host_key": host_key})

    async def unmount(self, name: str) -> ConnectionModel:
        return await self._put(name, "unmount", {})

    async def remove(self, name: str) -> None:
        """Log out, unmount, and delete the connection and its saved secret."""
        await self._ask("DELETE", f"conn/{segment(name)}", timeout=LOGIN_SECONDS)

    async def browse(self, name: str, path: str = "") -> tuple[Item, ...]:
        """List the contents of `path`."""
        route = f"conn/{segment(name)}/browse/{segment(path)}"
        found: Any = (await self._ask("GET", route, timeout=LOGIN_SECONDS)).read(tuple[Item, ...])
        return tuple(found)

    # -- data sets -----------------------------------------------------------------------------

    async def dataset(self, name: str, perm_id: str) -> Dataset:
        """Return a data set with its files."""
        route = f"dataset/{segment(name)}/{segment(perm_id)}"
        return (await self._ask("GET", route, timeout=LOGIN_SECONDS)).read(Dataset)

    async def download(
        self, name: str, perm_id: str, path: str = ".", *, files: Sequence[str] | None = None
    ) -> TransferModel:
        """Start the download of a data set to `path`/`perm_id` on the server's host."""
        return await self._start(name, "download", permId=perm_id, path=path, files=files)

    async def upload(
        self,
        name: str,
        files: Sequence[str],
        entity: str = "",
        *,
        type: str | None = None,  # noqa: A002
        parents: Sequence[str] = (),
        props: dict[str, Any] | None = None,
    ) -> TransferModel:
        """Start the upload of files of the server's host as a data set of `entity`."""
        return await self._start(
            name,
            "upload",
            permId=entity,
            files=files,
            type=type,
            parents=list(parents),
            props=props or {},
        )

    async def transfers(self) -> tuple[TransferModel, ...]:
        """List all transfers, the newest first."""
        found: Any = (await self._ask("GET", "transfers")).read(tuple[TransferModel, ...])
        return tuple(found)

    async def cancel(self, transfer: str) -> TransferModel:
        return (await self._ask("DELETE", f"transfers/{segment(transfer)}")).read(TransferModel)

    async def pause(self, transfer: str) -> TransferModel:
        """Pause a transfer; the bytes transferred so far are kept."""
        return (await self._ask("POST", f"transfers/{segment(transfer)}/pause")).read(TransferModel)

    async def resume(self, transfer: str) -> TransferModel:
        """Resume a transfer that failed or was paused."""
        return (await self._ask("POST", f"transfers/{segment(transfer)}/resume")).read(
            TransferModel
        )

    async def watch(self, transfer: str) -> AsyncGenerator[TransferModel, None]:
        """Iterate a transfer's progress, up to 4 times a second, until it ends."""
        path = f"transfers/{segment(transfer)}"
        response = await self._session().stream("GET", path, silence=SILENCE_SECONDS)
        try:
            async for line in response.content:
                if line.strip():
                    yield msgspec.convert(read_line(line).data, TransferModel)
        finally:
            response.close()

    async def follow(
        self, transfer: str, on_progress: Callable[[TransferModel], None]
    ) -> TransferModel:
        """Wait for a transfer to end; calls `on_progress` on the client's thread."""
        last: TransferModel | None = None
        async for last in self.watch(transfer):
            on_progress(last)
        assert last is not None
        return last

    # -- environments --------------------------------------------------------------------------

    async def environment(self, kernel: str, *, beside: str | None = None) -> EnvironmentModel:
        """Return a kernel's environment; saves it `beside` a notebook (a contents path)."""
        body = {"path": beside, "save": beside is not None}
        route = f"environment/{segment(kernel)}"
        answer = await self._ask("POST", route, body=body, timeout=LOGIN_SECONDS)
        return answer.read(EnvironmentModel)

    # -- below ---------------------------------------------------------------------------------

    async def _start(self, name: str, direction: str, **fields: Any) -> TransferModel:
        body = {"connection": name, "direction": direction, **fields}
        given = {key: value for key, value in body.items() if value is not None}
        answer = await self._ask("POST", "transfers", body=given, timeout=LOGIN_SECONDS)
        return answer.read(TransferModel)

    async def _put(self, name: str, action: str, fields: dict[str, Any]) -> ConnectionModel:
        given = {key: value for key, value in fields.items() if value is not None}
        answer = await self._ask(
            "PUT",
            f"conn/{segment(name)}",
            body={"action": action, **given},
            timeout=LOGIN_SECONDS,
        )
        return answer.read(OneConnectionModel).connection

    async def _ask(self, method: str, path: str, **how: Any) -> Response:
        return await self._session().ask(method, path, **how)
