"""A recording of whatever a console said: in turns of the loop, and not much longer than that."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.tail.asciicast import PIECE_BYTES, recording
from jupyter_bridge.wire.terminal.asciicast import MAX_MARKS
from tests.consoles.tail.test_view import ended

SIZE = 256 * 1024
# What a console says over and over again, for SIZE bytes.
HOSTILE = {
    "marks": b"\x1b]133;C\x07",
    "command lines": b"\x1b]133;B\x07a\x1b]133;C\x07",
    "rubbed out command lines": b"\x1b]133;B\x07" + b"a" * 2000 + b"\b" * 2000 + b"\x1b]133;C\x07",
    "queries": b"\x1b[6na",
    "sequences": b"\x1b]0;x\x07a",
    "no UTF-8": b"\xff",
    "controls": b"\0",
}


async def recorded(console: Console) -> list[Any]:
    parts = [part async for part in recording(console, 0, None)]
    return [json.loads(line) for line in "".join(parts).splitlines()]


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_output_gives_the_loop_its_turns(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Others get their turn with each piece, and all that was said is in the recording."""
    monkeypatch.setattr("jupyter_bridge.aio.turns.TURN_SECONDS", 0.0)
    said = HOSTILE[name] * (SIZE // len(HOSTILE[name]))
    turns, reading = 0, True

    async def count() -> None:
        nonlocal turns
        while reading:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    _, *events = await recorded(ended(said))
    reading = False
    await counting
    text = "".join(data for _, kind, data in events if kind == "o")
    assert text == said.replace(b"\x1b[6n", b"").decode("utf-8", "replace")
    assert turns >= len(said) // PIECE_BYTES
    assert sum(kind == "m" for _, kind, _ in events) <= MAX_MARKS


async def test_marks_at_one_time_are_bounded() -> None:
    """A mark of 8 bytes is 60 of a recording: those beyond MAX_MARKS are output only."""
    texts = []
    for count in (MAX_MARKS, 100 * MAX_MARKS):
        console = ended(HOSTILE["marks"] * count)
        texts.append("".join([part async for part in recording(console, 0, None)]))
    few, many = texts
    assert few.count('"m"') == many.count('"m"') == MAX_MARKS
    # What is added is escaped output alone.
    added = 99 * MAX_MARKS * len(json.dumps(HOSTILE["marks"].decode())[1:-1])
    assert len(many) - len(few) < added + 10_000


async def test_times_are_read_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A console that says a little all day has a million, of which few are in memory."""
    monkeypatch.setattr("jupyter_bridge.consoles.tail.asciicast.TIMES_BYTES", 1000)
    count = 20_000
    console = ended(b"a" * count)
    log: Any = console.log
    asked: list[tuple[int, int]] = []

    def times(start: int, end: int) -> list[tuple[int, float]]:
        asked.append((start, end))
        return [(at, 1000 + at / 100) for at in range(start, end) if at % 10 == 0]

    log.times = times
    log.time_of = lambda offset: 1000 + offset // 10 / 10
    for start in (0, 1005):
        asked.clear()
        parts = [part async for part in recording(console, start, None)]
        header, *events = map(json.loads, "".join(parts).splitlines())
        assert asked == [(at, min(at + 1000, count)) for at in range(start, count, 1000)]
        assert header["timestamp"] == int(1000 + start / 100)
        whens = [round(when, 1) for when, kind, data in events if kind == "o" and data]
        first = round(-(header["timestamp"] % 1), 1)
        assert len(whens) == len(set(whens)) + (len(asked) - 1) * (start % 10 > 0)
        assert whens == sorted(whens)
        assert whens[0] >= first


async def test_many_sizes_and_times_are_read_once() -> None:
    """Each part of the output finds its size and time by their place, not by a search of all."""
    count = 20_000
    console = ended(b"a" * count)
    log: Any = console.log
    log.sizes = lambda start, end: [(at, at / 1e3, 10 + at % 2, 80) for at in range(count)]
    log.times = lambda start, end: [(at, at / 1e3) for at in range(count)]
    header, *events = await recorded(console)
    assert (header["height"], header["width"]) == (10, 80)
    assert "".join(data for _, kind, data in events if kind == "o") == "a" * count
    sizes = [data for _, kind, data in events if kind == "r"]
    assert sizes == [f"80x{10 + at % 2}" for at in range(1, count)]
