"""The last line of a console, as a list shows it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.consoles.last_line import LOOK_BYTES, last_line
from jupyter_bridge.consoles.sources.file import FileSource
from jupyter_bridge.models.consoles import TerminalOptions
from tests.consoles.conftest import house, says
from tests.support.waiting import until


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"", ""),
        (b"\r\n \t \n\x1b[0m\n", ""),
        (b"one\r\ntwo\r\n", "two"),
        (b"one\r\ntwo", "two"),
        (b"done\r\n\r\n   \r\n", "done"),
        (b"\x1b]0;title\x07\x1b[1;32muser\x1b[0m:~$ ", "user:~$"),
        (b"10%\r 50%\r100%", "100%"),
        (b"100%\r\x1b[K", "100%"),
        (b"a\x00b\x08c\x7f\xc2\x85d", "abcd"),
        ("ü€\U0001f389\n".encode(), "ü€\U0001f389"),
        (b"caf\xc3", "caf\ufffd"),
        (b"\xa9 begins in a character", "begins in a character"),
        (b"x" * 500, "x" * 200),
        ("ü".encode() * 500, "ü" * 200),
    ],
)
def test_last_line(said: bytes, shown: str) -> None:
    """The last line that is not blank, without escape sequences and controls, cut short."""
    assert last_line(said) == shown


async def test_a_console_shows_its_last_line(tmp_path: Path) -> None:
    """While it lives, after its end, and after a restart of the server."""
    async with house(tmp_path) as consoles:
        console = await consoles.create(
            TerminalOptions("one", shell_command=["/bin/sh", "-c", "read x; echo bye"])
        )
        assert console.last_line == ""
        await console.write(b"\n")
        await asyncio.wait_for(console.ended(), 30)
        await says(console, b"bye")
        assert console.model().last_line == "bye"
        # What ended is let go from memory; the line is still known.
        await until(lambda: console.log.recent(10) == b"")
        assert console.model().last_line == "bye"
    async with house(tmp_path) as consoles:
        assert consoles.get("one").model().last_line == "bye"


async def test_a_file_shows_its_last_line(tmp_path: Path) -> None:
    """What stood there when it was opened, and what was added, as far as anybody has looked."""
    (tmp_path / "a.log").write_text("first\nsecond\n")
    source = await FileSource.find(tmp_path, "a.log", allow_hidden=False)
    console = Console("file:a.log", "file", source.log, source)
    assert console.last_line == "second"
    with (tmp_path / "a.log").open("a") as file:
        file.write("third\n")
    assert console.last_line == "second"  # no read of the disk for this
    assert source.log.refresh()
    assert console.last_line == "third"
    await source.close()


def test_only_what_stands_behind_the_last_gap_is_looked_at(tmp_path: Path) -> None:
    """A line is never put together from both sides of a gap."""
    journal = Journal(None, "e")
    journal.append(b"begin ")
    journal.skip(10)
    assert journal.recent(100) == b"begin "
    journal.append(b"end")
    journal.append(b"!" * (1 << 15))
    assert journal.recent(3) == b"!!!"
    assert journal.recent(1 << 20) == b"end" + b"!" * (1 << 15)


def test_200_lines_are_quick() -> None:
    """200 consoles that all said something new are read within milliseconds, and without a disk."""
    line = b"\x1b[32m2026-01-01 12:00:00\x1b[0m \x1b[1mINFO\x1b[0m worker-3: all is well\r\n"
    logs = [Journal(None, "e") for _ in range(200)]
    for log in logs:
        log.append(line * (4 * LOOK_BYTES // len(line)))
    consoles = [Console(str(n), "terminal", log, None) for n, log in enumerate(logs)]
    best = 1.0
    for _ in range(5):  # a loaded machine is slow now and then
        for log in logs:
            log.append(line)
        began = time.thread_time()
        shown = {console.last_line for console in consoles}
        best = min(best, time.thread_time() - began)
    assert shown == {"2026-01-01 12:00:00 INFO worker-3: all is well"}
    assert best < 0.05
