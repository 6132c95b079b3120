"""What to search for, from a request's query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from jupyter_bridge.consoles.tail.pattern import Pattern, literal, prepared
from jupyter_bridge.consoles.tail.query import unix_time

DEFAULT_LIMIT = 1000
# More hits than this are not read by anybody, and take tens of megabytes.
MAX_LIMIT = 10_000


class SearchQuery(msgspec.Struct):
    """Search for the text `q` (with `regex=true` a pattern in RE2's syntax) in one console, or in
    all, `since` a time (ISO 8601, or seconds ago). The first `limit` hits are returned."""

    q: Annotated[str, msgspec.Meta(min_length=1)]
    regex: bool = False
    console: str | None = None
    since: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    format: Literal["json", "ndjson"] = "json"


@dataclass(frozen=True)
class SearchRequest:
    """A checked request for a search; `since` is a Unix time."""

    pattern: Pattern
    limit: int = DEFAULT_LIMIT
    since: float | None = None


async def search_request(query: SearchQuery) -> SearchRequest:
    """Return the checked request; raises BadRequest, or Unsupported without google-re2."""
    if query.regex:
        pattern = await prepared(query.q, "q", lines=True)
    else:
        pattern = literal(query.q, "q", lines=True)
    since = unix_time(query.since) if query.since is not None else None
    return SearchRequest(pattern, query.limit, since)
