"""Routing: the requesters of all requests in flight; and the code that runs now."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Protocol

from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import BadRequest, Denied
from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.times import now

# The most requests without a reply; more discard the oldest. Far more than any client has in
# flight, and a few MB at most.
MAX_REQUESTS = 10_000
# Characters of a message id: clients use a UUID, some with a session before it.
MAX_ID = 256
# The most characters of the running code in lists.
CODE_SHOWN = 200


class Requester(Protocol):
    """The sender of a request: a client or an execution."""

    def on_reply(self, channel: str, header: kernel.Header, parts: list[bytes]) -> None:
        """Receive a reply or an input request."""


class Routing:
    """One kernel's requests in flight by message id, and those that wait for input."""

    def __init__(self) -> None:
        self._in_flight: dict[str, Requester] = {}
        self._requesters: dict[str, Requester] = {}

    def register(self, sender: Requester, header: kernel.Header) -> None:
        """Store the sender of a request on shell or control; BadRequest if it is invalid."""
        if header.msg_type == "input_reply":
            raise BadRequest("Send an input_reply on stdin.")
        if not header.msg_id or not header.msg_type:
            raise BadRequest("A message needs a msg_id and a msg_type in its header.")
        if len(header.msg_id) > MAX_ID:
            raise BadRequest(f"A msg_id has {MAX_ID} characters at most.")
        if not header.msg_type.endswith("_request"):
            return  # expects no answer; the session would tell the sender
        if self._in_flight.get(header.msg_id, sender) is not sender:
            raise BadRequest(f"The msg_id {header.msg_id} is in use by another client's request.")
        self._in_flight.pop(header.msg_id, None)
        self._in_flight[header.msg_id] = sender
        if len(self._in_flight) > MAX_REQUESTS:
            self._in_flight.pop(next(iter(self._in_flight)))

    def find(self, msg_id: str) -> Requester | None:
        """Return the sender of the request `msg_id`, if it is in flight."""
        return self._in_flight.get(msg_id)

    def done(self, msg_id: str) -> None:
        """Remove an answered request and its input request."""
        self._in_flight.pop(msg_id, None)
        self._requesters.pop(msg_id, None)

    def ask(self, msg_id: str, requester: Requester) -> None:
        """Store an input request of the kernel to `requester`."""
        self._requesters[msg_id] = requester

    def take_answer(self, sender: Requester, header: kernel.Header) -> bool:
        """Tell whether the kernel waits for this message on stdin.

        False if it is too late; Denied if the input is requested from another client.
        """
        if header.msg_type != "input_reply":
            raise BadRequest("Send only an input_reply on stdin.")
        for msg_id, requester in self._requesters.items():
            if requester is sender:
                del self._requesters[msg_id]
                return True
        metrics.REFUSED.labels("input-reply").inc()
        if self._requesters:
            raise Denied("The kernel asks another client for this input.")
        return False

    def clear(self) -> None:
        """Remove all requests, because the kernel is gone."""
        self._in_flight.clear()
        self._requesters.clear()


class CurrentExecution:
    """The running code, from its `execute_input` to its status `idle`; `since` is its start."""

    def __init__(self) -> None:
        self.since: datetime.datetime | None = None
        self._input: Sequence[bytes] | None = None

    def begin(self, parts: Sequence[bytes]) -> None:
        """Store the execute_input of the code that starts."""
        self._input, self.since = parts, now()

    def end(self, request: str) -> None:
        """Forget the code if it belongs to the message id `request`."""
        if self._input is not None and kernel.parse_header(self._input[1]).msg_id == request:
            self.forget()

    def forget(self) -> None:
        """Forget the code."""
        self._input = self.since = None

    def code(self) -> str | None:
        """Return the first 200 characters of the code; None if no code is known to run."""
        if self._input is None:
            return None
        code = kernel.parse_content(self._input).get("code")
        return code[:CODE_SHOWN] if isinstance(code, str) else None
