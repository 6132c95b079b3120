"""A recording has the sizes that its terminal had, also after its end and a restart."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.consoles.console import Console, Viewer
from jupyter_bridge.consoles.journal.screen_record import (
    FILE_NAME,
    MAX_SIZES,
    ModesAt,
    ScreenRecord,
    Size,
)
from jupyter_bridge.consoles.tail.asciicast import recording
from jupyter_bridge.models.consoles import TerminalOptions
from tests.conftest import Server
from tests.consoles.conftest import house, says
from tests.support.console_client import bridge_of
from tests.support.waiting import PATIENCE, until


async def recorded(console: Console, start: int = 0, version: int = 2) -> list[Any]:
    parts = [part async for part in recording(console, start, None, version)]
    return [json.loads(line) for line in "".join(parts).splitlines()]


async def test_sizes_are_recorded_as_they_change(tmp_path: Path) -> None:
    """The header has the size at the start of the part; each later one is an event, in its place,
    also if the host's own client resizes. An ended console keeps them for the next server."""
    script = "stty -echo; echo ready; while read x; do echo $x is $(stty size); done"
    async with house(tmp_path) as consoles:
        console = await consoles.create(
            TerminalOptions(name="sizes", shell_command=["sh", "-c", script], rows=24, cols=90)
        )
        await says(console, b"ready")
        await console.write(b"first\n")
        await says(console, b"first is 24 90")
        viewer = Viewer("a", "join", lambda: None)
        console.enter(viewer)
        for rows, cols in ((30, 100), (31, 100), (32, 100)):  # a window that is dragged
            console.resize(viewer, rows, cols)
        await console.write(b"second\n")
        await says(console, b"second is 32 100")
        console.source.terminal.ptyproc.setwinsize(10, 40)  # type: ignore[union-attr]
        await console.write(b"third\n")
        await says(console, b"third is 10 40")

        def check(events: list[Any], version: int) -> None:
            shown = [event[2] for event in events[1:] if event[1] in "or"]
            assert [text for text in shown if "x" in text] == ["100x32", "40x10"]
            assert "".join(shown) == (
                "ready\r\nfirst is 24 90\r\n100x32second is 32 100\r\n40x10third is 10 40\r\n"
            )
            if version == 3:
                assert events[0]["term"] == {"cols": 90, "rows": 24}
            else:
                assert (events[0]["width"], events[0]["height"]) == (90, 24)

        for version in (2, 3):
            check(await recorded(console, version=version), version)
        header, *events = await recorded(console, 3)
        assert (header["width"], header["height"], events[0][2][:2]) == (90, 24, "dy")
        second = console.read(0, 100).index(b"second") + 1
        header, *events = await recorded(console, second)
        assert (header["width"], header["height"]) == (100, 32)
        await console.write(b"\x04")
        await until(lambda: console.state == "ended")
        assert (await recorded(console, version=3))[-1][1:] == ["x", "0"]
    async with house(tmp_path) as consoles:
        console = consoles.get("sizes")
        for version in (2, 3):
            events = await recorded(console, version=version)
            check(events, version)
            assert (events[-1][1] == "x") == (version == 3)


async def test_a_part_begins_with_its_modes(tmp_path: Path) -> None:
    """A recording from the middle of a full-screen program plays on its screen."""
    async with house(tmp_path) as consoles:
        words = ["printf", r"\033[?1049hone\ntwo\n"]
        console = await consoles.create(TerminalOptions(shell_command=words))
        await until(lambda: console.state == "ended")
        start = console.read(0, 100).index(b"two")
        events = await recorded(console, start)
        assert [event[2] for event in events[1:]] == ["\x1b[?1049h", "two\r\n"]


def test_the_record_of_a_screen_is_small_and_survives(tmp_path: Path) -> None:
    """Sizes without output between them are one; the oldest go; a cut line is skipped."""
    record = ScreenRecord(tmp_path)
    for number in range(MAX_SIZES + 5):
        record.note_size(Size(number // 2, number, 24, number + 1))
        record.note_size(Size(number // 2, number, 24, number + 1))
    kept = record.sizes(0, MAX_SIZES)
    assert len(kept) == (MAX_SIZES + 5 + 1) // 2
    assert kept[-1].cols == MAX_SIZES + 5
    record.note_modes(ModesAt(5, b"\x1b[?1h", is_kept=True))
    record.note_modes(ModesAt(9, b"\x1b[?1049h"))
    states = [record.has_unwritten]
    record.write(tmp_path)
    assert [*states, record.has_unwritten] == [True, False]
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"offset": 99, "si')
    again = ScreenRecord(tmp_path)
    assert again.sizes(0, MAX_SIZES) == kept
    assert again.modes_before(7) == ModesAt(5, b"\x1b[?1h", is_kept=True)
    assert again.modes_before(10).offset == 5  # the other one was in memory only
    again.drop(100)
    assert again.sizes(0, MAX_SIZES)[0].offset == 100
    assert again.modes_before(200).offset == 5
    again.note_size(Size(MAX_SIZES, 1, 1, 1))
    again.write(tmp_path)
    assert ScreenRecord(tmp_path).sizes(0, MAX_SIZES + 1)[-1] == Size(MAX_SIZES, 1, 1, 1)
    for bad in (b"", b"[]\n", b'{"offset": 1}\n', b'{"offset": "x", "size": [1]}\n', b"\xff\n"):
        (tmp_path / FILE_NAME).write_bytes(bad)
        assert ScreenRecord(tmp_path).sizes(0, 1) == []


@pytest.mark.skipif(shutil.which("asciinema") is None, reason="asciinema is not installed")
async def test_asciinema_plays_sizes_and_marks(bridge_server: Server, tmp_path: Path) -> None:
    """Events that are no output do not stop the player."""
    async with bridge_of(bridge_server) as bridge:
        script = r"printf '\033]133;C\007one\n'; stty rows 30; read x; echo two"
        name = await bridge.open(f"stty -echo; {script}")
        await bridge.text(f"tail/{name}?until=one&timeout=60")
        async with bridge.socket(f"interact/{name}?lines=0") as socket:
            await socket.send_bytes(b"r\x00\x1e\x00\x64")
            await socket.send_bytes(b"ix\n")
            await bridge.ended(name)
        text = await bridge.text(f"recording/{name}")
        codes = [json.loads(line)[1] for line in text.splitlines()[1:]]
        assert {"o", "m", "r"} <= set(codes)
        (tmp_path / "x.cast").write_text(text)
    player = await asyncio.create_subprocess_exec(
        *("script", "-qec", f"asciinema play -s 100 {tmp_path}/x.cast", "/dev/null"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    said, _ = await asyncio.wait_for(player.communicate(), PATIENCE)
    assert player.returncode == 0
    assert b"one\r\n" in said
    assert b"two\r\n" in said
