"""Where a tail begins and ends, from a request's query or the Cray service's headers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from jupyter_bridge.aio.serial_worker import in_worker
from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.tail.pattern import Pattern, prepared
from jupyter_bridge.consoles.tail.view import View
from jupyter_bridge.problems import BadRequest, Conflict
from jupyter_bridge.wire import bounded
from jupyter_bridge.wire.times import from_iso

DEFAULT_LINES = 50
MAX_LINES = 10_000_000
# The longest wait of a script, seconds: a day.
MAX_TIMEOUT = 86400.0


class TailQuery(msgspec.Struct):
    """The tail begins at `lines`, or `offset` (of `epoch`), or `since` (ISO 8601, or seconds ago).
    It ends at `to` (an offset, exclusive), `until` (a pattern in RE2's syntax) or `timeout`
    (seconds); `follow` waits for more output. `strip=ansi` removes escape sequences; `format=raw`
    (HTTP only) removes only gaps. `skip_echo` leaves out the echo of what `send` typed."""

    lines: Annotated[int, msgspec.Meta(ge=0, le=MAX_LINES)] | None = None
    offset: Annotated[int, msgspec.Meta(ge=0)] | None = None
    epoch: str | None = None
    since: str | None = None
    to: Annotated[int, msgspec.Meta(ge=0)] | None = None
    follow: bool | None = None
    strip: Literal["ansi"] | None = None
    skip_echo: bool = False
    until: str | None = None
    timeout: Annotated[float, msgspec.Meta(ge=0, le=MAX_TIMEOUT)] | None = None
    format: Literal["text", "ndjson", "raw"] = "text"


class InteractQuery(TailQuery):
    """As for a tail, and the mode: `watch`, `join` or `steal`."""

    mode: Literal["watch", "join", "steal"] = "join"


@dataclass(frozen=True)
class TailRequest:
    """A checked request for a tail; `since` is a Unix time."""

    query: TailQuery
    follow: bool = False
    lines: int = DEFAULT_LINES
    since: float | None = None
    until: Pattern | None = None

    async def view(self, console: Console, *, joined: bool = False) -> View:
        """Begin the tail; `joined` as in View. Conflict if the console does not have an offset
        (yet), BadRequest if the tail would end before it begins.
        """
        query = self.query
        start = await self.start(console)
        if query.to is not None and query.to < start:
            raise BadRequest(f"to: {query.to} is before the tail's start, {start}.", field="to")
        if query.to is not None and query.to > console.end_offset and not self.follow:
            raise _ends(console, query.to, "; use follow=true to wait for the rest")
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
            joined=joined,
            skip_echo=query.skip_echo,
        )

    async def start(self, console: Console) -> int:
        """Return the offset where the tail begins; Conflict if the console does not have it."""
        query, log = self.query, console.log
        if query.epoch is not None and query.epoch != console.epoch:
            raise Conflict(
                f"Console {console.name!r} was replaced; its epoch is now {console.epoch}.",
                epoch=console.epoch,
                end_offset=console.end_offset,
            )
        if query.offset is not None:
            if query.offset > console.end_offset:
                raise _ends(console, query.offset)
            return query.offset
        if self.since is not None:
            return await in_worker(log.worker, log.since, self.since)
        if self.lines == 0:
            return console.end_offset
        start = await in_worker(log.worker, log.tail, self.lines)
        # A tail that was cut for its long lines must not begin inside a character.
        head = await console.fetch(start, 4)
        return start + len(head) - len(head.lstrip(bytes(range(0x80, 0xC0)))) if start else start


def _ends(console: Console, offset: int, hint: str = "") -> Conflict:
    return Conflict(
        f"Console {console.name!r} ends at {console.end_offset}, before {offset}{hint}.",
        epoch=console.epoch,
        end_offset=console.end_offset,
    )


async def tail_request(
    query: TailQuery, headers: Mapping[str, str], *, follow: bool = False
) -> TailRequest:
    """Return the checked request; headers count where the query is silent. Raises BadRequest.

    `until` implies `follow`, unless the query denies it.
    """
    if sum(value is not None for value in (query.lines, query.offset, query.since)) > 1:
        raise BadRequest("Give only one of lines, offset and since.", field="lines")
    if query.epoch is not None and query.offset is None:
        raise BadRequest("epoch: needs an offset.", field="epoch")
    until = await prepared(query.until, "until") if query.until is not None else None
    if query.format == "raw" and query.strip is not None:
        raise BadRequest("strip: not possible with format=raw.", field="strip")
    if query.format == "raw" and query.skip_echo:
        raise BadRequest("skip_echo: not possible with format=raw.", field="skip_echo")
    lines = query.lines
    if lines is None:
        lines = _lines(headers.get("Cray-Console-Lines"))
    header = headers.get("Cray-Console-Follow", "").strip().lower()
    if header not in ("", "true", "false"):
        raise BadRequest("Cray-Console-Follow: must be True or False.", field="Cray-Console-Follow")
    following = query.follow
    if following is None:
        following = follow or query.until is not None or header == "true"
    since = unix_time(query.since) if query.since is not None else None
    return TailRequest(query, following, lines, since, until)


def _lines(header: str | None) -> int:
    if header is None:
        return DEFAULT_LINES
    lines = bounded.number(header, MAX_LINES)
    if lines is None:
        raise BadRequest(
            f"Cray-Console-Lines: must be a number up to {MAX_LINES}.", field="Cray-Console-Lines"
        )
    return lines


def unix_time(text: str) -> float:
    """Return the Unix time of `since`: seconds ago, or ISO 8601. Raises BadRequest."""
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if not 0 <= seconds < 1e10:
            raise BadRequest("since: seconds ago, or a time in ISO 8601.", field="since")
        return time.time() - seconds
    try:
        # A + in a query is decoded as a space.
        return from_iso(text.replace(" ", "+")).timestamp()
    except ValueError:
        try:
            return from_iso(text).timestamp()
        except ValueError as error:
            raise BadRequest("since: seconds ago, or a time in ISO 8601.", field="since") from error
