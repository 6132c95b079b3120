import itertools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from jupyter_bridge.consoles.journal import held_output as held_module
from jupyter_bridge.consoles.journal import memory as memory_module
from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.consoles.journal.segments import Parts
from tests.conftest import SOAK

TEXTS = st.one_of(
    st.binary(max_size=30),
    st.lists(st.sampled_from([b"a", b"\n", b"bc\n", b"\xff\x00"]), max_size=40).map(b"".join),
)


class Crashed(BaseException):
    """The process is gone: nothing catches this."""


class JournalAgainstBytes(RuleBasedStateMachine):
    """A Journal answers like a plain list of bytes, whenever the process dies."""

    @initialize(
        segment=st.integers(1, 60),
        memory=st.integers(0, 80),
        maximum=st.integers(40, 2000),
        whole=st.integers(1, 40),
    )
    def begin(self, segment: int, memory: int, maximum: int, whole: int) -> None:
        self.whole = mock.patch.object(memory_module, "WHOLE_BYTES", whole)
        self.whole.start()
        self.folder = tempfile.TemporaryDirectory()
        self.sizes: dict[str, Any] = {
            "segment_bytes": segment,
            "memory_bytes": memory,
            "max_bytes": maximum,
        }
        self.said: list[int | None] = []
        self.when: list[int] = []
        self.now = 1_000_000_000
        self.fuse: int | None = None
        self.durable = 0
        self.open()

    def open(self) -> None:
        self.journal = Journal(
            Path(self.folder.name) / "journal",
            "epoch",
            prepare=lambda: (Path(self.folder.name) / "journal").mkdir(exist_ok=True),
            clock=lambda: self.now,
            write=self.write,
            **self.sizes,
        )

    def write(self, number: int, parts: Parts) -> int:
        data = b"".join(parts)
        if self.fuse is not None:
            if self.fuse < len(data):
                os.write(number, data[: self.fuse])
                raise Crashed
            self.fuse -= len(data)
        return os.write(number, data)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.whole.stop()
            self.journal.close()
            self.folder.cleanup()

    @rule(data=TEXTS, later=st.integers(0, 300))
    def append(self, data: bytes, later: int) -> None:
        self.now += later * 1_000_000
        self.journal.append(data)
        self.said += data
        self.when += [self.now] * len(data)

    @rule(lost=st.integers(1, 50))
    def skip(self, lost: int) -> None:
        self.journal.skip(lost)
        self.said += [None] * lost
        self.when += [self.now] * lost

    @rule()
    def write_pending(self) -> None:
        assert self.journal.write_pending()
        self.durable = len(self.said)

    @rule(fuse=st.integers(0, 300))
    def crash_while_writing(self, fuse: int) -> None:
        """The process dies between any two bytes that reach the disk; another begins."""
        self.fuse = fuse
        try:
            self.journal.write_pending()
            self.durable = len(self.said)
        except Crashed:
            pass
        self.fuse = None
        # The dead process's files: closed here for the test's own sake.
        writer = self.journal._active
        if writer is not None:
            writer.close(sync=False)
        for path in Path(self.folder.name).glob("*/*.log"):
            os.utime(path, ns=(self.now, self.now))
        self.open()
        end = self.journal.end_offset
        durable = self.said[: self.durable]
        while durable and durable[-1] is None:
            durable.pop()
        if self.journal.first_offset != end:
            assert len(durable) <= end <= len(self.said)
        del self.said[end:], self.when[end:]
        self.said += [None] * (end - len(self.said))
        self.durable = min(self.durable, end)

    @precondition(lambda self: len(self.journal._segments) > 1)
    @rule()
    def drop_oldest(self) -> None:
        self.journal.drop_oldest()

    @rule()
    def restart_cleanly(self) -> None:
        self.journal.close()
        self.open()
        end = self.journal.end_offset
        assert all(byte is None for byte in self.said[end:])
        del self.said[end:], self.when[end:]
        self.durable = end

    def held(self) -> list[int]:
        """Offsets that the journal holds, by its own account, which must be the truth."""
        first = self.journal.first_offset
        return [at for at in range(first, len(self.said)) if self.said[at] is not None]

    @invariant()
    def it_holds_what_was_said(self) -> None:
        """Every held byte is the one that was said, every gap is told, nothing else is there."""
        if not hasattr(self, "folder"):
            return
        at = 0
        seen: dict[int, int] = {}
        end = self.journal.end_offset
        assert end == len(self.said)
        while at < end:
            held = self.journal.held(at)
            assert held >= at
            at = held
            data = self.journal.read(at, 17)
            assert data or at == end
            seen |= {at + i: byte for i, byte in enumerate(data)}
            at += len(data)
        assert all(self.said[at] == byte for at, byte in seen.items())
        first = self.journal.first_offset
        missing = [at for at in range(first, end) if at not in seen]
        assert all(self.said[at] is None for at in missing)
        assert not self.journal.read(end, 1)

    @precondition(lambda self: hasattr(self, "folder"))
    @rule(lines=st.integers(0, 30), nearby=st.sampled_from([1, 10, 10_000]))
    def tail(self, lines: int, nearby: int) -> None:
        offsets = self.held()
        text = bytes(self.said[at] or 0 for at in offsets)
        newlines = [i for i, byte in enumerate(text[:-1]) if byte == 10]
        if lines == 0:
            expected = len(self.said)
        elif lines > len(newlines):
            expected = offsets[0] if offsets else len(self.said)
        else:
            expected = offsets[newlines[-lines] + 1]
        with mock.patch.object(held_module, "TAIL_BYTES", nearby):
            assert self.journal.held(self.journal.tail(lines)) == expected

    @precondition(lambda self: hasattr(self, "folder"))
    @rule(ago=st.integers(0, 3000))
    def since(self, ago: int) -> None:
        """Nothing that came since then is missing; at most a tenth of a second more is there."""
        when = self.now - ago * 1_000_000
        start = self.journal.since(when / 1e9)
        for at in self.held():
            if self.when[at] > when:
                assert at >= start
            if at >= start:
                assert self.when[at] >= when - 101_000_000


