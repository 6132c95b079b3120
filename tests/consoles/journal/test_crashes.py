"""The archive's files as a crash leaves them, before any one change of the disk."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.consoles.journal import archive as archive_module
from jupyter_bridge.consoles.journal import segments as segments_module
from jupyter_bridge.consoles.journal.archive import Archive, ConsoleRecord
from jupyter_bridge.consoles.journal.journal import Journal

SIZES: dict[str, Any] = {"max_bytes": 4000, "total_bytes": 9000, "max_age": 3600.0}


class Disk:
    """Copies the archive's folder before each change, with what had been said until then."""

    def __init__(self, root: Path, copies: Path) -> None:
        self.root, self.copies = root, copies
        self.said: dict[str, bytes] = {}
        self.durable: dict[str, int] = {}
        self.taken: list[tuple[Path, dict[str, bytes], dict[str, int]]] = []

    def before(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def changing(*given: Any, **named: Any) -> Any:
            self.copy()
            return change(*given, **named)

        return changing

    def copy(self) -> None:
        if self.root.exists():
            copy = self.copies / str(len(self.taken))
            shutil.copytree(self.root, copy)
            self.taken.append((copy, dict(self.said), dict(self.durable)))


def use(disk: Disk, seed: int) -> None:
    """Three consoles that talk, end, are aged and forgotten; the thread's work is done here."""
    chance = random.Random(seed)
    archive = Archive(disk.root, **SIZES)
    archive._stopped.set()  # no thread: the order is this function's
    open_: dict[str, tuple[ConsoleRecord, Journal]] = {}
    for number in range(60):
        name = f"console {number % 4}"
        if name not in open_:
            about = {"name": name, "epoch": f"e{number}", "started": f"2026-01-01T00:00:{number}Z"}
            open_[name] = archive.create(about)
            disk.said[name] = b""
        record, journal = open_[name]
        data = b"%d says %d\n" % (number, chance.randrange(10**9)) * chance.randint(1, 60)
        journal.append(data)
        disk.said[name] += data
        archive._write()
        disk.durable = {name: len(said) for name, said in disk.said.items()}
        if chance.random() < 0.1:
            record.about["ended"] = "2026-01-02T00:00:00Z"
            archive.end(record, journal)
            archive._write()
            disk.said.pop(name)
            disk.durable.pop(name)
            del open_[name]
        elif chance.random() < 0.05:
            disk.said.pop(name)
            disk.durable.pop(name)
            archive.forget(record, journal)
            archive._write()
            del open_[name]
        if chance.random() < 0.2:
            archive.sweep()
    archive.stop()


@pytest.mark.parametrize("seed", [1, 2])
def test_before_any_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Whatever the next change was to be: what was written is read, and nothing else."""
    disk = Disk(tmp_path / "consoles", tmp_path)
    monkeypatch.setattr(segments_module, "_create", disk.before(segments_module._create))
    monkeypatch.setattr(archive_module, "_locked", disk.before(archive_module._locked))
    defaults = Journal.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "write", disk.before(os.writev))
    for change in ("unlink", "replace", "mkdir"):
        monkeypatch.setattr(Path, change, disk.before(getattr(Path, change)))
    use(disk, seed)
    monkeypatch.undo()
    assert len(disk.taken) > 150
    for copy, said, durable in disk.taken:
        check(copy, said, durable)


def check(copy: Path, said: dict[str, bytes], durable: dict[str, int]) -> None:
    archive = Archive(copy, **SIZES)
    found = archive.load()
    for record, journal in found:
        name = record.about["name"]
        if "ended" in record.about or name not in said:
            continue  # another epoch of that name
        first, end = journal.first_offset, journal.end_offset
        assert end >= durable.get(name, 0) or first == end
        assert read(journal) == said[name][first:end]
        # And the next server goes on behind it.
        journal.append(b"and more\n")
        assert journal.write_pending()
        assert journal.read(end, 100) == b"and more\n"
        assert journal.read(journal.tail(1), 100) == b"and more\n"
    archive.sweep()
    archive.stop()
    shutil.rmtree(copy)


def read(journal: Journal) -> bytes:
    said, at = b"", journal.first_offset
    while data := journal.read(at, 1000):
        said, at = said + data, at + len(data)
    return said
