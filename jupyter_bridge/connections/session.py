"""Session: one connection's login on its remote, shared by all callers."""

from __future__ import annotations

import time

from jupyter_bridge.aio.single_flight import SingleFlight
from jupyter_bridge.connections.connector import Login

# Sessions are refreshed this long before their end, or at 80 % of a shorter life.
REFRESH_SECONDS = 300.0


class Session:
    """The present session, if any: its number and end; and the login under way."""

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
