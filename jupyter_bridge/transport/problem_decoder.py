"""Decode a Problem from an error answer, or from a page of another program."""

from __future__ import annotations

import html
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec
from yarl import URL

from jupyter_bridge.problems import BY_CODE, BY_STATUS, Denied, Problem, RemoteFailed
from jupyter_bridge.transport.http import shown
from jupyter_bridge.wire.json_errors import JSON_ERRORS


def problem_of(body: Any, status: int | None, where: str) -> Problem | None:
    """Return the Problem in a JSON body, in its own class; None if there is none.

    `status` is the HTTP status of the answer; None takes the status of the Problem's class.
    """
    if not isinstance(body, dict) or not isinstance(body.get("message") or body.get("reason"), str):
        return None
    message = body.get("message") or body["reason"]
    code = body.get("error")
    if isinstance(code, str):
        problem = BY_CODE.get(code, by_status(status))(message)
        problem.code = code
    else:  # the host's own error, from before the request reached the bridge
        hint = ": is the token right?" if status in (401, 403) else ""
        end = hint or "."
        problem = by_status(status)(f"{where} answered {status or ''} {message}{end}")
    problem.status = status or problem.status
    problem.details = {k: v for k, v in body.items() if k not in ("error", "message", "reason")}
    return problem


def by_status(status: int | None) -> type[Problem]:
    """Return the class of Problem for an HTTP status."""
    return BY_STATUS.get(status or 500, Problem)


def problem_in(response: aiohttp.ClientResponse, content: bytes) -> Problem:
    """Return the Problem of an answer that is not a success."""
    where = shown(response.url)
    if 300 <= response.status < 400:
        try:
            target = urljoin(str(response.url), response.headers.get("Location", ""))
            place = shown(URL(target))
        except ValueError:  # a host, a port or a scheme that cannot be
            target, place = "", "no valid url"
        if "login" in urlsplit(target).path:
            return Denied(f"{where} requires a login. The token is missing or wrong.")
        return RemoteFailed(
            f"{where} answered {response.status} and points to {place}: is that the right url?"
        )
    try:
        body = msgspec.json.decode(content)
    except JSON_ERRORS:
        body = None
    problem = problem_of(body, response.status, where) if response.status >= 400 else None
    return problem or RemoteFailed(what_answered(response, content))


# A page's title is searched in this many first bytes.
_LOOK_BYTES = 64 * 1024


def _title(page: bytes) -> str:
    low = page.lower()
    begins = low.find(b">", low.find(b"<title") if b"<title" in low else len(low)) + 1
    ends = low.find(b"</title>", begins)
    return page[begins:ends].decode("utf-8", "replace") if 0 < begins <= ends else ""


def what_answered(response: aiohttp.ClientResponse, content: bytes) -> str:
    """Describe in a sentence an answer that is not the bridge's."""
    words = html.unescape(_title(content[:_LOOK_BYTES]))
    named = f" titled {' '.join(words.split())[:80]!r}" if words.strip() else ""
    server = response.headers.get("Server", "")
    by = f" from {server[:40]}" if server else ""
    kind = response.content_type if "Content-Type" in response.headers else "nothing"
    return (
        f"{shown(response.url)} answered {response.status} with {kind}{named}{by} instead of the "
        "bridge's JSON: is the url right, and is jupyter_bridge enabled on that server?"
    )