JournalAgainstBytes.TestCase.settings = settings(
    max_examples=150 * SOAK, stateful_step_count=25, deadline=None
)
TestJournalAgainstBytes = JournalAgainstBytes.TestCase


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Journal]:
    def make(**arguments: object) -> Journal:
        folder = tmp_path / "journal"
        folder.mkdir(exist_ok=True)
        return Journal(folder, "epoch", **arguments)  # type: ignore[arg-type]

    return make


def test_files_are_private(make: Callable[..., Journal]) -> None:
    """Nobody else may read what a console said."""
    journal = make()
    journal.append(b"secret")
    journal.close()
    assert journal.folder is not None
    assert {path.stat().st_mode & 0o777 for path in journal.folder.iterdir()} == {0o600}


def test_a_full_disk_is_told_once_and_recording_goes_on(make: Callable[..., Journal]) -> None:
    """ENOSPC: what is on the disk stays readable, the rest is in memory, the owner hears once."""
    told: list[OSError] = []
    budget = itertools.count()

    def write(number: int, parts: Parts) -> int:
        if next(budget) >= 6:
            raise OSError(28, "No space left on device")
        return os.writev(number, parts)

    journal = make(write=write, on_trouble=told.append, segment_bytes=10, memory_bytes=0)
    for i in range(20):
        journal.append(b"%09d\n" % i)
        journal.write_pending()
    assert len(told) == 1
    assert journal.read(0, 10) == b"000000000\n"
    assert journal.read(190, 10) == b"000000019\n"
    assert journal.backlog == 0


