"""The outcome of a request: a Response, or a dropped connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from jupyter_bridge import problems
from jupyter_bridge.problems import Problem, RemoteFailed, Unavailable
from jupyter_bridge.wire.json_errors import JSON_ERRORS

T = TypeVar("T")


class ConnectionDropped(Exception):
    """The connection dropped after it was open; the request may or may not have taken effect."""

    def to_problem(self) -> Problem:
        """Return the Problem for a caller that does not retry."""
        return Unavailable(f"{self}. The request may or may not have taken effect.")


class ConnectionSilent(ConnectionDropped):
    """The server was silent for too long."""

    def to_problem(self) -> Problem:
        return problems.Timeout(f"{self}.")


@dataclass(frozen=True)
class Response:
    """A successful answer: its status, headers and JSON body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    where: str

    def read(self, kind: type[T]) -> T:
        """Decode the body as `kind`; raises RemoteFailed if it does not fit."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except JSON_ERRORS as error:
            raise RemoteFailed(
                f"This client cannot read the answer of {self.where}: {error}."
            ) from error
