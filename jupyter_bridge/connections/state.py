"""ConnectionState: what is known of a remote without asking it.

disconnected ──login──▶ connecting ──▶ connected ◀──┐
     ▲                      │   ▲          │        │ a new login, before or after expiry
   logout                   ▼   └──────────▼        │
          forbidden, unreachable, failed   expired ─┘
"""

from __future__ import annotations

import time
from collections.abc import Callable

from jupyter_bridge.connections.connector import Expired
from jupyter_bridge.problems import Conflict, Denied, Problem, Timeout, Unavailable
from jupyter_bridge.transport.answers import sentence
from jupyter_bridge.wire.times import now


class ConnectionState:
    """A connection's state, why, and since when; `on_change(before)` tells of another state."""

    def __init__(self, on_change: Callable[[str], None]) -> None:
        self.state = "disconnected"
        self.reason: str | None = None
        self.since = now()
        self.checked = 0.0  # time.monotonic() of the last word of the remote, or try to get one
        self.misses = 0  # how often in a row the remote was not to be had
        self._on_change = on_change

    def enter(self, state: str, problem: Problem | None = None) -> None:
        """It stands so from now on, because of the problem."""
        before = self.state
        # It goes to lists and events: a remote's words are cut.
        self.reason = sentence(problem.message) if problem is not None else None
        if state == "connected":
            self.misses = 0
        if state != before:
            self.state = state
            self.since = now()
            self._on_change(before)

    def ask(self) -> None:
        """The remote is asked now."""
        self.checked = time.monotonic()

    def hear(self) -> None:
        """The remote has answered, whatever it said."""
        self.checked = time.monotonic()
        self.misses = 0


def state_of(problem: Problem) -> str:
    """The state that a failed login or probe leads to."""
    if isinstance(problem, Denied):
        return "forbidden"
    if isinstance(problem, (Unavailable, Timeout)):
        return "unreachable"
    if isinstance(problem, Expired):
        return "expired"
    if isinstance(problem, Conflict):  # a person has to say something: an unknown host key, a code
        return "disconnected"
    return "failed"
