"""Lines of an answer, however the network cuts them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import aiohttp
import pytest
from yarl import URL

from jupyter_bridge.problems import RemoteFailed
from jupyter_bridge.transport.http import Lines, read_whole


class Response:
    """What `Lines` needs of one."""

    url = URL("http://here/")


def lines_of(pieces: list[bytes], limit: int = 100) -> Lines:
    async def coming() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return Lines(cast(aiohttp.ClientResponse, Response()), limit, coming())


async def collect(lines: Lines) -> list[bytes]:
    return [line async for line in lines]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"one\ntwo\n\nthree\nfo"],
        [b"o", b"ne", b"\n", b"two\n\n", b"three", b"\nfo"],
        [b"one\ntwo", b"\n\nthree\n", b"\n", b" \n", b"fo"],
    ],
)
async def test_lines_are_whole(pieces: list[bytes]) -> None:
    """They come whole and in order, without blank ones and without a last one that is cut off."""
    assert await collect(lines_of(pieces)) == [b"one", b"two", b"three"]


@pytest.mark.parametrize(
    "pieces", [[b"x" * 101 + b"\n"], [b"x" * 60] * 2, [b"a\n" + b"x" * 60, b"x" * 60]]
)
async def test_a_line_has_an_end(pieces: list[bytes]) -> None:
    """A line of more bytes than allowed is refused, also before its end has come."""
    with pytest.raises(RemoteFailed, match="more than 100 bytes"):
        await collect(lines_of(pieces))


async def test_who_is_cancelled_loses_no_line() -> None:
    """Given up at any of its turns, a wait for a line leaves the line to the next."""
    lines, came = lines_of([b"".join(b"%d\n" % n for n in range(50))]), []
    take: Callable[[], Any] = lambda: asyncio.ensure_future(cast(Any, lines.__anext__()))  # noqa: E731
    for turns in [0, 1, 2] * 40:
        task = take()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            came.append(await task)
        except asyncio.CancelledError:
            continue
        except StopAsyncIteration:
            break
    assert came == [b"%d" % n for n in range(len(came))]
    assert len(came) > 20


async def test_an_answer_that_is_too_large_is_let_go() -> None:
    """The error, which others may keep for a while, refers to nothing of it."""

    async def coming() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000

    with pytest.raises(RemoteFailed) as refused:
        await read_whole(cast(aiohttp.ClientResponse, Response()), 1_000_000, coming())
    held, traceback = 0, refused.value.__traceback__
    while traceback is not None:
        held += sum(map(sys.getsizeof, traceback.tb_frame.f_locals.values()))
        traceback = traceback.tb_next
    assert held < 100_000
