"""What becomes of a request: an answer, or a line that broke."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import msgspec

from jupyter_bridge import problems
from jupyter_bridge.client.refusals import shown
from jupyter_bridge.problems import Problem, RemoteFailed, TooLarge, Unavailable
from jupyter_bridge.wire.unreadable import UNREADABLE

T = TypeVar("T")


class Broken(Exception):
    """The line broke after it was open: nobody knows what the server made of the request."""

    def to_problem(self) -> Problem:
        """What it is to somebody who does not try again."""
        return Unavailable(f"{self}; whether the server did it is not known.")


class Silent(Broken):
    """Nothing came for too long."""

    def to_problem(self) -> Problem:
        return problems.Timeout(f"{self}.")


@dataclass(frozen=True)
class Answer:
    """A good answer: its status, headers and JSON body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    where: str

    def read(self, kind: type[T]) -> T:
        """The body as `kind`; RemoteFailed where it is something else."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except UNREADABLE as error:
            raise RemoteFailed(
                f"{self.where} answered what this client cannot read: {error}."
            ) from error


async def read_whole(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, of at most `limit` bytes; TooLarge if it is longer."""
    chunks = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > limit:
            response.close()
            raise TooLarge(f"{shown(response.url)} answered more than {limit} bytes.", limit=limit)
        chunks.append(chunk)
    return b"".join(chunks)
