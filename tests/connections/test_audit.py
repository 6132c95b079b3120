"""connections/audit.py: who did what, in a file where nothing is changed unseen."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections.audit import Audit, Broken, verify

LOG = logging.getLogger("test.audit")


def write(path: Path, *actions: str, **options: Any) -> None:
    async def work() -> None:
        audit = Audit(path, LOG, **options)
        await asyncio.gather(*(audit.write(user="jane", action=action) for action in actions))

    asyncio.run(work())


def test_lines_are_chained_across_servers(tmp_path: Path) -> None:
    """Another process goes on where the last one ended; the file is the user's alone."""
    path = tmp_path / "state" / "audit.jsonl"
    write(path, "add", "login")
    write(path, "logout")
    assert verify(path) == 3
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["action"] for line in lines] == ["add", "login", "logout"]
    assert all(line["user"] == "jane" and line["time"].endswith("Z") for line in lines)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("how", ["changed", "removed", "inserted", "swapped"])
def test_a_change_is_found(tmp_path: Path, how: str) -> None:
    """Whatever is done to a line within, the file no longer follows from itself."""
    path = tmp_path / "audit.jsonl"
    write(path, *"abcde")
    lines = path.read_bytes().splitlines(keepends=True)
    if how == "changed":
        lines[2] = lines[2].replace(b"jane", b"joan")
    elif how == "removed":
        del lines[2]
    elif how == "inserted":
        lines.insert(2, lines[2])
    else:
        lines[2:4] = lines[3], lines[2]
    path.write_bytes(b"".join(lines))
    with pytest.raises(Broken):
        verify(path)


def test_the_file_is_bounded(tmp_path: Path) -> None:
    """A full one is put aside, and the next goes on from its last line."""
    path = tmp_path / "audit.jsonl"
    write(path, *"abcdefgh", max_bytes=800)
    older = tmp_path / "audit.jsonl.1"
    assert path.stat().st_size <= 800
    assert verify(path) + verify(older) <= 8
    both = tmp_path / "both"
    both.write_bytes(older.read_bytes() + path.read_bytes())
    assert verify(both) == verify(path) + verify(older)


def test_a_full_disk_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be written is told to the log."""
    (tmp_path / "audit.jsonl").mkdir()
    write(tmp_path / "audit.jsonl", "a")
    assert "cannot be written" in caplog.text
