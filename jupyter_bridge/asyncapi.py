"""asyncapi.json, generated from the routes and the frames of each websocket."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from jupyter_bridge.version import __version__
from jupyter_bridge.web import BridgeHandler, BridgeSocket, Frame, Route, verb

# From the server's point of view.
_ACTIONS = {"send": ("server", "both"), "receive": ("client", "both")}


def describe(
    routes: Sequence[Route], *, host: str, secure: bool, base: str, version: str
) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of the websockets in `routes`, at `host` below `base`."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for route in routes:
        if (socket := route.socket) is None:
            continue
        name = route.path.split("/")[1]
        channels[name] = _channel(route.path, socket)
        for action, sides in _ACTIONS.items():
            messages = [
                {"$ref": f"#/channels/{name}/messages/{frame.name}"}
                for frame in socket.frames
                if frame.by in sides
            ]
            if messages:
                operations[f"{name}.{action}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{name}"},
                    "messages": messages,
                }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Jupyter Bridge",
            "version": version,
            "description": "The websockets. See openapi.json for all other routes.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "bridge": {
                "host": host,
                "pathname": base,
                "protocol": "wss" if secure else "ws",
                "security": [
                    {"type": "httpApiKey", "in": "header", "name": "Authorization"},
                    {"type": "httpApiKey", "in": "query", "name": "token"},
                ],
            }
        },
        "channels": channels,
        "operations": operations,
    }


def _channel(path: str, socket: type[BridgeSocket]) -> dict[str, Any]:
    spoken = ", ".join(socket.subprotocols)
    channel: dict[str, Any] = {
        "address": path,
        "summary": (socket.__doc__ or "").strip().splitlines()[0],
        "description": f"Subprotocols: {spoken}, or none.",
        "parameters": {name: {} for name in re.findall(r"\{(\w+)\}", path)},
        "messages": {frame.name: _message(frame) for frame in socket.frames},
    }
    query = socket.query_type
    if query is not None:
        schema = msgspec.json.schema(query)["$defs"][query.__name__]
        websocket = {"method": "GET", "query": schema, "bindingVersion": "0.1.0"}
        channel["bindings"] = {"ws": websocket}
    return channel


def _message(frame: Frame) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": frame.name,
        "summary": frame.summary,
        "contentType": frame.kind,
    }
    if frame.subprotocol:
        message["description"] = f"With the subprotocol {frame.subprotocol}."
    return message


def routes(every: list[Route]) -> list[Route]:
    """Return the route of the document; `every` is complete when it is requested."""
    return [Route("/asyncapi.json", AsyncAPIHandler, {"routes": every})]


class AsyncAPIHandler(BridgeHandler):
    """`GET B/asyncapi.json`."""

    resources = ("bridge",)

    def initialize(self, routes: list[Route]) -> None:
        self.routes = routes

    @verb("read", "Describe every websocket")
    async def get(self) -> dict[str, Any]:
        return describe(
            self.routes,
            host=self.request.host,
            secure=self.request.protocol == "https",
            base=self.link(""),
            version=__version__,
        )
