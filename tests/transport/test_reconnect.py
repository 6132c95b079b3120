"""ReconnectingSocket and Replay: what drops is opened again, and what is told twice is cut."""

from __future__ import annotations

import logging
import random

import pytest
from aiohttp import ClientSession, WSMsgType, web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from jupyter_bridge.transport.reconnect import ReconnectingSocket
from jupyter_bridge.transport.replay import Replay
from tests.support.waiting import until


async def test_what_is_said_goes_behind_what_was_posted() -> None:
    """A terminal that is resized and typed into has the new size when it reads what was typed."""
    heard: list[str] = []

    async def listen(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            assert message.type is WSMsgType.TEXT
            heard.append(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/", listen)
    async with TestServer(app) as server, ClientSession() as session:
        line = ReconnectingSocket(
            lambda: session.ws_connect(server.make_url("/")), logging.getLogger("test")
        )
        await line.open(lambda _: None, lambda _: None)
        for number in range(0, 40, 2):
            line.post(str(number))
            await line.say(str(number + 1))
        await line.close()
        await until(lambda: len(heard) == 40)
    assert heard == [str(number) for number in range(40)]


@pytest.mark.parametrize(
    ("passed", "replay", "rest"),
    [
        (b"", b"anything", b"anything"),
        (b"0123456789abcdefghij", b"0123456789abcdefghijNEW", b"NEW"),
        (b"0123456789abcdefghij", b"456789abcdefghijNEW", b"NEW"),
        (b"0123456789abcdefghij", b"456789abcdefghij", b""),
        (b"short", b"short and more", b" and more"),
        (
            b"user@host:~/work$ ",
            b"user@host:~/work$ ls\r\nuser@host:~/work$ ",
            b"ls\r\nuser@host:~/work$ ",
        ),
    ],
)
def test_the_known_part_of_a_replay_is_cut(passed: bytes, replay: bytes, rest: bytes) -> None:
    """Where it goes on from what was passed."""
    known = Replay()
    known.passed(passed)
    assert known.rest(replay) == (rest, True)
    assert known.agrees(replay)


@pytest.mark.parametrize(
    ("passed", "replay", "rest"),
    [
        (b"0123456789abcdefghij", b"something else entirely", b"something else entirely"),
        (b"0123456789abcdefg$ ", b"$ something else", b"$ something else"),
        # A hole in what was passed: told again from there.
        (b"0123456789abcdefgh, and C", b"0123456789abcdefgh, B, and C", b"B, and C"),
        (
            b"user@the-host:~$ ls\r\nuser@the-host:~$ ",
            b"user@the-host:~$ ls\r\nhole\r\nuser@the-host:~$ ",
            b"hole\r\nuser@the-host:~$ ",
        ),
    ],
)
def test_what_may_be_missing_is_told(passed: bytes, replay: bytes, rest: bytes) -> None:
    """A replay that does not go on from what was passed is none to be sure of."""
    known = Replay()
    known.passed(passed)
    assert known.rest(replay) == (rest, False)
    assert not known.agrees(replay)


@pytest.mark.parametrize("known", [1000, 300_000])
@pytest.mark.parametrize("told", [900, 100_000])
def test_text_that_repeats_itself_is_not_sure(known: int, told: int) -> None:
    """How much of `yes` was said during a break, no replay tells; and looking blocks nobody."""
    replay = Replay()
    replay.passed(b"y\r\n" * (known // 3))
    assert not replay.rest(b"y\r\n" * (told // 3) + b"^C").sure


@given(st.integers(0, 2**32), st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 3000))
def test_any_overlap_of_text_without_repetition_is_found(
    seed: int, start: int, known: int, end: int
) -> None:
    """Whatever was passed and however much is told again, nothing is lost or doubled."""
    start, known, end = sorted((start, known, end))
    stream = random.Random(seed).randbytes(3000)
    replay = Replay()
    replay.passed(stream[:known])
    if known - start >= Replay.SURE:
        assert replay.rest(stream[start:end]) == (stream[known:end], True)


def test_a_new_line_goes_on_from_what_an_earlier_one_passed() -> None:
    """Where the end of it stands once in the replay; a mere prompt stands there often."""
    replay = Replay()
    replay.recall(b"ls\r\na  b  c\r\nuser@host:~$ ")
    told = b"user@host:~$ ls\r\na  b  c\r\nuser@host:~$ pwd\r\n/home\r\nuser@host:~$ "
    assert replay.rest(told) == (b"pwd\r\n/home\r\nuser@host:~$ ", True)
    replay = Replay()
    replay.recall(b"user@the-host:~$ ")
    told = b"user@the-host:~$ pwd\r\n/home\r\nuser@the-host:~$ "
    assert not replay.rest(told).sure


def test_only_the_end_is_remembered() -> None:
    """Memory is bounded, and the end still matches."""
    replay = Replay()
    stream = random.Random(1).randbytes(3 * Replay.KEEP)
    for at in range(0, len(stream), 10_000):
        replay.passed(stream[at : at + 10_000])
    assert replay.rest(stream + b"NEW") == (b"NEW", True)
    assert replay.rest(stream[-1000:] + b"NEW") == (b"NEW", True)
    assert replay.rest(stream[-100_000:] + b"NEW") == (b"NEW", True)
