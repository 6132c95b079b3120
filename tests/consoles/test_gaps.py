"""How many gaps and how much output a console takes from its source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.gaps import BURST, EARN_BYTES, GapAllowance
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.wire.console import MAX_OFFSET
from tests.consoles.conftest import house
from tests.consoles.journal.test_archive import remotes
from tests.support.waiting import StoppedClock


@pytest.mark.parametrize(
    ("size", "seconds", "goes_on"),
    [(1, 0.0, False), (100, 0.01, False), (EARN_BYTES, 0.0, True), (1, 1.0, True), (0, 0.0, False)],
    ids=["bytes", "soon after another", "much between them", "one a second", "nothing between"],
)
def test_gaps_are_earned(size: int, seconds: float, goes_on: bool) -> None:
    """By output or by time; a burst is free, and a pause earns a new one and no more."""
    clock = StoppedClock()
    allowance = GapAllowance(clock.monotonic)
    count = 0
    while count < 5 * BURST:
        clock.now += seconds
        allowance.earn(size)
        if not allowance.spend():
            break
        count += 1
    assert (count == 5 * BURST) is goes_on
    assert count >= BURST
    clock.now += 100 * BURST
    left = 0
    while allowance.spend():
        left += 1
    assert left == BURST


def floods(console: Console, source: Any) -> None:
    for _ in range(2 * BURST):
        source.say(b"x")
        source.lose(1)


def grows(console: Console, source: Any) -> None:
    source.lose(MAX_OFFSET - 10)
    source.say(b"x")
    source.lose(MAX_OFFSET - 10)


def grows_by_output(console: Console, source: Any) -> None:
    source.lose(MAX_OFFSET - 10)
    source.say(b"x" * 20)


def lies(console: Console, source: Any) -> None:
    source.say(b"x")
    source.lose(10**40)


@pytest.mark.parametrize("attack", [floods, grows, grows_by_output, lies])
async def test_a_source_without_measure_ends_its_console(
    attack: Callable[[Console, Any], None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is closed, nothing more of it is kept, the log says why; others go on."""
    async with house(tmp_path, remotes=remotes) as consoles:
        console, other = await consoles.open("hpc:bad"), await consoles.open("hpc:good")
        source: Any = console.source
        attack(console, source)
        assert console.state == "ended"
        end = console.end_offset
        assert end <= MAX_OFFSET
        source.say(b"more")
        source.lose(5)
        source.finish(Exit(0))
        assert console.end_offset == end
        assert console.exit == Exit()
        good: Any = other.source
        good.say(b"hello")
        assert other.log.recent(9) == b"hello"
    assert caplog.text.count("'hpc:bad' has ended") == 1
