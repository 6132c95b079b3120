"""Answers: what a remote may answer to one question, in bytes, and how the answer is decoded.

Each question names its own limit. A large answer is decoded in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from jupyter_bridge.wire import bounded

# A name, a token, the state of one thing, a refusal.
NAMES = 64 << 10
# A list of consoles, kernels, kernelspecs, data sets: some ten thousand entries.
LISTS = 8 << 20
# The files of one data set: openBIS without pages tells 100,000 in about 30 MiB.
FILE_LISTS = 32 << 20
# What is larger is decoded in a thread: 256 KiB take up to 3 ms.
OFF_LOOP = 256 << 10
# A remote's own sentence is shown up to here, characters: Java adds its stack.
MAX_SENTENCE = 300

T = TypeVar("T")


@dataclass(frozen=True)
class RemoteAnswer:
    """One whole answer, whatever its status; `limit` is how many bytes it might have had."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    limit: int = NAMES

    async def json(self, kind: type[T]) -> T:
        """The body as `kind`, decoded within bounds; raises what stands in UNREADABLE."""
        return await off_loop(bounded.decode, self.body, kind, self.limit)


async def off_loop(decode: Callable[..., T], body: bytes, *more: Any) -> T:
    """`decode(body, *more)`, in a thread if the body is large."""
    if len(body) > OFF_LOOP:
        return await asyncio.to_thread(decode, body, *more)
    return decode(body, *more)


def sentence(told: object) -> str:
    """What a remote said, cut to a length that can be shown in a list and in the log."""
    text = told if isinstance(told, str) else str(told)
    return text if len(text) <= MAX_SENTENCE else f"{text[: MAX_SENTENCE - 1]}…"
