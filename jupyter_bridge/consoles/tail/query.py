"""How a request says where a tail begins and ends: by query, or by the Cray service's headers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.tail.pattern import Pattern, compiled
from jupyter_bridge.consoles.tail.view import DEFAULT_LINES, MAX_LINES, StartPoint, View
from jupyter_bridge.problems import BadRequest, Conflict
from jupyter_bridge.wire import bounded
from jupyter_bridge.wire.times import from_iso

# What a script may wait for at most; a day.
MAX_TIMEOUT = 86400.0


class TailQuery(msgspec.Struct):
    """`lines`, or `offset` (of `epoch`), or `since` (ISO 8601, or seconds ago) say where it begins;
    `to` (an offset, exclusive), `until` (a pattern in RE2's syntax) and `timeout` (seconds) where
    it ends, `follow` whether it waits for more. `strip=ansi` leaves escape sequences out;
    `format=raw`, over HTTP alone, leaves nothing out but gaps."""

    lines: Annotated[int, msgspec.Meta(ge=0, le=MAX_LINES)] | None = None
    offset: Annotated[int, msgspec.Meta(ge=0)] | None = None
    epoch: str | None = None
    since: str | None = None
    to: Annotated[int, msgspec.Meta(ge=0)] | None = None
    follow: bool | None = None
    strip: Literal["ansi"] | None = None
    until: str | None = None
    timeout: Annotated[float, msgspec.Meta(ge=0, le=MAX_TIMEOUT)] | None = None
    format: Literal["text", "ndjson", "raw"] = "text"


class InteractQuery(TailQuery):
    """As for a tail, and how to take part: `watch`, `join` or `steal`."""

    mode: Literal["watch", "join", "steal"] = "join"


@dataclass(frozen=True)
class TailRequest:
    """A tail as it was asked for, checked."""

    beginning: StartPoint
    follow: bool
    query: TailQuery
    until: Pattern | None = None

    async def view(self, console: Console) -> View:
        """Begin it; raises Conflict for an offset that this console never had, or has not yet.

        BadRequest where it would end before it begins.
        """
        query = self.query
        start = await self.beginning.resolve(console)
        if query.to is not None:
            self._check_end(console, start, query.to)
        return View(
            console,
            start,
            follow=self.follow,
            strip=query.strip is not None,
            until=self.until,
            timeout=query.timeout,
            resumed=query.offset is not None,
            to=query.to,
            raw=query.format == "raw",
        )

    def _check_end(self, console: Console, start: int, to: int) -> None:
        if to < start:
            raise BadRequest(f"to: is {to}, and the tail begins at {start}.", field="to")
        if to > console.end_offset and not self.follow:
            raise Conflict(
                f"Console {console.name!r} ends at {console.end_offset}, before {to}; "
                "follow=true waits for the rest.",
                epoch=console.epoch,
                end_offset=console.end_offset,
            )


def asked(query: TailQuery, headers: Mapping[str, str], *, follow: bool = False) -> TailRequest:
    """What the query, or where it says nothing the headers, ask for; raises BadRequest.

    `until` means waiting for it, so it follows unless the query says otherwise.
    """
    if sum(value is not None for value in (query.lines, query.offset, query.since)) > 1:
        raise BadRequest("Give one of lines, offset and since.", field="lines")
    if query.epoch is not None and query.offset is None:
        raise BadRequest("epoch: belongs to an offset.", field="epoch")
    until = compiled(query.until, "until") if query.until is not None else None
    if query.format == "raw" and query.strip is not None:
        raise BadRequest("strip: nothing is left out of format=raw.", field="strip")
    lines = query.lines
    if lines is None:
        lines = _lines(headers.get("Cray-Console-Lines"))
    told = headers.get("Cray-Console-Follow", "").strip().lower()
    if told not in ("", "true", "false"):
        raise BadRequest("Cray-Console-Follow: True or False.", field="Cray-Console-Follow")
    following = query.follow
    if following is None:
        following = follow or query.until is not None or told == "true"
    since = _since(query.since) if query.since is not None else None
    beginning = StartPoint(lines, query.offset, query.epoch, since)
    return TailRequest(beginning, following, query, until)


def _lines(header: str | None) -> int:
    if header is None:
        return DEFAULT_LINES
    lines = bounded.number(header, MAX_LINES)
    if lines is None:
        raise BadRequest(
            f"Cray-Console-Lines: must be a number up to {MAX_LINES}.", field="Cray-Console-Lines"
        )
    return lines


def _since(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if not 0 <= seconds < 1e10:
            raise BadRequest("since: seconds ago, or a time in ISO 8601.", field="since")
        return time.time() - seconds
    try:
        # A + in a query is a space to whoever reads it.
        return from_iso(text.replace(" ", "+")).timestamp()
    except ValueError:
        try:
            return from_iso(text).timestamp()
        except ValueError as error:
            raise BadRequest("since: seconds ago, or a time in ISO 8601.", field="since") from error
