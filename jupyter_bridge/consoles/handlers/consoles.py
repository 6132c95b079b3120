"""The console routes that are plain HTTP: list, create, end, send, recording."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from jupyter_bridge.consoles.handlers.access import OWN, ConsoleDoor
from jupyter_bridge.consoles.registry import ConsoleRegistry
from jupyter_bridge.consoles.search.commands import CommandsQuery, commands_of
from jupyter_bridge.consoles.tail.asciicast import recording
from jupyter_bridge.models.consoles import (
    CommandsModel,
    ConsoleChange,
    ConsoleModel,
    TerminalOptions,
)
from jupyter_bridge.observe.events import Events
from jupyter_bridge.web import BridgeHandler, verb

# The most bytes typed with one request; send more as a file.
MAX_SEND = 16 << 20


class ConsoleHandler(ConsoleDoor, BridgeHandler):
    """The base of the console routes."""

    resources: tuple[str, ...] = (OWN,)

    def initialize(self, consoles: ConsoleRegistry, events: Events) -> None:
        self.consoles = consoles
        self.events = events

    async def authorize(self, action: str) -> None:
        await super().authorize(action)
        if "name" in self.path_kwargs:
            await self.demand_named(self.path_kwargs["name"], action)


class CreateQuery(msgspec.Struct):
    """`conn` names a connection, which is asked now."""

    conn: str | None = None


class ConsolesHandler(ConsoleHandler):
    async def judge(self, **arguments: Any) -> None:
        query, body = arguments["query"], arguments.get("body")
        if body is None:  # a list: each console is judged by itself
            if query.conn is not None:
                await self.demand("read", "bridge:connections")
            return
        beside = ("terminals",) if query.conn is None else ("bridge:connections",)
        await self.demand("write", *beside)
        if body.env or body.is_in_folder or body.shell_command is not None:
            await self.demand("execute", OWN, *beside)  # each can make the shell run code

    @verb("read", "List the consoles", query=CreateQuery, reply=list[ConsoleModel])
    async def get(self, query: CreateQuery) -> list[ConsoleModel]:
        if query.conn is not None:
            return await self.readable(await self.consoles.ask(query.conn))
        return await self.readable(self.consoles.models())

    @verb(
        "write",
        "Open a terminal",
        body=TerminalOptions,
        query=CreateQuery,
        reply=ConsoleModel,
        status=201,
    )
    async def post(self, body: TerminalOptions, query: CreateQuery) -> ConsoleModel:
        if query.conn is not None:
            console = await self.consoles.create_remote(query.conn, body)
        else:
            console = await self.consoles.create(body)
        self.set_header("Location", self.link(f"/consoles/{console.name}"))
        return console.model()


class PurgeQuery(msgspec.Struct):
    """`purge=1` also deletes the console's output."""

    purge: bool = False


class OneConsoleHandler(ConsoleHandler):
    @verb("read", "Show one console", reply=ConsoleModel)
    async def get(self, name: str) -> ConsoleModel:
        models = await self.readable(m for m in self.consoles.models() if m.name == name)
        if models:
            return models[0]
        async with self.adding_names():
            console = self.consoles.get(name)
        await self.demand_console(console, "read")
        return console.model()

    @verb("write", "Rename a terminal", body=ConsoleChange, reply=ConsoleModel)
    async def patch(self, name: str, body: ConsoleChange) -> ConsoleModel:
        async with self.adding_names():
            console = await self.consoles.rename(name, body.name, permit=self.permit("write"))
        return console.model()

    @verb("write", "End a console", query=PurgeQuery, status=204)
    async def delete(self, name: str, query: PurgeQuery) -> None:
        async with self.adding_names():
            await self.consoles.end(name, purge=query.purge, permit=self.permit("write"))
        self.answer_nothing(204)


class SendQuery(msgspec.Struct):
    """`newline=1` adds a newline."""

    newline: bool = False


class SendHandler(ConsoleHandler):
    @verb("execute", "Type into a console", query=SendQuery, status=204, raw=True, limit=MAX_SEND)
    async def post(self, name: str, query: SendQuery) -> None:
        data = self.raw_body()
        console = await self.open_console(name, "execute", to_write=True)
        await self.while_here(console.send(data + b"\n" if query.newline else data))
        self.answer_nothing(204)


class CommandsHandler(ConsoleHandler):
    @verb(
        "read",
        "List the commands that were run in a console",
        query=CommandsQuery,
        reply=CommandsModel,
    )
    async def get(self, name: str, query: CommandsQuery) -> None:
        async with self.adding_names():
            console = self.consoles.get(name)
        await self.demand_console(console, "read")
        await self.answer_listing(await self.while_here(commands_of(console, query)))


class RecordingQuery(msgspec.Struct):
    """The first offset, and the end (exclusive); all that is held if not given. `version` is that
    of the asciicast: 2, or 3, which has the exit status."""

    from_: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(default=0, name="from")
    to: Annotated[int, msgspec.Meta(ge=0)] | None = None
    version: Annotated[int, msgspec.Meta(ge=2, le=3)] = 2


class RecordingHandler(ConsoleHandler):
    @verb(
        "read",
        "Download a console's recording, as asciicast v2 or v3",
        query=RecordingQuery,
        kinds=("application/x-asciicast",),
    )
    async def get(self, name: str, query: RecordingQuery) -> None:
        async with self.adding_names():
            console = self.consoles.get(name)
        await self.demand_console(console, "read")
        kind = "application/x-asciicast"
        self.set_header("Content-Type", kind)
        self.set_header("Content-Disposition", attachment(f"{name}.cast"))
        parts = recording(console, query.from_, query.to, query.version)
        async with aclosing(self.each_while_here(parts)) as steps:
            async for part in steps:
                if part:
                    self.write(part)
                    await self.flush()
        await self.finish(set_content_type=kind)


def attachment(name: str) -> str:
    """Return a Content-Disposition with which a browser saves the answer under this name."""
    safe = "".join(letter if letter.isprintable() else "_" for letter in name)
    safe = safe.replace("/", "_").replace("\\", "_").replace('"', "_")
    plain = safe.encode("ascii", "replace").decode().replace("?", "_")
    if plain == safe:
        return f'attachment; filename="{safe}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"
