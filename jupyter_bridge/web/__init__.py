"""The base of all handlers: the user, the permission, the body, and the form of the answer.

For the `handlers/` of the parts: `BridgeHandler` and its decorator `verb`, `BridgeSocket`, `Route`,
and `StreamEvent` for streamed answers.
"""

from jupyter_bridge.web.answers import StoredAnswer
from jupyter_bridge.web.handler import BridgeHandler, NoSuchRoute, Verb, verb
from jupyter_bridge.web.jobs import NDJSON, SSE, JobHandler, StreamEvent, WaitQuery
from jupyter_bridge.web.request_base import RequestBase, is_allowed, user_of_token
from jupyter_bridge.web.route import Route
from jupyter_bridge.web.socket import (
    JSON,
    PROBLEM_FRAME,
    TEXT,
    TURNS,
    BridgeSocket,
    Frame,
    is_handshake,
)

__all__ = [
    "JSON",
    "NDJSON",
    "PROBLEM_FRAME",
    "SSE",
    "TEXT",
    "TURNS",
    "BridgeHandler",
    "BridgeSocket",
    "Frame",
    "JobHandler",
    "NoSuchRoute",
    "RequestBase",
    "Route",
    "StoredAnswer",
    "StreamEvent",
    "Verb",
    "WaitQuery",
    "is_allowed",
    "is_handshake",
    "user_of_token",
    "verb",
]
