"""Replay: hostile output is searched in linear time, and nobody waits meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

from jupyter_bridge.transport.answers import off_loop
from jupyter_bridge.transport.replay import Replay
from tests.simulators.hostile_remote import worst_tick

KEEP = Replay.KEEP
LARGEST = 16 << 20
# The search of 16 MiB took 0.4 s on the loop; a piece of it takes 10 ms.
MOST_TICK = 0.2


def fibonacci(size: int) -> bytes:
    """The word with the most repetitions that are no period."""
    one, other = b"a", b"ab"
    while len(other) < size:
        one, other = other, other + one
    return other[:size]


def of_a(size: int) -> bytes:
    return b"a" * size


def of_lines(size: int) -> bytes:
    return b"y\r\n" * (size // 3)


def of_prompts(size: int) -> bytes:
    return b"user@host:~$ " * (size // 13)


def halves(size: int) -> bytes:
    return (b"a" * (KEEP // 2 - 1) + b"b") * (size // (KEEP // 2))


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


HOSTILE = [fibonacci, of_a, of_lines, of_prompts, halves, noise]
Text = Callable[[int], bytes]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text.__name__)
@pytest.mark.parametrize("end", [b"", b"b"], ids=["the same", "another end"])
async def test_a_large_replay_holds_nobody_up(text: Text, end: bytes) -> None:
    """16 MiB of any text, after any tail, and the loop has its turns."""
    replay = Replay()
    replay.recall(text(KEEP)[len(end) :] + end)
    told = text(LARGEST)

    async def work() -> None:
        rest = await off_loop(replay.rest, told)
        assert told.endswith(rest.data)
        await off_loop(replay.agrees, told)

    assert await worst_tick(work) < MOST_TICK


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text.__name__)
def test_the_time_is_linear(text: Text) -> None:
    """Eight times the replay takes about eight times as long: no more than thirty."""
    replay = Replay()
    replay.recall(text(KEEP)[1:] + b"b")

    def seconds(size: int) -> float:
        told = text(size)
        start = time.process_time()
        replay.rest(told)
        return time.process_time() - start

    assert seconds(LARGEST) < 30 * (seconds(LARGEST // 8) + 0.01)


@pytest.mark.parametrize("at", [0, 1, (1 << 20) - KEEP, (1 << 20) - 1, 1 << 20, 9 << 20])
def test_the_tail_is_found_anywhere(at: int) -> None:
    """Also where the search goes on from one piece to the next."""
    tail, replay = noise(KEEP), Replay()
    replay.recall(tail)
    before = random.Random(5).randbytes(at)
    assert replay.rest(before + tail + b"NEW") == (b"NEW", True)
