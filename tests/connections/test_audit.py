"""connections/audit.py: who did what, in a file where nothing is changed unseen."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.connections import audit as audit_module
from jupyter_bridge.connections.audit import Audit, ChainBroken, verify
from jupyter_bridge.private_files import alone
from tests.support.waiting import until

LOG = logging.getLogger("test.audit")
# Another server of the same user: writes so many lines, in a process of its own.
WRITER = """
import asyncio, logging, sys
from pathlib import Path
from jupyter_bridge.connections.audit import Audit

async def main(path, name, count, most):
    audit = Audit(Path(path), logging.getLogger(), max_bytes=int(most))
    for number in range(int(count)):
        await audit.write(user=name, action=str(number))

asyncio.run(main(*sys.argv[1:]))
"""


async def write(path: Path, *actions: str, **options: Any) -> None:
    audit = Audit(path, LOG, **options)
    await asyncio.gather(*(audit.write(user="jane", action=action) for action in actions))


def lines_of(*paths: Path) -> list[dict[str, str]]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


async def test_lines_are_chained_across_servers(tmp_path: Path) -> None:
    """Another process goes on where the last one ended; the file is the user's alone."""
    path = tmp_path / "state" / "audit.jsonl"
    await write(path, "add", "login")
    await write(path, "logout")
    assert verify(path) == 3
    lines = lines_of(path)
    assert [line["action"] for line in lines] == ["add", "login", "logout"]
    assert all(line["user"] == "jane" and line["time"].endswith("Z") for line in lines)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("most", [1 << 20, 30_000], ids=["one file", "across the rotation"])
def test_two_servers_at_once_keep_one_chain(tmp_path: Path, most: int) -> None:
    """Servers of one user that write at the same time lose no line and break no chain."""
    path = tmp_path / "audit.jsonl"
    count = 150
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, str(count), str(most)])
        for name in ("ada", "bob")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert verify(path) == 2 * count
    older = tmp_path / "audit.jsonl.1"
    assert older.exists() == (most < 1 << 20)
    lines = lines_of(*([older] if older.exists() else []), path)
    for name in ("ada", "bob"):
        assert [int(one["action"]) for one in lines if one["user"] == name] == list(range(count))


async def test_servers_that_take_turns(tmp_path: Path) -> None:
    """Each line follows from the last one on the disk, whoever wrote that."""
    path = tmp_path / "audit.jsonl"

    servers = [Audit(path, LOG, max_bytes=1000) for _ in range(3)]
    for number in range(12):
        await servers[number % 3].write(user=str(number % 3), action=str(number))
    assert verify(path) == len(lines_of(tmp_path / "audit.jsonl.1", path))


@pytest.mark.parametrize("how", ["changed", "removed", "inserted", "swapped", "beheaded"])
async def test_a_change_is_found(tmp_path: Path, how: str) -> None:
    """Whatever is done to a line within, the file no longer follows from itself."""
    path = tmp_path / "audit.jsonl"
    await write(path, *"abcde")
    lines = path.read_bytes().splitlines(keepends=True)
    if how == "changed":
        lines[2] = lines[2].replace(b"jane", b"joan")
    elif how == "removed":
        del lines[2]
    elif how == "inserted":
        lines.insert(2, lines[2])
    elif how == "beheaded":
        del lines[0]
    else:
        lines[2:4] = lines[3], lines[2]
    path.write_bytes(b"".join(lines))
    with pytest.raises(ChainBroken):
        verify(path)