def test_a_write_that_takes_a_part_is_gone_on_with(make: Callable[..., Journal]) -> None:
    """A disk that takes seven bytes at a time gets all of them, once, across the blocks."""

    def write(number: int, parts: Parts) -> int:
        return os.write(number, b"".join(parts)[:7])

    said = b"".join(b"%09d\n" % i for i in range(2000))
    with mock.patch.object(memory_module, "WHOLE_BYTES", 100):
        journal = make(write=write, segment_bytes=5000, memory_bytes=0)
        for start, end in itertools.pairwise([0, 10, 400, 403, 411, 9000, 9001, len(said)]):
            journal.append(said[start:end])
        journal.write_pending()
        assert journal.backlog == 0
        assert b"".join(map(journal.read, range(0, len(said), 10), [10] * 2000)) == said
        with mock.patch.object(held_module, "TAIL_BYTES", 10):
            assert [journal.tail(lines) for lines in (1, 900, 2000)] == [19990, 11000, 0]
    journal.close()


def test_no_folder_keeps_memory_only_and_bounds_it() -> None:
    """Without a disk the newest bytes are kept, and what went is a gap."""
    journal = Journal(None, "epoch", memory_bytes=1000, alone_bytes=100_000)
    for _ in range(100):
        journal.append(b"x" * 10_000)
    assert journal.end_offset == 1_000_000
    assert 800_000 <= journal.held(0) == journal.first_offset <= 900_000


def test_retention_by_size_drops_whole_segments(make: Callable[..., Journal]) -> None:
    """The journal stays within its size, and the newest bytes stay."""
    journal = make(segment_bytes=1000, max_bytes=10_000, memory_bytes=0)
    for i in range(3000):
        journal.append(b"%09d\n" % i)
        if i % 20 == 0:
            journal.write_pending()
    journal.close()
    assert journal.disk_bytes <= 11_000  # one segment's index may stand out
    first = journal.first_offset
    assert first > 0
    assert journal.read(first, 10) == b"%09d\n" % (first // 10)
    assert journal.held(0) == first


def test_a_long_text_without_newline_is_cut(make: Callable[..., Journal]) -> None:
    """Ten lines of a text without any are its last mebibyte."""
    journal = make()
    for _ in range(40):
        journal.append(b"x" * 100_000)
        journal.write_pending()
    assert journal.end_offset - journal.tail(10) == 1024 * 1024
    journal.close()


def test_a_segment_that_vanished_is_a_gap(make: Callable[..., Journal]) -> None:
    """Somebody deleted a file: a reader is told, and reads on behind it."""
    journal = make(segment_bytes=10, memory_bytes=0)
    for _ in range(5):
        journal.append(b"0123456789")
        journal.write_pending()
    assert journal.folder is not None
    (journal.folder / f"{10:020d}.log").unlink()
    assert journal.read(10, 5) == b""
    assert journal.held(10) == 20
    assert journal.read(20, 5) == b"01234"
    journal.close()


def test_reading_nothing_takes_nothing_away(make: Callable[..., Journal]) -> None:
    """Asked for no byte, the journal gives none, and has the others as before."""
    journal = make(memory_bytes=0)
    journal.append(b"0123456789")
    journal.close()
    for again in (journal, make()):
        assert again.read(0, 0) == b""
        assert again.read(0, 100) == b"0123456789"
        assert not again.near(0)  # nor does it hold in memory what is on the disk
        again.close()


def test_an_index_torn_or_lost_costs_nothing(make: Callable[..., Journal]) -> None:
    """Half a record at the end, or no index at all: lines are found by reading."""
    journal = make(segment_bytes=200)
    for i in range(100):
        journal.append(b"%09d\n" % i)
        journal.write_pending()
    journal.close()
    assert journal.folder is not None
    for path in sorted(journal.folder.glob("*.idx"))[1:3]:
        path.write_bytes(path.read_bytes()[:-7])
    for path in sorted(journal.folder.glob("*.idx"))[3:]:
        path.unlink()
    with mock.patch.object(held_module, "TAIL_BYTES", 10):
        again = make(segment_bytes=200)
        for lines in range(1, 100):
            assert again.tail(lines) == 1000 - 10 * lines
