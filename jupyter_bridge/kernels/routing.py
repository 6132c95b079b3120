"""Routing: who asked what, so that every answer finds whoever it belongs to; and what runs now."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Protocol

from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import BadRequest, Denied
from jupyter_bridge.wire import kernel
from jupyter_bridge.wire.times import now

# Requests whose reply never came are forgotten, oldest first, beyond this many: far more than any
# client has in flight, and a few MB at most.
MAX_REQUESTS = 10_000
# Characters of a message's id: clients make a UUID, some with a session before it.
MAX_ID = 256
# How much of the code that runs is shown in lists, characters.
CODE_SHOWN = 200


class Requester(Protocol):
    """Whoever sent a request: a client with seats, or an execution."""

    def on_reply(self, channel: str, header: kernel.Header, parts: list[bytes]) -> None:
        """A reply or an input request that belongs to it."""


class Routing:
    """One kernel's requests in flight by message id, and those that wait for input."""

    def __init__(self) -> None:
        self._in_flight: dict[str, Requester] = {}
        self._asking: dict[str, Requester] = {}

    def register(self, sender: Requester, header: kernel.Header) -> None:
        """Remember who sends this on shell or control; BadRequest if it does not belong there."""
        if header.msg_type == "input_reply":
            raise BadRequest("An input_reply belongs on stdin.")
        if not header.msg_id or not header.msg_type:
            raise BadRequest("A message needs a msg_id and a msg_type in its header.")
        if len(header.msg_id) > MAX_ID:
            raise BadRequest(f"A msg_id has {MAX_ID} characters at most.")
        if not header.msg_type.endswith("_request"):
            return  # nothing will answer it; if something does, the session says whose it is
        if self._in_flight.get(header.msg_id, sender) is not sender:
            raise BadRequest(f"The msg_id {header.msg_id} is in use by somebody else's request.")
        self._in_flight.pop(header.msg_id, None)
        self._in_flight[header.msg_id] = sender
        if len(self._in_flight) > MAX_REQUESTS:
            self._in_flight.pop(next(iter(self._in_flight)))

    def find(self, msg_id: str) -> Requester | None:
        """Who sent the request `msg_id`, while it is in flight."""
        return self._in_flight.get(msg_id)

    def done(self, msg_id: str) -> None:
        """The request was answered: it asks for no more input either."""
        self._in_flight.pop(msg_id, None)
        self._asking.pop(msg_id, None)

    def ask(self, msg_id: str, requester: Requester) -> None:
        """The kernel wants input of `requester` for its request."""
        self._asking[msg_id] = requester

    def take_answer(self, sender: Requester, header: kernel.Header) -> bool:
        """Whether this message on stdin is an answer that the kernel waits for.

        False for one that came too late; Denied if somebody else is asked.
        """
        if header.msg_type != "input_reply":
            raise BadRequest("Only an input_reply can be sent on stdin.")
        for msg_id, asked in self._asking.items():
            if asked is sender:
                del self._asking[msg_id]
                return True
        metrics.REFUSED.labels("input-reply").inc()
        if self._asking:
            raise Denied("Somebody else is asked for this input.")
        return False

    def clear(self) -> None:
        """The kernel that was asked is gone."""
        self._in_flight.clear()
        self._asking.clear()


class CurrentExecution:
    """From an `execute_input` to the status `idle` of the same request; `since` when, if known."""

    def __init__(self) -> None:
        self.since: datetime.datetime | None = None
        self._input: Sequence[bytes] | None = None

    def begin(self, parts: Sequence[bytes]) -> None:
        """The kernel told with this execute_input what it begins to run."""
        self._input, self.since = parts, now()

    def end(self, request: str) -> None:
        """The kernel is done with what the message `request` asked for."""
        if self._input is not None and kernel.parse_header(self._input[1]).msg_id == request:
            self.forget()

    def forget(self) -> None:
        """Nothing runs any more: the kernel is another one."""
        self._input = self.since = None

    def code(self) -> str | None:
        """The first 200 characters of the code; None where none is known to run."""
        if self._input is None:
            return None
        code = kernel.parse_content(self._input).get("code")
        return code[:CODE_SHOWN] if isinstance(code, str) else None
