"""All expected errors, as one tree.

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

A Problem has one sentence that the reader can act on, and details for programs. Translate a foreign
error once, where it happens: `raise NotFound("…") from error`.
"""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """An expected error: a stable code, an HTTP status, a sentence, and details.

    `details` must be JSON-serializable. They are beside `error`, `message` and `reason` in the
    reply, so they may not use these names.
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
        """Return the reply body. Jupyter clients show `message`, openBIS clients `reason`."""
        message = _readable(self.message)
        details = {name: _readable(value) for name, value in self.details.items()}
        return {"error": self.code, "message": message, "reason": message, **details}


def _readable(value: Any) -> Any:
    """Return a text, or each of a list, with U+FFFD for what UTF-8 cannot encode, as in a name."""
    if isinstance(value, list | tuple):
        return [_readable(one) for one in value]
    if not isinstance(value, str):
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class BadRequest(Problem):
    """The request cannot be understood; the sentence names the field."""

    status = 400
    code = "bad-request"


class Denied(Problem):
    """The user is unknown, may not do this, or did not prove intent (XSRF, Origin)."""

    status = 403
    code = "denied"


class NotFound(Problem):
    """There is no such thing; the details list what there is."""

    status = 404
    code = "not-found"


class Conflict(Problem):
    """The present state does not allow this."""

    status = 409
    code = "conflict"


class Busy(Conflict):
    """Another client is using it; trying later may help."""

    code = "busy"


class NeedsLogin(Conflict):
    """The connection must be logged in first."""

    code = "needs-login"


class Gone(Problem):
    """It existed before: a kernel that was shut down, a result that expired."""

    status = 410
    code = "gone"


class TooLarge(Problem):
    """The body or the frame is too large; the details name the limit in bytes."""

    status = 413
    code = "too-large"


class StartFailed(Problem):
    """A process did not start; the details hold the end of its output."""

    status = 500
    code = "start-failed"


class Unsupported(Problem):
    """The other side, or this installation, cannot do this."""

    status = 501
    code = "unsupported"


class RemoteFailed(Problem):
    """A remote system answered with an error, or broke its protocol."""

    status = 502
    code = "remote-failed"


class Unavailable(Problem):
    """It cannot be reached or used at present."""

    status = 503
    code = "unavailable"


class Timeout(Problem):
    """It did not happen within the time allowed."""

    status = 504
    code = "timeout"


_WITH_A_STATUS: tuple[type[Problem], ...] = (
    *(BadRequest, Denied, NotFound, Conflict, Gone, TooLarge),
    *(Unsupported, RemoteFailed, Unavailable, Timeout),
)
_OTHERS: tuple[type[Problem], ...] = (Problem, Busy, NeedsLogin, StartFailed)
# The class of an HTTP status: 401 has that of 403, and 405 that of 400.
BY_STATUS = {one.status: one for one in _WITH_A_STATUS} | {401: Denied, 405: BadRequest}
BY_CODE = {one.code: one for one in (*_WITH_A_STATUS, *_OTHERS)}
