"""ConnectionState: the last known state of a remote.

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
    """A connection's state, its reason and start; `on_change(before)` reports another state."""

    def __init__(self, on_change: Callable[[str], None]) -> None:
        self.state = "disconnected"
        self.reason: str | None = None
        self.since = now()
        self.checked = 0.0  # time.monotonic() of the last answer or attempt
        self.misses = 0  # how often in a row the remote was unreachable
        self._on_change = on_change

    def enter(self, state: str, problem: Problem | None = None) -> None:
        """Set the state; the problem is its reason."""
        before = self.state
        # Cut, as a remote's text goes to lists and events.
        self.reason = sentence(problem.message) if problem is not None else None
        if state == "connected":
            self.misses = 0
        if state != before:
            self.state = state
            self.since = now()
            self._on_change(before)

    def ask(self) -> None:
        """Note a request to the remote."""
        self.checked = time.monotonic()

    def hear(self) -> None:
        """Note an answer of the remote, whatever it says."""
        self.checked = time.monotonic()
        self.misses = 0


def state_of(problem: Problem) -> str:
    """Return the state after a failed login or probe."""
    if isinstance(problem, Denied):
        return "forbidden"
    if isinstance(problem, (Unavailable, Timeout)):
        return "unreachable"
    if isinstance(problem, Expired):
        return "expired"
    if isinstance(problem, Conflict):  # the user has to decide: an unknown host key, a code
        return "disconnected"
    return "failed"
