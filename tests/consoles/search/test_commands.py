"""The commands of a console: of real shells, by hand and by run, and of any journal."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.consoles.search.commands import CommandsQuery, commands_of
from jupyter_bridge.consoles.sources.file_log import FileLog, FilePlace
from jupyter_bridge.models.consoles import CommandModel, CommandsModel
from tests.consoles.conftest import everything, house
from tests.support.shells import ALL_SHELLS, Desk, d
from tests.support.waiting import PATIENCE, until

__all__ = ["d"]

PROMPT = b"\x1b]133;A;jb="
KEY = b"jb=0123456789abcdef"


def mark(text: bytes) -> bytes:
    return b"\x1b]133;" + text + b"\x07"


async def commands(console: Console, limit: int = 200, before: int | None = None) -> CommandsModel:
    return await commands_of(console, CommandsQuery(limit, before))


async def typed(console: Console, text: str, last: str | None = None) -> list[CommandModel]:
    """Type a line; return the commands once the last one's text is `last`, and it has ended."""
    await console.write(text.encode() + b"\r")
    shown = text if last is None else last

    async def known() -> list[CommandModel] | None:
        found = (await commands(console)).commands
        done = found and found[-1].command == shown and found[-1].end_offset is not None
        return found if done else None

    return list(await until(known, f"the end of {shown!r}"))


async def at_next_prompt(console: Console, key: bytes) -> None:
    """Press a key, and wait for a prompt: dash does not show after it what was typed before."""
    prompts = everything(console).count(PROMPT)
    await console.write(key)
    await until(lambda: everything(console).count(PROMPT) > prompts)


def output(console: Console, command: CommandModel) -> bytes:
    assert command.end_offset is not None
    return console.read(command.offset, command.end_offset - command.offset)


@pytest.mark.parametrize("shell", ALL_SHELLS)
async def test_every_command_is_listed(d: Desk, shell: str, tmp_path: Path) -> None:
    """By hand and by run, mixed: text, status, output, folder and time; empty lines are none.

    After a restart of the server they are the same, from the journal alone.
    """
    started = datetime.now(timezone.utc)
    console = await d.open(shell)
    folder = str(d.home)
    answer = await d.run(f"cd {folder}; echo one", shell)
    await typed(console, "echo by''hand")
    await at_next_prompt(console, b"\r")
    await typed(console, "sh -c 'exit 3'")
    await typed(console, "cd /")
    wide = "echo e" if shell == "busybox" else "echo é漢"  # it shows others as `?`
    await typed(console, wide)
    await console.write(b"echo 'two\r")
    shows = rb"two" if shell == "fish" else rb"two[^$]*133;P;k=s"
    await until(lambda: re.search(shows, console.newest(200), re.DOTALL))
    await typed(console, "lines'", "echo 'two\nlines'")
    await d.run("sh -c 'exit 4' # " + "long é " * 30, shell)
    await d.run("echo first\necho 'second'", shell)
    await console.write(b"sleep 100\r")

    async def running() -> CommandModel | None:
        last = (await commands(console)).commands[-1]
        return last if last.command == "sleep 100" else None

    sleeping = await until(running, "the command that runs")
    assert (sleeping.end_offset, sleeping.exit_code) == (None, None)
    await asyncio.sleep(0.3)
    await at_next_prompt(console, b"\x03")
    found = await typed(console, "echo on")
    interrupted = 258 if shell == "ksh" else 130
    assert [(one.command, one.exit_code) for one in found] == [
        (f"cd {folder}; echo one", 0),
        ("echo by''hand", 0),
        ("sh -c 'exit 3'", 3),
        ("cd /", 0),
        (wide, 0),
        ("echo 'two\nlines'", 0),
        ("sh -c 'exit 4' # " + ("long é " * 30).strip(), 4),
        ("echo first\necho 'second'", 0),
        ("sleep 100", interrupted),
        ("echo on", 0),
    ]
    assert (found[0].offset, found[0].end_offset) == (answer.start_offset, answer.end_offset)
    for at, said in ((0, b"one\r\n"), (1, b"byhand\r\n"), (7, b"first\r\nsecond\r\n")):
        assert said in output(console, found[at])
        assert output(console, found[at]).count(b"\n") == said.count(b"\n")
    assert {one.cwd for one in found[1:4]} == {folder}
    assert {one.cwd for one in found[4:]} == {"/"}
    times = [one.time for one in found if one.time is not None]
    assert len(times) == len(found)
    assert times == sorted(times)
    assert (times[0] - started).total_seconds() > -1
    assert found[8].seconds is not None
    assert 0.2 <= found[8].seconds < 60
    await d.consoles.end(shell)
    await d.runs.close()
    await d.consoles.close()
    async with house(tmp_path) as again:
        assert (await commands(again.get(shell))).commands == found


