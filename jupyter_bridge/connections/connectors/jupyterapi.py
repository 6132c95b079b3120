"""Questions to Jupyter's REST APIs (a server's, a hub's), and their refusals as Problems."""

from __future__ import annotations

from typing import Any

import msgspec

from jupyter_bridge.connections.connector import Expired
from jupyter_bridge.connections.outbound import Answer, Outbound
from jupyter_bridge.problems import (
    BadRequest,
    Conflict,
    NotFound,
    Problem,
    RemoteFailed,
    Unsupported,
)
from jupyter_bridge.wire.unreadable import UNREADABLE

# A kernel that starts slowly (Spark, a cold container) may take minutes. Seconds.
_POST_SECONDS = 180.0
_SECONDS = 30.0
# What a proxy or a hub says where no server runs.
NOT_RUNNING = (424, 502, 503, 504)
_KINDS: dict[int, type[Problem]] = {
    400: BadRequest,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    501: Unsupported,
}


def headers(token: str | None) -> dict[str, str]:
    """The token as Jupyter Server and JupyterHub both take it."""
    return {"Authorization": f"token {token}"} if token else {}


async def ask(
    outbound: Outbound,
    name: str,
    token: str | None,
    method: str,
    url: str,
    *,
    body: Any = None,
    fine: tuple[int, ...] = (),
) -> Any:
    """The JSON of the answer; None where there is none, or for a refusal that is `fine`.

    Raises Expired for 401 and 403 (Jupyter says 403 for a wrong token, too), and, with
    `remote_status` in its details, where a proxy says that nothing runs there.
    """
    with_body = {} if body is None else {"Content-Type": "application/json"}
    answer = await outbound.ask(
        method,
        url,
        headers={**headers(token), **with_body},
        body=None if body is None else msgspec.json.encode(body),
        timeout=_POST_SECONDS if method == "POST" else _SECONDS,
    )
    if answer.status in fine:
        return None
    if answer.status >= 300:
        raise problem_of(answer, name)
    try:
        return msgspec.json.decode(answer.body) if answer.body.strip() else None
    except UNREADABLE as error:
        raise RemoteFailed(f"{name} does not answer as a Jupyter server does.") from error


def problem_of(answer: Answer, name: str) -> Problem:
    """The refusal in its own words, which Jupyter and the bridge put into `message`."""
    if answer.status in (401, 403):
        return Expired(f"{name} does not take the token, or does not allow this with it.")
    if answer.status in NOT_RUNNING:
        return Expired(f"{name} is not running.", remote_status=answer.status)
    try:
        said = str(msgspec.json.decode(answer.body)["message"])
    except (*UNREADABLE, KeyError, TypeError):
        said = f"it answers {answer.status}"
    kind = _KINDS.get(answer.status, RemoteFailed)
    return kind(f"{name}: {said}", remote_status=answer.status)