async def test_the_file_is_bounded(tmp_path: Path) -> None:
    """A full one is put aside, and the next goes on from its last line."""
    path, older = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    await write(path, *"abcdefgh", max_bytes=800)
    assert path.stat().st_size <= 800
    assert verify(path) == len(lines_of(older, path)) <= 8
    older.write_bytes(b"".join(older.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(ChainBroken) as broken:
        verify(path)
    assert (broken.value.path, broken.value.line) == (path, 1), "the seam is checked, too"


async def test_a_rotation_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    """A server that ends between the rename and the next line leaves a chain that goes on."""
    path = tmp_path / "audit.jsonl"
    await write(path, *"ab")
    path.rename(tmp_path / "audit.jsonl.1")
    await write(path, "c")
    assert verify(path) == 3


@pytest.mark.parametrize("most", [1 << 20, 400], ids=["in one file", "as it gets full"])
@pytest.mark.parametrize("left", [1, 20, 60, 10_000])
async def test_a_crash_in_the_middle_of_a_line(tmp_path: Path, left: int, most: int) -> None:
    """The half line stays readable, as a line of its own, and the chain holds."""
    path = tmp_path / "audit.jsonl"
    await write(path, *"ab")
    half = (b'{"time":"2026' + b"x" * left)[:left]
    with path.open("ab") as file:
        file.write(half)
    await write(path, "c", max_bytes=most)
    await write(path, "d")
    assert verify(path) == 5
    older = tmp_path / "audit.jsonl.1"
    lines = lines_of(*([older] if older.exists() else []), path)
    assert [line.get("action") for line in lines] == ["a", "b", None, "c", "d"]
    assert lines[2]["torn"] == half.decode()[: audit_module.TORN_BYTES]


async def test_a_full_disk_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be written is told to the log."""
    (tmp_path / "audit.jsonl").mkdir()
    await write(tmp_path / "audit.jsonl", "a")
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("taken", [0, 1, 50], ids=lambda taken: f"after {taken} bytes")
async def test_a_disk_that_fills_up(
    tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No half line stays; the first line with room again says how many are missing."""
    path = tmp_path / "audit.jsonl"
    real = os.pwrite

    def full(file: int, data: bytes, offset: int) -> int:
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data[:taken], offset)

    audit = Audit(path, LOG)
    await audit.write(action="a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        await audit.write(action="b")
        await audit.write(action="c")
    assert path.read_bytes().endswith(b"\n")
    await audit.write(action="d")
    await audit.write(action="e")
    assert verify(path) == 3
    assert [(one["action"], one.get("missed")) for one in lines_of(path)] == [
        *(("a", None), ("d", "2"), ("e", None))
    ]
    assert "No space left on device" in caplog.text


async def test_a_server_that_holds_the_lock_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop goes on meanwhile, the request waits no longer than it may, and the log tells."""
    monkeypatch.setattr(audit_module, "LOCK_SECONDS", 1.0)
    monkeypatch.setattr(audit_module, "WAIT_SECONDS", 0.1)
    path = tmp_path / "audit.jsonl"
    audit = Audit(path, LOG)
    with alone(path):
        writing = asyncio.ensure_future(audit.write(action="a"))
        turns = 0
        while not writing.done():
            turns += 1
            await asyncio.sleep(0)
        assert "cannot be written" not in caplog.text
        assert turns > 5
        await until(lambda: "cannot be written" in caplog.text)
    await audit.write(action="b")
    await audit.close()
    assert [(one["action"], one["missed"]) for one in lines_of(path)] == [("b", "1")]


def run_command(*arguments: object) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "jupyter_bridge.connections.audit", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


async def test_a_copy_is_verified_and_nothing_is_made(tmp_path: Path) -> None:
    """Whoever verifies a copy needs no right to write, and makes neither a lock nor a folder."""
    path, copies = tmp_path / "own" / "audit.jsonl", tmp_path / "copies"
    await write(path, *"abc")
    copies.mkdir()
    shutil.copy(path, copies)
    assert run_command(copies / path.name)[:2] == (0, "3 lines, none was changed\n")
    assert list(copies.iterdir()) == [copies / path.name]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("nothing", "No such file"),
        ("a folder", "not a regular file"),
        ("a line without end", "line 1 does not match"),
        ("no name", "usage: "),
    ],
)
def test_the_command_says_what_it_cannot_read(tmp_path: Path, what: str, told: str) -> None:
    """One sentence and status 1, in memory of one line; no traceback, and nothing is made."""
    path = tmp_path / "missing" / "audit.jsonl"
    if what == "a folder":
        path.mkdir(parents=True)
    elif what == "a line without end":
        path.parent.mkdir()
        with path.open("wb") as file:
            file.truncate(8 << 30)
    status, _, error = run_command(*([] if what == "no name" else [path]))
    assert (status, error.count("\n")) == (1, 1)
    assert told in error
    assert path.parent.exists() == (what in ("a folder", "a line without end"))


async def test_the_command_verifies(tmp_path: Path) -> None:
    """`python -m … FILE` says how many lines there are, or fails and names the broken one."""
    path = tmp_path / "audit.jsonl"
    await write(path, *"abc")
    command = [sys.executable, "-m", "jupyter_bridge.connections.audit", str(path)]
    assert subprocess.run(command, capture_output=True, check=True).stdout.startswith(b"3 lines")
    path.write_bytes(path.read_bytes().replace(b"jane", b"joan", 1))
    broken = subprocess.run(command, capture_output=True)
    assert broken.returncode == 1
    assert b"line 2 does not match" in broken.stderr
