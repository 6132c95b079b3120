"""Anything expected that went wrong, as one tree.

    Problem                   status  code
    ├── BadRequest               400  bad-request
    ├── Denied                   403  denied
    ├── NotFound                 404  not-found
    ├── Conflict                 409  conflict
    │   ├── Busy                 409  busy
    │   └── NeedsLogin           409  needs-login
    ├── Gone                     410  gone
    ├── TooLarge                 413  too-large
    ├── StartFailed              500  start-failed
    ├── Unsupported              501  unsupported
    ├── RemoteFailed             502  remote-failed
    ├── Unavailable              503  unavailable
    └── Timeout                  504  timeout

A Problem carries one sentence the reader can act on, and details that a program can. Whoever meets
a foreign error translates it once, where it happens: `raise NotFound("…") from error`.
"""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """Something expected went wrong: a stable code, an HTTP status, a sentence, and details.

    `details` must be JSON-serializable; they stand beside `error` and `message` in the reply, so
    they may not use those names.
    """

    status = 500
    code = "problem"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    @property
    def close_code(self) -> int:
        """The code with which an open websocket is closed: 4000 plus the HTTP status."""
        return 4000 + self.status

    def to_json(self) -> dict[str, Any]:
        """The reply body; Jupyter clients show its `message`, openBIS clients its `reason`."""
        return {"error": self.code, "message": self.message, "reason": self.message, **self.details}


class BadRequest(Problem):
    """The request cannot be understood; the sentence names the field."""

    status = 400
    code = "bad-request"


class Denied(Problem):
    """The user is not known, may not do this, or did not prove the intent (XSRF, Origin)."""

    status = 403
    code = "denied"


class NotFound(Problem):
    """There is no such thing; the details say what there is."""

    status = 404
    code = "not-found"


class Conflict(Problem):
    """The thing is in a state that does not allow this."""

    status = 409
    code = "conflict"


class Busy(Conflict):
    """Somebody else is using it now; trying later may help."""

    code = "busy"


class NeedsLogin(Conflict):
    """The connection must be logged in first."""

    code = "needs-login"


class Gone(Problem):
    """It was there and is no longer: a kernel that was shut down, a result that expired."""

    status = 410
    code = "gone"


class TooLarge(Problem):
    """The body or the frame is larger than is accepted; the details name the limit in bytes."""

    status = 413
    code = "too-large"


class StartFailed(Problem):
    """A process that was asked for did not start; the details hold its last words."""

    status = 500
    code = "start-failed"


class Unsupported(Problem):
    """The other side, or this configuration, cannot do that."""

    status = 501
    code = "unsupported"


class RemoteFailed(Problem):
    """A remote system answered with an error, or not in its own protocol."""

    status = 502
    code = "remote-failed"


class Unavailable(Problem):
    """It cannot be reached or used just now."""

    status = 503
    code = "unavailable"


class Timeout(Problem):
    """It did not happen within the time allowed."""

    status = 504
    code = "timeout"
