"""RemoteAnswer: a remote's whole answer, its size limits, and decoding, in a thread if large."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from jupyter_bridge.wire import bounded
from jupyter_bridge.wire.large_json import LARGE

# Answers with a name, a token, one state or a refusal.
NAMES = 64 << 10
# Lists of consoles, kernels, kernelspecs or data sets: some ten thousand entries.
LISTS = 8 << 20
# The files of one data set: openBIS without pages lists 100,000 in about 30 MiB.
FILE_LISTS = 32 << 20
# A remote's own message is cut to this many characters: Java adds its stack.
MAX_SENTENCE = 300

T = TypeVar("T")


@dataclass(frozen=True)
class RemoteAnswer:
    """A whole answer of any status; `limit` is the size limit it was read with, bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    limit: int = NAMES

    async def json(self, kind: type[T]) -> T:
        """Decode the body as `kind`, within bounds; raises the errors in JSON_ERRORS."""
        return await off_loop(bounded.decode, self.body, kind, self.limit)


async def off_loop(decode: Callable[..., T], body: str | bytes, *more: Any) -> T:
    """Call `decode(body, *more)`, in a thread if the body is large: 256 KiB take up to 3 ms."""
    if len(body) > LARGE:
        return await asyncio.to_thread(decode, body, *more)
    return decode(body, *more)


def sentence(value: object) -> str:
    """Return a remote's message, cut for lists and the log."""
    text = value if isinstance(value, str) else str(value)
    text = text.encode("utf-8", "replace").decode()  # JSON may hold half of a surrogate pair
    return text if len(text) <= MAX_SENTENCE else f"{text[: MAX_SENTENCE - 1]}…"
