"""Connections from the client's side: what `BridgeClient.connections` is.

Passwords go in and never come out: a Connection only says that it `has_secret`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import msgspec

from jupyter_bridge.transport.bridge_session import BridgeSession, segment
from jupyter_bridge.transport.line_follower import SILENCE_SECONDS, read_line
from jupyter_bridge.transport.response import Response

# A login may take a minute (a hub starts a server first), a mount half of one.
LOGIN_SECONDS = 180.0


class Connection(msgspec.Struct, frozen=True):
    """A connection as it was when it was asked for."""

    name: str
    kind: str = ""
    url: str = ""
    state: str = ""
    reason: str | None = None
    since: str = ""
    username: str = ""
    has_secret: bool = False
    needs: list[str] = []
    can: list[str] = []
    source: str = ""
    isMounted: bool = False  # noqa: N815
    progress: dict[str, Any] | None = None
    mountpoint: str = ""


class Listing(msgspec.Struct, frozen=True):
    """All connections; `vault` is where secrets are kept, `problems` what is wrong in files."""

    connections: list[Connection]
    notebook_dir: str = ""
    vault: str = ""
    problems: list[dict[str, str]] = []


class Kind(msgspec.Struct, frozen=True):
    """What a kind of connection asks for: a JSON Schema, and which of its fields are secret."""

    kind: str
    title: str = ""
    fields: dict[str, Any] = {}
    secret: list[str] = []
    can: list[str] = []
    problem: str | None = None


class Transfer(msgspec.Struct, frozen=True):
    """A transfer as it stands: bytes, bytes per second, seconds."""

    transfer: str
    connection: str = ""
    direction: str = ""
    permId: str | None = None  # noqa: N815
    path: str = ""
    state: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0.0
    eta: float | None = None
    file: str | None = None
    files: int = 0
    problem: dict[str, Any] | None = None


class Environment(msgspec.Struct, frozen=True):
    """What a kernel runs on, as the two texts of Binder, and the contents paths written."""

    language: str
    requirements_list: str
    requirements_filename: str
    runtime: str
    runtime_filename: str
    saved: list[str] = []


class _ConnectionAnswer(msgspec.Struct):
    connection: Connection


class Connections:
    """The verbs of `/bridge/conns` and what belongs to it. Each raises the server's Problem."""

    def __init__(self, door: Callable[[], BridgeSession]) -> None:
        self._door = door

    async def list(self) -> Listing:
        """All connections, from the server's memory."""
        return (await self._ask("GET", "conns")).read(Listing)

    async def kinds(self) -> dict[str, Kind]:
        """What kinds there are, by name."""
        kinds: Any = (await self._ask("GET", "kinds")).read(tuple[Kind, ...])
        return {kind.kind: kind for kind in kinds}

    async def get(self, name: str) -> Connection:
        """One connection."""
        return (await self._ask("GET", f"conn/{segment(name)}")).read(_ConnectionAnswer).connection

    async def add(
        self,
        /,
        name: str,
        url: str,
        *,
        kind: str | None = None,
        remember: bool = False,
        **fields: Any,
    ) -> Connection:
        """A new connection, logged in if nothing is missing; `remember` keeps it for good."""
        body = {"name": name, "url": url, "kind": kind, "remember": remember, **fields}
        given = {key: value for key, value in body.items() if value is not None}
        answer = await self._ask("POST", "conns", body=given, timeout=LOGIN_SECONDS)
        return next(one for one in answer.read(Listing).connections if one.name == name)

    async def login(self, /, name: str, **fields: Any) -> Connection:
        """Log in, with new credentials if there are any (username, password, token, host_key)."""
        return await self._put(name, "login", fields)

    async def logout(self, name: str) -> Connection:
        """End the session; nothing logs in by itself until `login`."""
        return await self._put(name, "logout", {})

    async def mount(
        self, name: str, mountpoint: str | None = None, *, host_key: str | None = None
    ) -> Connection:
        """Mount it on the server's host, at ~/<hostname> unless told; `host_key` accepts one."""
        return await self._put(name, "mount", {"mountpoint": mountpoint, "host_key": host_key})

    async def unmount(self, name: str) -> Connection:
        return await self._put(name, "unmount", {})

    async def remove(self, name: str) -> None:
        """Log out, unmount and forget, also the remembered secret."""
        await self._ask("DELETE", f"conn/{segment(name)}", timeout=LOGIN_SECONDS)

    async def browse(self, name: str, path: str = "") -> tuple[dict[str, Any], ...]:
        """What is at `path`: name, path, kind, permId, size, modified."""
        route = f"conn/{segment(name)}/browse/{segment(path)}"
        items: Any = (await self._ask("GET", route, timeout=LOGIN_SECONDS)).read(
            tuple[dict[str, Any], ...]
        )
        return tuple(items)

    # -- data sets -----------------------------------------------------------------------------

    async def dataset(self, name: str, perm_id: str) -> dict[str, Any]:
        """A data set and its files."""
        route = f"dataset/{segment(name)}/{segment(perm_id)}"
        return (await self._ask("GET", route, timeout=LOGIN_SECONDS)).read(dict[str, Any])

    async def download(
        self, name: str, perm_id: str, path: str = ".", *, files: Sequence[str] | None = None
    ) -> Transfer:
        """Start to bring a data set to `path`/`perm_id` on the server's host."""
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
    ) -> Transfer:
        """Start to make files of the server's host a data set of `entity`."""
        return await self._start(
            name,
            "upload",
            permId=entity,
            files=files,
            type=type,
            parents=list(parents),
            props=props or {},
        )

    async def transfers(self) -> tuple[Transfer, ...]:
        """All transfers, the newest first."""
        found: Any = (await self._ask("GET", "transfers")).read(tuple[Transfer, ...])
        return tuple(found)

    async def cancel(self, transfer: str) -> Transfer:
        return (await self._ask("DELETE", f"transfers/{segment(transfer)}")).read(Transfer)

    async def pause(self, transfer: str) -> Transfer:
        """Stop a transfer until it is resumed; what came is kept."""
        return (await self._ask("POST", f"transfers/{segment(transfer)}/pause")).read(Transfer)

    async def resume(self, transfer: str) -> Transfer:
        """Go on with a transfer that failed or was paused."""
        return (await self._ask("POST", f"transfers/{segment(transfer)}/resume")).read(Transfer)

    async def watch(self, transfer: str) -> AsyncGenerator[Transfer, None]:
        """How a transfer goes, up to 4 times a second, to its end."""
        path = f"transfers/{segment(transfer)}"
        response = await self._door().stream("GET", path, silence=SILENCE_SECONDS)
        try:
            async for line in response.content:
                if line.strip():
                    yield msgspec.convert(read_line(line).data, Transfer)
        finally:
            response.close()

    async def follow(self, transfer: str, on_progress: Callable[[Transfer], None]) -> Transfer:
        """Wait for a transfer to end; `on_progress` is told how it goes, on the client's thread."""
        last: Transfer | None = None
        async for last in self.watch(transfer):
            on_progress(last)
        assert last is not None
        return last

    # -- environments --------------------------------------------------------------------------

    async def environment(self, kernel: str, *, beside: str | None = None) -> Environment:
        """What the kernel of this id runs on; saved `beside` a notebook (its contents path)."""
        body = {"path": beside, "save": beside is not None}
        route = f"environment/{segment(kernel)}"
        answer = await self._ask("POST", route, body=body, timeout=LOGIN_SECONDS)
        return answer.read(Environment)

    # -- below ---------------------------------------------------------------------------------

    async def _start(self, name: str, direction: str, **fields: Any) -> Transfer:
        body = {"connection": name, "direction": direction, **fields}
        given = {key: value for key, value in body.items() if value is not None}
        answer = await self._ask("POST", "transfers", body=given, timeout=LOGIN_SECONDS)
        return answer.read(Transfer)

    async def _put(self, name: str, action: str, fields: dict[str, Any]) -> Connection:
        given = {key: value for key, value in fields.items() if value is not None}
        answer = await self._ask(
            "PUT",
            f"conn/{segment(name)}",
            body={"action": action, **given},
            timeout=LOGIN_SECONDS,
        )
        return answer.read(_ConnectionAnswer).connection

    async def _ask(self, method: str, path: str, **how: Any) -> Response:
        return await self._door().ask(method, path, **how)
