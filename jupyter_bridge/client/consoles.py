"""Consoles: list, open, end, tail and interact with a server's consoles."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Literal

from jupyter_bridge.client.console_stream import ConsoleStream
from jupyter_bridge.models.consoles import ConsoleModel
from jupyter_bridge.transport.bridge_session import BridgeSession, segment


class Consoles:
    """The consoles of a server, as `BridgeClient.consoles`."""

    def __init__(self, session: Callable[[], BridgeSession]) -> None:
        self._session = session

    async def list(self, conn: str | None = None) -> list[ConsoleModel]:
        """List all consoles, including ended ones whose output is kept.

        Consoles of connections are listed as last known; `conn` asks and lists that one alone.
        """
        query = {} if conn is None else {"conn": conn}
        return (await self._session().ask("GET", "consoles", query=query)).read(list[ConsoleModel])

    async def get(self, name: str | ConsoleModel) -> ConsoleModel:
        """Return the console's current state."""
        return (await self._session().ask("GET", _path("consoles", name))).read(ConsoleModel)

    async def open(
        self,
        name: str | None = None,
        *,
        cwd: str | None = None,
        env: Mapping[str, str | None] | None = None,
        shell_command: Sequence[str] | None = None,
        rows: int | None = None,
        cols: int | None = None,
    ) -> ConsoleModel:
        """Open a terminal; raises Conflict if a live console has that name."""
        given: dict[str, Any] = {
            "name": name,
            "cwd": cwd,
            "env": env,
            "shell_command": shell_command,
            "rows": rows,
            "cols": cols,
        }
        body = {key: value for key, value in given.items() if value is not None}
        return (await self._session().ask("POST", "consoles", body=body)).read(ConsoleModel)

    async def end(self, name: str | ConsoleModel, *, purge: bool = False) -> None:
        """End a terminal; `purge` also deletes its output."""
        query = {"purge": 1} if purge else None
        await self._session().ask("DELETE", _path("consoles", name), query=query)

    async def rename(self, name: str | ConsoleModel, new: str) -> ConsoleModel:
        """Rename a terminal of the server; raises Conflict if a live console has that name."""
        body = {"name": new}
        answer = await self._session().ask("PATCH", _path("consoles", name), body=body)
        return answer.read(ConsoleModel)

    async def send(
        self, name: str | ConsoleModel, data: bytes | str, *, newline: bool = False
    ) -> None:
        """Type `data` unchanged into a console."""
        raw = data.encode() if isinstance(data, str) else data
        query = {"newline": 1} if newline else None
        await self._session().ask("POST", _path("send", name), query=query, body=raw)

    def recording(
        self,
        name: str | ConsoleModel,
        *,
        start: int | None = None,
        end: int | None = None,
        version: Literal[2, 3] = 2,
    ) -> AsyncGenerator[bytes, None]:
        """Iterate the console's recording, an asciicast of this version, in pieces of bytes."""
        query = {"from": start, "to": end, "version": version}
        return self._session().download(_path("recording", name), query=query)

    def tail(
        self,
        name: str | ConsoleModel,
        *,
        lines: int | None = None,
        offset: int | None = None,
        epoch: str | None = None,
        since: float | str | None = None,
        to: int | None = None,
        follow: bool = False,
        strip: bool = False,
        until: str | None = None,
        timeout: float | None = None,
        skip_echo: bool = False,
    ) -> ConsoleStream:
        """Return a stream of the console's output. Connects when first iterated.

        `since` is in seconds ago, or a time in ISO 8601; `to` is an offset to stop before; `until`
        is a pattern in RE2's syntax to stop after, matched by the server. `skip_echo` leaves out
        the echo of what `send` types.
        """
        query = {
            "lines": lines,
            "offset": offset,
            "epoch": epoch,
            "since": since,
            "to": to,
            "follow": str(follow or until is not None).lower(),
            "strip": "ansi" if strip else None,
            "until": until,
            "timeout": timeout,
            "skip_echo": "true" if skip_echo else None,
        }
        return ConsoleStream(self._session(), _path("tail", name), query)

    def interact(
        self,
        name: str | ConsoleModel,
        *,
        mode: Literal["watch", "join", "steal"] = "join",
        lines: int | None = None,
        offset: int | None = None,
        epoch: str | None = None,
    ) -> ConsoleStream:
        """Return a stream to take part in a console: iterate its frames, `write`, `resize`."""
        query = {"mode": mode, "lines": lines, "offset": offset, "epoch": epoch}
        return ConsoleStream(self._session(), _path("interact", name), query)


def _path(route: str, name: str | ConsoleModel) -> str:
    return f"{route}/{segment(name.name if isinstance(name, ConsoleModel) else name)}"
