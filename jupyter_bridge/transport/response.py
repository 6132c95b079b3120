"""What becomes of a request: an answer, or a line that broke."""

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
    """The line broke after it was open: nobody knows what the server made of the request."""

    def to_problem(self) -> Problem:
        """What it is to somebody who does not try again."""
        return Unavailable(f"{self}; whether the server did it is not known.")


class ConnectionSilent(ConnectionDropped):
    """Nothing came for too long."""

    def to_problem(self) -> Problem:
        return problems.Timeout(f"{self}.")


@dataclass(frozen=True)
class Response:
    """A good answer: its status, headers and JSON body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    where: str

    def read(self, kind: type[T]) -> T:
        """The body as `kind`; RemoteFailed where it is something else."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except JSON_ERRORS as error:
            raise RemoteFailed(
                f"{self.where} answered what this client cannot read: {error}."
            ) from error
