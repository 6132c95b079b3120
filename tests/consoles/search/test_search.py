"""Search: over journals on disk and in memory, files, gaps and long lines; what it leaves alone."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.consoles.log import Log
from jupyter_bridge.consoles.search import cursor as cursor_module
from jupyter_bridge.consoles.search import lane
from jupyter_bridge.consoles.search.commands import CommandsQuery, commands_of
from jupyter_bridge.consoles.search.cursor import OVERLAP_BYTES, PIECE_BYTES
from jupyter_bridge.consoles.search.query import SearchRequest
from jupyter_bridge.consoles.search.search import ANSWER_BYTES, Search
from jupyter_bridge.consoles.sources.file import FileSource
from jupyter_bridge.consoles.sources.file_log import FileLog
from jupyter_bridge.consoles.tail.pattern import compiled, literal
from jupyter_bridge.models.consoles import HitModel, SearchModel
from jupyter_bridge.problems import Unsupported
from tests.support.waiting import PATIENCE, until

LINE = "2026-11-30 worker %05d of the pool has done its part\r\n"


def console_of(log: Log, name: str = "1") -> Console:
    return Console(name, "terminal", log, None)


def search(text: str, *consoles: Console, regex: bool = False, **more: Any) -> Search:
    pattern = (compiled if regex else literal)(text, "q", lines=True)
    return Search(SearchRequest(pattern, **more), consoles, user="me", skips_timeless=True)


async def whole(searching: Search) -> SearchModel:
    pieces = [piece async for piece in searching.pieces()]
    return msgspec.json.decode(b"".join(pieces), type=SearchModel)


async def found(text: str, log: Log, **more: Any) -> list[HitModel]:
    return (await whole(search(text, console_of(log), **more))).hits


def on_disk(folder: Path, **sizes: Any) -> Journal:
    sizes = {"segment_bytes": 100_000, "memory_bytes": 10_000, "max_bytes": 1 << 30} | sizes
    folder.mkdir(exist_ok=True)
    return Journal(folder, "e", **sizes)


@asynccontextmanager
async def file_console(path: Path) -> AsyncIterator[Console]:
    source = await FileSource.find(path.parent, path.name, allow_hidden=False)
    console = Console(f"file:{path.name}", "file", source.log, source)
    await console.open()
    try:
        yield console
    finally:
        await source.close()


@pytest.mark.parametrize("kind", ["disk", "memory", "ended", "file"])
async def test_every_line_is_searched_wherever_it_is_cut(tmp_path: Path, kind: str) -> None:
    """Lines over the ends of segments, blocks and pieces are found, at their offsets, in order."""
    dice = random.Random(5)
    said = "".join(LINE % i + "\x1b[32mok\x1b[0m\r\n" * dice.randint(0, 3) for i in range(20_000))
    data = said.encode() + b"worker 00000 of an unfinished line"
    assert len(data) > 4 * PIECE_BYTES
    async with console_for(kind, tmp_path, data) as console:
        for text, regex in (("worker 0", False), ("worker 000[0-9]{2} of", True)):
            hits = (await whole(search(text, console, regex=regex, limit=100_000))).hits
            numbers = [hit.line[18:23] for hit in hits[:-1]]
            last = 9999 if text == "worker 0" else 99
            assert numbers == [f"{i:05}" for i in range(last + 1)]
            for hit in (*hits[:: len(hits) // 50], hits[-1]):
                assert data[hit.offset :].startswith(hit.line.encode())
            assert hits[-1].line == "worker 00000 of an unfinished line"


@asynccontextmanager
async def console_for(kind: str, folder: Path, data: bytes) -> AsyncIterator[Console]:
    """A console of this kind that has said `data`, in pieces of any size."""
    if kind == "file":
        (folder / "log").write_bytes(data)
        async with file_console(folder / "log") as console:
            yield console
        return
    journal = on_disk(folder / "j") if kind != "memory" else Journal(None, "e")
    dice = random.Random(3)
    at = 0
    while at < len(data):
        size = dice.choice((1, 80, 20_000, 65_536))
        journal.append(data[at : at + size])
        at += size
        if kind != "memory" and dice.random() < 0.5:
            journal.write_pending()
    journal.close()
    yield console_of(journal if kind != "ended" else on_disk(folder / "j"))


async def test_a_gap_ends_a_line_and_not_the_search() -> None:
    """What is before and after lost bytes is found; a line does not go on behind them."""
    journal = Journal(None, "e")
    journal.append(b"one\nbefo")
    journal.skip(1000)
    journal.append(b"re\ntwo before\n")
    journal.skip(5)
    assert [(hit.offset, hit.line) for hit in await found("before", journal)] == [
        (1011, "two before")
    ]
    assert [hit.line for hit in await found("e", journal)] == ["one", "befo", "re", "two before"]
    assert [hit.offset for hit in await found("e", journal)] == [0, 4, 1008, 1011]


async def test_a_deleted_segment_is_a_gap(tmp_path: Path) -> None:
    """Files that go away meanwhile are no error, and what is left is searched."""
    journal = on_disk(tmp_path / "j")
    journal.append(b"".join((LINE % i).encode() for i in range(10_000)))
    journal.close()
    sorted((tmp_path / "j").glob("*.log"))[1].unlink()
    hits = await found("worker", journal, limit=100_000)
    assert 7000 < len(hits) < 10_000
    assert hits[-1].line == (LINE % 9999).strip()


async def test_a_line_without_end_is_searched_in_parts() -> None:
    """A match is found wherever a line is cut, and not told twice."""
    for at in (10, PIECE_BYTES - 3, PIECE_BYTES - OVERLAP_BYTES + 10, 2 * PIECE_BYTES + 7):
        journal = Journal(None, "e")
        journal.append(b"x" * at + b"NEEDLE" + b"x" * (3 * PIECE_BYTES - at) + b"\nNEEDLE\n")
        hits = await found("NEEDLE", journal)
        assert [hit.line[hit.start : hit.end] for hit in hits] == ["NEEDLE", "NEEDLE"]
        assert hits[0].offset <= at < hits[0].offset + PIECE_BYTES
        assert hits[0].offset == 0 or at > PIECE_BYTES - OVERLAP_BYTES


async def test_since_begins_with_the_line_and_hits_have_times(tmp_path: Path) -> None:
    """Times are those of the lines, on disk and in memory; the line of the time is searched."""
    seconds = [1000]
    journal = on_disk(tmp_path / "j", clock=lambda: seconds[0] * 10**9, segment_bytes=60)
    for i in range(20):
        seconds[0] = 1000 + 100 * i
        journal.append(b"hit %d, begun" % i)
        seconds[0] += 50
        journal.append(b" and ended\n")
        if i == 12:
            journal.write_pending()
    hits = await found("hit", journal)
    assert [hit.time and hit.time.timestamp() for hit in hits] == [
        1000 + 100 * i for i in range(20)
    ]
    journal.append(b"unfinished hit")
    for when, first in ((0, 0), (1000, 0), (1540, 5), (2240, 12), (2900, 19), (2951, None)):
        since = await found("hit", journal, since=float(when))
        assert (int(since[0].line[4:6].strip(",")) if since else None) == first
    hits = await found("hit", journal)
    journal.close()
    assert await found("hit", on_disk(tmp_path / "j")) == hits


async def test_the_limit_says_whether_there_is_more() -> None:
    """The first hits in order; `truncated` only if there are others."""
    journal = Journal(None, "e")
    journal.append(b"a\n" * 1000)
    consoles = [console_of(journal, name) for name in ("1", "2")]
    for limit, truncated in ((1, True), (999, True), (1000, True), (1999, True), (2000, False)):
        answer = await whole(search("a", *consoles, limit=limit))
        assert (len(answer.hits), answer.truncated) == (limit, truncated)
        assert [hit.console for hit in answer.hits] == (["1"] * 1000 + ["2"] * 1000)[:limit]


async def test_an_answer_is_made_in_pieces() -> None:
    """What is found is passed on at once: the hits of a search may have tens of megabytes."""
    journal = Journal(None, "e")
    journal.append((b"\xff" * 999 + b"\n") * 1000)
    pieces = [piece async for piece in search(".", console_of(journal), regex=True).pieces()]
    assert sum(map(len, pieces)) > 2_000_000
    assert max(map(len, pieces)) < 2 * ANSWER_BYTES
    answer = msgspec.json.decode(b"".join(pieces), type=SearchModel)
    assert (len(answer.hits), answer.truncated, answer.unread) == (1000, False, [])


async def test_files_have_no_times(tmp_path: Path) -> None:
    """With `since` a file is left out of all, and is a Problem if it is asked for."""
    (tmp_path / "log").write_bytes(b"foo\n")
    async with file_console(tmp_path / "log") as console:
        (hit,) = (await whole(search("foo", console))).hits
        assert hit.time is None
        assert (await whole(search("foo", console, since=0.0))).hits == []
        request = SearchRequest(literal("foo", "q"), since=0.0)
        with pytest.raises(Unsupported):
            await whole(Search(request, [console], user="me"))


async def test_a_file_stays_open_while_it_is_searched(tmp_path: Path) -> None:
    """The search is a viewer of the file, and leaves it."""
    (tmp_path / "log").write_bytes(b"foo\n" * 1000)
    async with file_console(tmp_path / "log") as console:
        hits = search("foo", console).hits()
        await anext(hits)
        assert [viewer.user for viewer in console.viewers] == ["me"]
        await hits.aclose()
        assert console.viewers == []


async def test_a_file_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its mount hangs, or fails: the others are searched, and the answer says which was not."""
    monkeypatch.setattr(lane, "STALLED_SECONDS", 0.1)
    (tmp_path / "log").write_bytes(b"foo\n")
    (tmp_path / "bad").write_bytes(b"foo\n")
    journal = Journal(None, "e")
    journal.append(b"foo\n")
    hung = threading.Event()
    async with file_console(tmp_path / "log") as stalled, file_console(tmp_path / "bad") as bad:

        def fail(offset: int, size: int) -> bytes:
            raise OSError("Stale file handle")

        monkeypatch.setattr(bad.log, "read", fail)
        assert stalled.log.worker is not None
        hanging = stalled.log.worker.submit(hung.wait)
        answer = await whole(search("foo", stalled, bad, console_of(journal)))
        hung.set()
        hanging.result()
    assert answer.unread == ["file:log", "file:bad"]
    assert [hit.console for hit in answer.hits] == ["1"]


