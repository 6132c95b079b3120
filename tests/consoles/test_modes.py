"""The terminal's modes at any offset, as a viewer that comes late needs them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.consoles.journal import journal as journal_module
from jupyter_bridge.consoles.journal.archive import Archive
from jupyter_bridge.consoles.journal.held_output import MODES_BYTES
from jupyter_bridge.consoles.journal.journal import Journal
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.wire import console as wire
from tests.conftest import Server
from tests.consoles.conftest import house, says
from tests.support.console_client import bridge_of, frame, frames
from tests.support.waiting import until

TEXT = b"x" * 1023 + b"\n"
SET, RESET = b"\x1b[?1049h\x1b[?1000h", b"\x1b[?1000l\x1b[?1049l"


def filled(journal: Journal, mebibytes: int) -> None:
    for _ in range(mebibytes * 16):
        journal.append(TEXT * 64)
        journal.write_pending()


@pytest.mark.parametrize("keep", ["disk", "memory"])
def test_modes_outlive_the_output_that_set_them(tmp_path: Path, keep: str) -> None:
    """Retention deletes it; the modes are known at every offset that is still held."""
    folder = tmp_path / "journal" if keep == "disk" else None
    if folder is not None:
        folder.mkdir()
    sizes: dict[str, Any] = {
        "segment_bytes": 1 << 20,
        "max_bytes": 4 << 20,
        "memory_bytes": 1 << 18,
    }
    journal = Journal(folder, "epoch", alone_bytes=4 << 20, **sizes)
    journal.append(b"before" + SET)
    assert journal.modes_at(3) == b""
    assert journal.modes_at(journal.end_offset) == SET
    filled(journal, 8)
    assert journal.first_offset > MODES_BYTES
    for offset in (journal.first_offset, journal.first_offset + (1 << 20), journal.end_offset):
        assert journal.modes_at(offset) == SET
    at = journal.end_offset
    journal.append(RESET)
    filled(journal, 1)
    assert (journal.modes_at(at), journal.modes_at(journal.end_offset)) == (SET, b"")
    journal.close()
    if folder is not None:
        again = Journal(folder, "epoch", **sizes)
        assert again.modes_at(again.first_offset) == SET
        assert again.modes_at(again.end_offset) == b""
        again.close()


def test_modes_outlive_segments_that_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gap begins a segment, and the oldest ones are deleted; the modes stay."""
    monkeypatch.setattr(journal_module, "MAX_SEGMENTS", 3)
    journal = Journal(tmp_path, "epoch")
    journal.append(SET)
    for _ in range(6):
        journal.write_pending()
        journal.skip(1)
        journal.append(b"x")
    journal.close()
    again = Journal(tmp_path, "epoch")
    assert again.first_offset > len(SET)
    assert again.modes_at(again.first_offset) == SET
    again.close()


def test_modes_of_a_file_that_became_shorter(tmp_path: Path) -> None:
    """What cannot be read any more sets no modes, and is not tried byte by byte."""
    journal = Journal(tmp_path, "epoch", memory_bytes=0)
    journal.append(SET + TEXT * 1024)
    journal.write_pending()
    with next(tmp_path.glob("*.log")).open("r+b") as file:
        file.truncate(len(SET))
    reads: list[int] = []
    monitored, journal.read = journal.read, lambda *at: reads.append(at[0]) or monitored(*at)  # type: ignore
    assert journal.modes_at(journal.end_offset) == SET
    assert len(reads) < 5
    journal.close()


def test_modes_outlive_a_sweep(tmp_path: Path) -> None:
    """The oldest output goes by age or by the total; the modes stay."""
    archive = Archive(tmp_path, total_bytes=3 << 20)
    record, journal = archive.create({"name": "1", "epoch": "e", "started": ""})
    journal.append(SET)
    filled(journal, 10)
    archive.sweep()
    assert journal.first_offset > 0
    assert journal.modes_at(journal.first_offset) == SET
    archive.stop()
    assert record.folder.exists()


PROGRAMS = {
    "vim": ["vim", "-u", "NONE", "-N", "-n", "file"],
    "vim.tiny": ["vim.tiny", "-u", "NONE", "-N", "-n", "file"],
    "less": ["less", "file"],
    "htop": ["htop"],
    "top": ["top"],
}


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_late_viewer_gets_the_modes_of_a_program(tmp_path: Path, program: str) -> None:
    """What real programs set is known while they run, and gone after they have left."""
    words = PROGRAMS[program]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{program} is not installed")
    async with house(tmp_path) as consoles:
        (tmp_path / "root" / "file").write_text("line\n" * 200)
        env = {"TERM": "xterm-256color"}
        console = await consoles.create(
            TerminalOptions(cwd=".", env=env, shell_command=["sh", "-i"], rows=24, cols=80)
        )
        await console.write(" ".join(words).encode() + b"; echo le''ft\n")

        async def modes() -> bytes:
            return await console.modes(console.end_offset)

        async def is_set() -> bool:
            return b"h" in await modes()

        await until(is_set)
        if program != "top":
            assert (await modes()).startswith(b"\x1b[?1049h")
        await console.write(b"\x1b:q!\r" if program.startswith("vim") else b"q")
        await says(console, b"left\r\n")
        assert b"1049" not in await modes()
        assert b"?1h" not in await modes()


async def test_the_modes_come_before_the_output(bridge_server: Server) -> None:
    """One frame before the first output, in frames alone; none where no modes are set."""
    async with bridge_of(bridge_server) as bridge:
        name = await bridge.open(
            r"printf 'one\n\033[?1049h\033[?2004htwo\n\033[?2004lthree\n'; exec cat"
        )
        await bridge.text(f"tail/{name}?until=three&timeout=60")
        async with bridge.socket(f"tail/{name}?lines=1") as socket:
            found = [kind for kind in await frames(socket) if not isinstance(kind, wire.Viewers)]
        assert [type(step) for step in found] == [wire.Start, wire.ModesFrame, wire.OutputFrame]
        assert isinstance(found[1], wire.ModesFrame)
        assert isinstance(found[2], wire.OutputFrame)
        assert found[1] == wire.ModesFrame(found[2].offset, b"\x1b[?1049h\x1b[?2004h")
        assert found[2].data == b"\x1b[?2004lthree\r\n"
        async with bridge.socket(f"tail/{name}?offset=0") as socket:
            assert wire.ModesFrame not in [type(step) for step in await frames(socket)]
        async with bridge.socket(f"interact/{name}?lines=0") as socket:
            modes = await frame(socket, wire.ModesFrame)
            assert modes.data == b"\x1b[?1049h"
        assert await bridge.text(f"tail/{name}?lines=1") == "\x1b[?2004lthree\r\n"
