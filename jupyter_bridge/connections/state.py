"""ConnectionState: the last known state of a remote; and Session: the login on it.

disconnected ──login──▶ connecting ──▶ connected ◀──┐
     ▲                      │   ▲          │        │ a new login, before or after expiry
   logout                   ▼   └──────────▼        │
          forbidden, unreachable, failed   expired ─┘
"""

from __future__ import annotations

import time
from collections.abc import Callable

from jupyter_bridge.aio.single_flight import SingleFlight
from jupyter_bridge.connections.connector import Expired, Login
from jupyter_bridge.problems import Conflict, Denied, Problem, Timeout, Unavailable
from jupyter_bridge.transport.answers import sentence
from jupyter_bridge.wire.times import now

# Sessions are refreshed this long before their end, or at 80 % of a shorter life.
REFRESH_SECONDS = 300.0


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

    def on_request(self) -> None:
        """Note a request to the remote."""
        self.checked = time.monotonic()

    def on_answer(self) -> None:
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


class Session:
    """The present session, shared by all callers: its number and end; and the login under way."""

    def __init__(self) -> None:
        self.alive = False
        self.count = 0  # rises with each login: shows whether another caller renewed it
        self.expires: float | None = None
        self._refresh_at: float | None = None
        self.logins: SingleFlight[None] = SingleFlight()

    @property
    def is_opening(self) -> bool:
        return len(self.logins) > 0

    @property
    def is_due(self) -> bool:
        """Whether the session should be refreshed now, before it ends."""
        return self.alive and self._refresh_at is not None and time.time() >= self._refresh_at

    @property
    def is_over(self) -> bool:
        """Whether the session has certainly ended."""
        return not self.alive or (self.expires is not None and time.time() >= self.expires)

    def begin(self, login: Login) -> None:
        """Begin a session after a login."""
        self.alive = True
        self.count += 1
        self.expires = login.expires
        self._refresh_at = None
        if login.expires is not None:
            left = login.expires - time.time()
            self._refresh_at = login.expires - min(REFRESH_SECONDS, left / 5)

    def put_off(self, seconds: float) -> None:
        """Refresh again in `seconds`, after a refresh failed while the session is valid."""
        self._refresh_at = time.time() + seconds

    def end(self) -> None:
        self.alive = False
        self.expires = self._refresh_at = None
