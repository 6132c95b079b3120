"""The search route: hits as one JSON answer, or one a line as they are found."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import Any

import msgspec

from jupyter_bridge.aio.first_use import imported
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.handlers.consoles import ConsoleHandler
from jupyter_bridge.consoles.registry import NoConsole
from jupyter_bridge.consoles.search.query import SearchQuery, search_request
from jupyter_bridge.consoles.search.search import Search
from jupyter_bridge.models.consoles import SearchModel
from jupyter_bridge.problems import Problem
from jupyter_bridge.web import NDJSON, verb


class SearchHandler(ConsoleHandler):
    async def judge(self, **arguments: Any) -> None:
        name = arguments["query"].console
        if name is not None:  # else each console is judged by itself
            await self.demand_named(name, "read")

    @verb(
        "read",
        "Search what consoles said",
        query=SearchQuery,
        reply=SearchModel,
        kinds=(NDJSON,),
    )
    async def get(self, query: SearchQuery) -> None:
        with suppress(ImportError):  # text is found without it
            await imported("re2")
        request = await search_request(query)
        search = Search(
            request,
            await self._among(query.console),
            user=self.username,
            skips_timeless=query.console is None,
        )
        if query.format == "ndjson" or NDJSON in self.request.headers.get("Accept", ""):
            await self._stream(search)
        else:
            await self._answer_whole(search)

    async def _among(self, name: str | None) -> list[Console]:
        """Return the consoles to search: those that the user may read."""
        if name is None:
            return await self.readable(self.consoles)
        try:
            console = self.consoles.get(name)
        except NoConsole:
            console = await self.open_console(name, "read")
        await self.demand_console(console, "read")
        return [console]

    async def _answer_whole(self, search: Search) -> None:
        self.set_header("Content-Type", "application/json")
        whole = b""
        try:
            async with aclosing(self.each_while_here(search.pieces())) as pieces:
                async for piece in pieces:
                    if whole:
                        await self.send_piece(whole)
                    whole = piece or b""
        except Problem as problem:
            if not self._headers_written:
                raise
            self.cut(problem.message)
        else:
            self.finish(whole)

    async def _stream(self, search: Search) -> None:
        self.set_header("Content-Type", NDJSON)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Accel-Buffering", "no")  # nginx would hold the hits back
        try:
            async with aclosing(self.each_while_here(search.hits())) as hits:
                async for hit in hits:
                    await self.send_piece(b"\n" if hit is None else _line(hit))
        except Problem as problem:
            if not self._headers_written:
                raise
            self.write(_line({"problem": problem.to_json()}))
        else:
            if search.truncated or search.unread:
                self.write(_line({"truncated": search.truncated, "unread": search.unread}))
        await self.finish(set_content_type=NDJSON)


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"
