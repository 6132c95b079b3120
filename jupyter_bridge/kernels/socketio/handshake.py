"""The query of a request of engine.io: what the bridge supports of the protocol."""

from __future__ import annotations

from tornado.httputil import HTTPServerRequest

from jupyter_bridge.problems import BadRequest

_TRANSPORTS = ("polling", "websocket")


def check_query(request: HTTPServerRequest, *, upgrades: bool) -> str:
    """Return the id of the connection, empty for a new one; BadRequest if it is not supported.

    `upgrades` tells that the request is a websocket's handshake.
    """
    query = {
        name: values[-1].decode("utf-8", "replace")
        for name, values in request.query_arguments.items()
    }
    sid, transport = query.get("sid", ""), query.get("transport")
    if transport not in _TRANSPORTS:
        raise BadRequest("transport must be polling or websocket.", field="transport")
    if not sid and query.get("EIO") != "4":
        raise BadRequest("EIO must be 4, as in socket.io's clients 3 and 4.", field="EIO")
    if "j" in query:
        raise BadRequest("JSONP is not supported.", field="j")
    if upgrades != (transport == "websocket"):
        raise BadRequest(f"This is not a {transport} request.", field="transport")
    return sid