def console_of(journal: Journal, *, live: bool = False) -> Console:
    console = Console("1", "terminal", journal, None)
    if live:
        console.state = "live"
    return console


async def test_times_are_those_of_the_marks() -> None:
    """A command that says something late began when it began; one that runs has taken until now."""
    seconds = [1000.0]
    journal = Journal(None, "e", clock=lambda: int(seconds[0] * 1e9))
    for wait, said in (
        (0, mark(b"A;" + KEY) + mark(b"C;" + KEY + b";cmdline=make")),
        (10, b"late\r\n"),
        (5, mark(b"D;2;" + KEY + b";/x")),
        (7, mark(b"A;" + KEY)),
    ):
        seconds[0] += wait
        journal.append(said)
    (command,) = (await commands(console_of(journal))).commands
    assert command.time == datetime.fromtimestamp(1000, timezone.utc)
    assert (command.seconds, command.exit_code, command.command) == (15.0, 2, "make")
    seconds[0] = time.time() - 100
    journal.append(mark(b"C;" + KEY + b";cmdline=top"))
    running = (await commands(console_of(journal, live=True))).commands[-1]
    assert (running.end_offset, running.exit_code, running.cwd) == (None, None, "/x")
    assert running.seconds is not None
    assert 99 < running.seconds < 200
    ended = (await commands(console_of(journal))).commands[-1]
    assert (ended.end_offset, ended.exit_code, ended.seconds) == (journal.end_offset, None, 0.0)


async def test_pages_have_every_command_once() -> None:
    """The newest first; each page ends before the offset that was asked for."""
    journal = Journal(None, "e")
    one = mark(b"C;" + KEY + b";cmdline=%d") + b"x\r\n" + mark(b"D;0;" + KEY + b";/")
    journal.append(b"".join(one % i for i in range(25)))
    pages: list[list[str | None]] = []
    before, truncated = None, True
    while truncated:
        page = await commands(console_of(journal), 10, before)
        pages.append([one.command for one in page.commands])
        before, truncated = page.commands[0].offset, page.truncated
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [one for page in reversed(pages) for one in page] == [str(i) for i in range(25)]


async def test_a_journal_with_gaps_is_read_to_its_end(tmp_path: Path) -> None:
    """Over deleted segments and lost bytes, on disk; what the gap swallowed is not listed."""
    (tmp_path / "j").mkdir()
    journal = Journal(tmp_path / "j", "e", segment_bytes=1000, memory_bytes=100, max_bytes=1 << 30)
    one = mark(b"C;" + KEY + b";cmdline=%d") + b"x" * 50 + mark(b"D;0;" + KEY + b";/")
    for i in range(100):
        journal.append(one % i)
        journal.write_pending()
    journal.skip(10)
    journal.append(one % 100)
    journal.close()
    sorted((tmp_path / "j").glob("*.log"))[3].unlink()
    found = [one.command for one in (await commands(console_of(journal))).commands]
    assert 80 < len(found) < 100
    assert (found[0], found[-1]) == ("0", "100")


async def test_a_file_that_became_shorter_is_read_to_its_end(tmp_path: Path) -> None:
    """Nobody has looked at it since: what is gone is not waited for."""
    (tmp_path / "log").write_bytes((mark(b"C") + b"a\n" + mark(b"D;0")) * 1000)
    log = FileLog(FilePlace(tmp_path, "log"))
    (tmp_path / "log").write_bytes(mark(b"C"))
    console = Console("c", "file", log, None)
    assert (await asyncio.wait_for(commands(console), PATIENCE)).commands == []
    log.close()


async def test_a_journal_of_marks_holds_nobody_up() -> None:
    """Megabytes of them: the event loop goes on, and who leaves ends the reading."""
    journal = Journal(None, "e", alone_bytes=1 << 30)
    journal.append(mark(b"C") * (8 << 20 >> 3))
    reading = asyncio.ensure_future(commands(console_of(journal)))
    turns = 0
    while turns < 50:
        await asyncio.sleep(0.001)
        turns += 1
        assert not reading.done()
    reading.cancel()
    await asyncio.wait({reading})
    small = Journal(None, "e")
    small.append(mark(b"C"))
    assert len((await commands(console_of(small))).commands) == 1
