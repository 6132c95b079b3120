"""Route: a path of the bridge, and its handler, as a rule of Tornado."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tornado import web

from jupyter_bridge.web.socket import BridgeSocket, is_handshake


@dataclass(frozen=True)
class Route:
    """One path below `top` (names in braces), its handler, and the handler's arguments `parts`.

    A `greedy` route's last name matches the rest of the path with slashes, or nothing (None).
    A `socket` serves the handshakes of a path that also answers plain requests.
    """

    path: str
    handler: type[web.RequestHandler]
    parts: dict[str, Any] = field(default_factory=dict)
    greedy: bool = False
    top: str = "/bridge"
    socket: type[BridgeSocket] | None = None

    def __post_init__(self) -> None:
        if issubclass(self.handler, BridgeSocket):
            object.__setattr__(self, "socket", self.handler)

    @property
    def rule(self) -> tuple[str, Any, dict[str, Any]]:
        """The route as a rule of Tornado."""
        if self.socket in (None, self.handler):
            return self.pattern, self.handler, self.parts
        plain: Any = self.handler
        socket: Any = self.socket

        class Either(plain):  # type: ignore[misc]
            def __new__(cls, application: Any, request: Any, **parts: Any) -> Any:
                handler = socket if is_handshake(request) else plain
                return handler(application, request, **parts)

        return self.pattern, Either, self.parts

    @property
    def pattern(self) -> str:
        """The path as a regular expression; a name matches one segment."""
        pattern = self.top + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        if not self.greedy:
            return pattern
        head, _, last = pattern.rpartition("/(?P<")
        return f"{head}(?:/(?P<{last.partition('>')[0]}>.*))?"