async def test_many_files_are_read_one_step_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a thread of its own, and many of them would hold up the event loop."""
    monkeypatch.setattr(cursor_module, "STEP_SECONDS", 0.0)
    monkeypatch.setattr(lane, "HOLD_SECONDS", PATIENCE)
    at_once: list[int] = []
    running = 0
    read = FileLog.read

    def counted(log: FileLog, offset: int, max_bytes: int) -> bytes:
        nonlocal running
        running += 1
        at_once.append(running)
        time.sleep(0.001)  # another thread would come
        data = read(log, offset, max_bytes)
        running -= 1
        return data

    monkeypatch.setattr(FileLog, "read", counted)
    async with AsyncExitStack() as files:
        consoles = []
        for name in "abcd":
            (tmp_path / name).write_bytes(b"foo\n" * 100_000)
            consoles.append(await files.enter_async_context(file_console(tmp_path / name)))
        query = CommandsQuery()
        await asyncio.gather(
            *(whole(search("bar", console)) for console in consoles),
            *(commands_of(console, query) for console in consoles),
        )
    assert len(at_once) > 40
    assert max(at_once) == 1


async def test_a_file_that_does_not_answer_holds_up_nobody_for_long(tmp_path: Path) -> None:
    """The lane waits a moment for it, and then goes on with the others."""
    (tmp_path / "log").write_bytes(b"foo\n")
    journal = Journal(None, "e")
    journal.append(b"foo\n")
    hung = threading.Event()
    async with file_console(tmp_path / "log") as stalled:
        worker = stalled.log.worker
        assert worker is not None
        hanging = worker.submit(hung.wait)
        waiting = asyncio.ensure_future(whole(search("foo", stalled)))
        await until(lambda: worker._jobs)
        assert len(await found("foo", journal)) == 1
        assert not waiting.done()
        hung.set()
        assert len((await waiting).hits) == 1
        hanging.result()


async def test_searches_take_turns_and_end_when_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short search does not wait for a long one, which reads nothing after its end."""
    monkeypatch.setattr(cursor_module, "STEP_SECONDS", 0.0)
    reads = 0

    class Counted(Journal):
        def read(self, offset: int, max_bytes: int) -> bytes:
            nonlocal reads
            reads += 1
            return super().read(offset, max_bytes)

    large = Counted(None, "e", alone_bytes=1 << 30)
    block = b"a line of no use\n" * 4000
    for _ in range(2000):
        large.append(block)
    short = Journal(None, "e")
    short.append(b"foo\n")
    long = asyncio.ensure_future(found("foo", large))
    await until(lambda: reads or long.done())
    assert len(await found("foo", short)) == 1
    assert not long.done()
    long.cancel()
    await asyncio.wait({long})
    await found("foo", short)  # the step that was under way has ended
    before = reads
    await found("foo", short)
    assert reads == before < 500
