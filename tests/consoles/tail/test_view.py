"""A cursor on a console: where it begins, what it leaves out, where it can be taken up."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.consoles.tail.pattern import compiled
from jupyter_bridge.consoles.tail.view import View
from jupyter_bridge.interfaces import Source
from jupyter_bridge.wire.console import Ended, GapFrame, OutputFrame

PATIENCE = 30.0
QUERY = b"\x1b[6n"
SAID = b"plain \x1b[31mred\x1b[0m " + QUERY + b"\x1b]0;title\x07\xc2\x9b1mend\x1b[3"


def ended(data: bytes) -> Console:
    """A console that has said this."""
    journal = Journal(None, "epoch")
    journal.append(data)
    return Console("x", "terminal", journal, None)


class Silent(Source):
    """A line that somebody else speaks for."""

    async def open(self, *heard: object) -> None:
        pass

    async def write(self, data: bytes) -> None:
        pass

    async def close(self) -> None:
        pass


async def outputs(view: View) -> list[OutputFrame]:
    return [step async for step in view.steps() if isinstance(step, OutputFrame)]


@pytest.mark.parametrize("start", range(len(SAID) + 1))
async def test_a_view_taken_up_anywhere_repeats_no_byte(start: int) -> None:
    """Resumed inside of a sequence, what comes is its rest; only of a query nothing comes."""
    found = await outputs(View(ended(SAID), start, follow=False, resumed=True))
    query = re.search(re.escape(QUERY), SAID)
    assert query is not None
    left_out = range(max(start, query.start()), query.end())
    expected = {at: SAID[at] for at in range(start, len(SAID)) if at not in left_out}
    got = [(step.offset + at, byte) for step in found for at, byte in enumerate(step.data)]
    assert got == sorted(expected.items())


async def test_retention_under_a_reader_is_a_gap(tmp_path: Path) -> None:
    """What is taken away while a slow viewer reads is told; what is still held comes whole."""
    folder = tmp_path / "journal"
    folder.mkdir()
    journal = Journal(folder, "epoch", segment_bytes=100_000, max_bytes=400_000, memory_bytes=0)
    said = b"".join(b"%09d\n" % number for number in range(100_000))

    def say(start: int, end: int) -> None:
        for at in range(start, end, 50_000):
            journal.append(said[at : at + 50_000])
            journal.write_pending()

    say(0, 300_000)
    console = Console("x", "terminal", journal, None)
    steps = View(console, 0, follow=True).steps()
    first = await asyncio.wait_for(anext(steps), PATIENCE)
    assert isinstance(first, OutputFrame)
    assert first.data == said[: len(first.data)]
    say(300_000, 1_000_000)
    position, lost = len(first.data), 0
    async for step in steps:
        if isinstance(step, GapFrame):
            assert step.offset == position
            lost += step.to - step.offset
            position = step.to
        elif isinstance(step, OutputFrame):
            assert step.offset == position
            assert step.data == said[position : position + len(step.data)]
            position += len(step.data)
        else:
            assert isinstance(step, Ended)
    assert position == len(said)
    assert 0 < lost < len(said) - 200_000
    journal.close()


async def test_what_is_said_as_the_wait_begins() -> None:
    """Is seen at once, also where a deadline makes the wait a task of its own."""
    journal = Journal(None, "epoch")
    console = Console("x", "terminal", journal, Silent(), on_output=journal.append)
    view = View(console, 0, follow=True, timeout=PATIENCE, until=compiled("on", "until"))
    coming = asyncio.ensure_future(outputs(view))
    asyncio.get_running_loop().call_soon(console.on_output, b"on\n")
    assert await asyncio.wait_for(coming, PATIENCE / 2) == [OutputFrame(0, b"on")]


@pytest.mark.parametrize("how", ["history", "stripped", "searched", "stripped in pieces"])
async def test_nothing_but_sequences_gives_the_loop_its_turns(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Others get their turn every few KiB, however long the sequences take."""
    monkeypatch.setattr("jupyter_bridge.aio.turns.TURN_SECONDS", 0.0)
    said = b"\x1b]0;x\x07a" * (32 * 1024 // 7)
    turns, reading = 0, True

    async def count() -> None:
        nonlocal turns
        while reading:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    view = View(
        ended(said),
        0,
        follow=False,
        raw=how != "history",
        strip=how.startswith("stripped"),
        until=compiled("never said", "until") if how == "searched" else None,
        joined=how == "stripped",
    )
    text = b"".join([step.data for step in await outputs(view)])
    reading = False
    await counting
    assert text == (b"a" * (len(said) // 7) if "stripped" in how else said)
    assert turns >= len(said) // 4096
