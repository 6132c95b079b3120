"""Consoles: list, open, end, read and search a server's consoles, and type into them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from jupyter_bridge.client.console_stream import ConsoleStream
from jupyter_bridge.models.consoles import CommandsModel, ConsoleModel, HitModel, SearchModel
from jupyter_bridge.problems import RemoteFailed
from jupyter_bridge.transport.bridge_session import BridgeSession, segment
from jupyter_bridge.transport.http import Lines
from jupyter_bridge.transport.line_follower import MAX_EVENT_BYTES, SILENCE_SECONDS
from jupyter_bridge.transport.problem_decoder import problem_of
from jupyter_bridge.wire.json_errors import JSON_ERRORS
from jupyter_bridge.wire.shell.any_bytes import as_json


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
        cwd: str | bytes | None = None,
        env: Mapping[str, str | None] | None = None,
        shell_command: Sequence[str] | None = None,
        rows: int | None = None,
        cols: int | None = None,
    ) -> ConsoleModel:
        """Open a terminal; raises Conflict if a live console has that name."""
        given: dict[str, Any] = {
            "name": name,
            **as_json("cwd", cwd),
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

    async def commands(
        self, name: str | ConsoleModel, *, limit: int | None = None, before: int | None = None
    ) -> CommandsModel:
        """Return the commands that were run in the console's shell, the newest last.

        At most `limit` (200 unless given), of those whose offset is lower than `before`.
        """
        query = {"limit": limit, "before": before}
        path = f"{_path('consoles', name)}/commands"
        return (await self._session().ask("GET", path, query=query)).read(CommandsModel)

    async def search(
        self,
        text: str,
        *,
        regex: bool = False,
        console: str | ConsoleModel | None = None,
        since: float | str | None = None,
        limit: int | None = None,
    ) -> SearchModel:
        """Search for text, or a pattern in RE2's syntax, in what all consoles said, or one.

        `since` is in seconds ago, or a time in ISO 8601. At most `limit` hits (1,000 unless given)
        are returned.
        """
        query = {
            "q": text,
            "regex": "true" if regex else None,
            "console": console.name if isinstance(console, ConsoleModel) else console,
            "since": since,
            "limit": limit,
        }
        # As a stream: its blank lines tell a long search from a dead connection.
        session = self._session()
        response = await session.stream("GET", "search", query=query, silence=SILENCE_SECONDS)
        found = SearchModel([], False)
        try:
            async for line in Lines(response, MAX_EVENT_BYTES):
                _read_into(found, line)
        finally:
            response.close()
        return found

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


class _Last(msgspec.Struct):
    """The last line of a search that has more to tell than hits."""

    truncated: bool = False
    unread: Sequence[str] = ()
    problem: dict[str, Any] | None = None


def _read_into(found: SearchModel, line: bytes) -> None:
    """Add a line of a search; raises its Problem, or RemoteFailed."""
    try:
        if line.startswith(b'{"console":'):
            found.hits.append(msgspec.json.decode(line, type=HitModel))
            return
        last = msgspec.json.decode(line, type=_Last)
    except JSON_ERRORS as error:
        raise RemoteFailed(f"The search has a malformed line: {error}.") from error
    if last.problem is not None:
        raise problem_of(last.problem, None, "The search") or RemoteFailed("The search failed.")
    found.truncated, found.unread = last.truncated, list(last.unread)
