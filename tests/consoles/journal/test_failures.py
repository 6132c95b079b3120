"""One journal that fails, or has more to write than a disk takes: the others go on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.consoles.journal import archive as archive_module
from jupyter_bridge.consoles.journal import segments
from jupyter_bridge.consoles.journal.archive import Archive, ConsoleRecord
from jupyter_bridge.consoles.journal.journal import CONGESTED_BYTES, Journal
from jupyter_bridge.interfaces import Exit
from tests.support.waiting import until

SURROGATE = "\ud800\x1b]0;x\x07"


def about(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "epoch": name, "started": "2026", "kind": "remote", **more}


def unwritable_meta(record: ConsoleRecord, journal: Journal) -> None:
    record.about["title"] = object()
    journal.append(b"x")


def past_the_index(record: ConsoleRecord, journal: Journal) -> None:
    journal.skip(2**64)
    journal.append(b"x")


@pytest.mark.parametrize("break_it", [unwritable_meta, past_the_index])
async def test_one_journal_that_fails_ends_no_other(
    break_it: Callable[[ConsoleRecord, Journal], None],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It continues in memory, the log names it once; others are written, and the stop ends."""
    archive = Archive(tmp_path / "c")
    try:
        bad, broken = archive.create(about("bad"))
        _, good = archive.create(about("good"))
        break_it(bad, broken)
        archive.poke()
        await until(lambda: broken.folder is None)
        broken.append(b"more")
        good.append(b"hello")
        archive.poke()
        await until(lambda: good.backlog == 0)
        assert broken.recent(4) == b"more"
        assert list((tmp_path / "c").glob("good*/*.log"))
    finally:
        archive.stop()
    told = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert len(told) == 1
    assert "bad" in told[0].getMessage()


@pytest.mark.parametrize("step", ["save", "release", "delete"])
async def test_an_errand_that_fails_stops_no_other(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the end or the removal of a console raises, the next console is written."""
    archive = Archive(tmp_path / "c")
    failed = threading.Event()
    bad, broken = archive.create(about("bad"))
    broken.append(b"x")
    archive.poke()
    await until(lambda: broken.backlog == 0)

    def fail(*ignored: object) -> None:
        failed.set()
        monkeypatch.undo()
        raise RuntimeError("no such luck")

    monkeypatch.setattr(bad, step, fail)
    if step == "delete":
        archive.forget(bad, broken)
    else:
        archive.end(bad, broken)
    await until(failed.is_set)
    _, good = archive.create(about("good"))
    good.append(b"hello")
    archive.poke()
    await until(lambda: good.backlog == 0)
    archive.stop()


@pytest.mark.parametrize(
    "more",
    [
        {"title": SURROGATE},
        {"name": SURROGATE},
        {"exit": {"code": SURROGATE, "signal": SURROGATE}},
        {"last_line": SURROGATE},
    ],
    ids=lambda more: next(iter(more)),
)
def test_text_that_is_no_utf8_is_kept(more: dict[str, Any], tmp_path: Path) -> None:
    """Half of a surrogate pair in any field of a record is written, and read again."""
    archive = Archive(tmp_path / "c")
    record, journal = archive.create({**about("1"), **more})
    journal.append(b"hello")
    archive.end(record, journal)
    archive.stop()
    again = Archive(tmp_path / "c")
    ((loaded, read),) = again.load()
    assert {key: loaded.about[key] for key in more} == more
    assert read.read(0, 9) == b"hello"
    again.stop()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"code": 3, "signal": None}, Exit(3)),
        ({"code": -9, "signal": "SIGKILL"}, Exit(-9, "SIGKILL")),
        ({"code": None, "signal": "SIGRTMIN+3"}, Exit(None, "SIGRTMIN+3")),
        ({"code": True, "signal": ""}, Exit()),
        ({"code": 10**40, "signal": "X" * 200}, Exit()),
        ({"code": "\ud800", "signal": "\ud800"}, Exit()),
        ({"code": {"a": 1}, "signal": ["\x1b[2J"]}, Exit()),
        ({"code": 1.5, "signal": "\x1b[2J"}, Exit()),
        ({}, Exit()),
        ([1], Exit()),
        (None, Exit()),
    ],
)
def test_an_exit_of_a_stranger_is_a_small_number_and_a_word(given: Any, expected: Exit) -> None:
    """Of a remote's or a file's exit only a code of 32 bits and a signal's name are taken."""
    assert Exit.read(given) == expected


async def test_a_journal_of_many_gaps_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte and a gap in turn, 20,000 times: another journal is written long before the end."""
    monkeypatch.setattr(archive_module, "STOP_SECONDS", 1.0)
    archive = Archive(tmp_path / "c")
    record, flood = archive.create(about("flood"))
    _, good = archive.create(about("good"))
    left: list[int] = []
    write_good = good.write_pending

    def written(seconds: float) -> bool:
        left.append(flood.backlog)
        return write_good(seconds)

    monkeypatch.setattr(good, "write_pending", written)
    for _ in range(20_000):
        flood.append(b"x")
        flood.skip(1)
    good.append(b"hello")
    archive.end(record, flood)
    archive.poke()
    await until(lambda: good.backlog == 0)
    assert left[0] > 0
    start = time.monotonic()
    archive.stop()
    assert time.monotonic() - start < 30
    assert len(list((tmp_path / "c").glob("flood*/*.log"))) <= segments.MAX_SEGMENTS + 1


def test_a_journal_has_a_limited_number_of_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go as with `max_bytes`; the more that an earlier version left go at the start."""
    journal = Journal(tmp_path, "e")
    for _ in range(50):
        journal.append(b"x")
        journal.skip(1)
    journal.close()
    assert len(list(tmp_path.glob("*.log"))) == 50
    monkeypatch.setattr(segments, "MAX_SEGMENTS", 10)
    monkeypatch.setattr("jupyter_bridge.consoles.journal.journal.MAX_SEGMENTS", 10)
    again = Journal(tmp_path, "e")
    assert len(list(tmp_path.glob("*.log"))) == 10
    for _ in range(5):
        again.skip(1)
        again.append(b"y")
    again.close()
    assert len(list(tmp_path.glob("*.log"))) == 10
    assert again.read(again.end_offset - 1, 9) == b"y"


def test_a_gap_at_the_end_is_no_backlog(tmp_path: Path) -> None:
    """A producer is not paused for bytes that never came."""
    journal = Journal(tmp_path, "e")
    journal.append(b"x")
    journal.skip(1 << 40)
    assert journal.backlog > CONGESTED_BYTES
    assert journal.write_pending()
    assert journal.backlog == 0
    journal.append(b"y")
    journal.close()
    assert journal.read((1 << 40) + 1, 9) == b"y"


def test_a_disk_that_hangs_does_not_hold_up_the_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The stop gives up after its deadline, and the log tells."""
    monkeypatch.setattr(archive_module, "STOP_SECONDS", 0.2)
    go_on, stuck = threading.Event(), threading.Event()

    def hang(*ignored: object) -> None:
        stuck.set()
        go_on.wait(60)

    monkeypatch.setattr(segments.SegmentWriter, "append", hang)
    archive = Archive(tmp_path / "c")
    _, journal = archive.create(about("1"))
    journal.append(b"hello")
    archive.poke()
    try:
        assert stuck.wait(60)
        archive.stop()
        assert "did not take the output" in caplog.text
    finally:
        go_on.set()
        monkeypatch.setattr(archive_module, "STOP_SECONDS", 60.0)
        archive.stop()
