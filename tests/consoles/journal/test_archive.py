import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_bridge.consoles.journal.archive import Archive
from jupyter_bridge.consoles.sources.remote import RemoteSource
from jupyter_bridge.consoles.tail.view import View
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.problems import NotFound
from jupyter_bridge.wire.console import Ended, GapFrame, OutputFrame
from jupyter_bridge.wire.names import ConsoleName
from tests.consoles.conftest import everything, house, says
from tests.support.waiting import until


class Talk(RemoteSource):
    """A source that says what a test tells it to, and remembers nothing."""

    title = "a test"
    recalled = False

    def __init__(self) -> None:
        self.paused = 0
        self.typed = b""

    async def open(self, on_output: Any, on_gap: Any, on_end: Any) -> None:
        self.say, self.lose, self.finish = on_output, on_gap, on_end
        if self.recalled:
            on_gap(1)

    def recall(self, tail: bytes) -> bool:
        self.recalled = True
        return True

    async def write(self, data: bytes) -> None:
        self.typed += data

    def pause(self) -> None:
        self.paused += 1

    def resume(self) -> None:
        self.paused -= 1

    async def close(self) -> None:
        pass


class Remotes:
    """Connections whose every node talks."""

    def offers(self, connection: str | None = None) -> dict[str, dict[str, Any]]:
        return {}

    async def source(self, name: ConsoleName) -> RemoteSource:
        return Talk()


remotes = Remotes()


async def test_a_console_outlives_its_server(tmp_path: Path) -> None:
    """After a restart what it said, when, and how it ended are still there, under its epoch."""
    async with house(tmp_path) as consoles:
        console = await consoles.create(
            TerminalOptions("mine", shell_command=["/bin/sh", "-c", "echo hello; exit 4"])
        )
        await asyncio.wait_for(console.ended(), 30)
        before = console.model()
    async with house(tmp_path) as consoles:
        again = consoles.get("mine")
        assert everything(again) == b"hello\r\n"
        after = again.model()
        for key in ("name", "kind", "state", "title", "epoch", "started", "exit_code"):
            assert getattr(after, key) == getattr(before, key), key
        assert again.exit == Exit(4)
        await consoles.create(TerminalOptions("mine", shell_command=["/bin/cat"]))
        assert everything(consoles.get(f"mine~{after.epoch}")) == b"hello\r\n"
        await consoles.end(f"mine~{after.epoch}", purge=True)
        with pytest.raises(NotFound):
            consoles.get(f"mine~{after.epoch}")
        await until(lambda: not list((tmp_path / "consoles").glob(f"*{after.epoch}")))


async def test_a_live_console_ends_with_its_server(tmp_path: Path) -> None:
    """A terminal that was live when the server stopped is ended afterwards; nobody knows how."""
    async with house(tmp_path) as consoles:
        console = await consoles.create(
            TerminalOptions("mine", shell_command=["/bin/sh", "-c", "echo hi; cat"])
        )
        await says(console, b"hi")
        await consoles.close()
    async with house(tmp_path) as consoles:
        again = consoles.get("mine")
        assert (again.state, again.exit) == ("ended", Exit())
        assert everything(again) == b"hi\r\n"


async def test_a_console_that_is_opened_again_goes_on(tmp_path: Path) -> None:
    """A remote console's journal continues in its epoch, with a gap for what nobody heard."""
    async with house(tmp_path, remotes=remotes) as consoles:
        console = await consoles.open("hpc:node1")
        source: Any = console.source
        source.say(b"before")
        source.lose(10)
        source.say(b"after")
        await console.write(b"typed")
        assert source.typed == b"typed"
        epoch = console.epoch
    async with house(tmp_path, remotes=remotes) as consoles:
        assert consoles.get("hpc:node1").state == "ended"
        again = await consoles.open("hpc:node1")
        assert again.epoch == epoch
        source = again.source
        source.say(b"again")
        source.finish(Exit(0))
        steps = [step async for step in View(again, 0, follow=True).steps()]
        assert steps == [
            OutputFrame(0, b"before"),
            GapFrame(6, 16),
            OutputFrame(16, b"after"),
            GapFrame(21, 22),
            OutputFrame(22, b"again"),
            Ended(27, {"code": 0, "signal": None}),
        ]


async def test_a_slow_disk_pauses_the_producer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far behind, the source is asked to pause, and to go on when the disk has caught up."""
    monkeypatch.setattr("jupyter_bridge.consoles.journal.journal.CONGESTED_BYTES", 1000)
    async with house(tmp_path, remotes=remotes) as consoles:
        console = await consoles.open("hpc:node1")
        source: Any = console.source
        source.say(b"x" * 2000)
        assert source.paused == 1
        await until(lambda: source.paused == 0)
        assert everything(console) == b"x" * 2000


async def test_much_is_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A little waits for more to come; a burst does not, so that its producer need not pause."""
    monkeypatch.setattr("jupyter_bridge.consoles.journal.archive.WRITE_SECONDS", 3600.0)
    monkeypatch.setattr("jupyter_bridge.consoles.journal.archive.HURRY_BYTES", 1000)
    archive = Archive(tmp_path / "c")
    _, journal = archive.create({"name": "1", "epoch": "e", "started": "2026"})
    try:
        journal.append(b"x" * 900)
        archive.poke(journal.backlog)
        journal.append(b"x" * 900)
        archive.poke(journal.backlog)
        await until(lambda: journal.backlog == 0)
    finally:
        archive.stop()


async def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """Recording goes on in memory, and the operator hears of it one time."""
    (tmp_path / "consoles").write_text("this is no folder")
    told: list[OSError] = []
    async with house(tmp_path, remotes=remotes, archive={"on_trouble": told.append}) as consoles:
        for node in ("a", "b", "c"):
            console = await consoles.open(f"hpc:{node}")
            source: Any = console.source
            source.say(b"hello")
            await until(lambda: told)
            assert everything(console) == b"hello"
    assert len(told) == 1


async def test_memory_only_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    """record_terminals=False: everything works, nothing is written."""
    async with house(tmp_path, keep=False) as consoles:
        console = await consoles.create(
            TerminalOptions(shell_command=["/bin/sh", "-c", "echo secret; cat"])
        )
        await says(console, b"secret")
    assert not (tmp_path / "consoles").exists()


async def test_folders_and_files_are_private(tmp_path: Path) -> None:
    """0700 and 0600, whatever the umask; a name that is no file name is quoted."""
    before = os.umask(0)
    try:
        async with house(tmp_path, remotes=remotes) as consoles:
            for node in ("../../etc", "x" * 1000, "~", ".", "a/b"):
                console = await consoles.open(f"hpc:{node}")
                source: Any = console.source
                source.say(b"secret")
    finally:
        os.umask(before)
    folders = list((tmp_path / "consoles").iterdir())
    assert len(folders) == 5
    for folder in [tmp_path / "consoles", *folders]:
        assert folder.stat().st_mode & 0o777 == 0o700
    for file in (file for folder in folders for file in folder.iterdir()):
        assert file.stat().st_mode & 0o777 == 0o600


async def test_another_server_s_live_console_is_left_alone(tmp_path: Path) -> None:
    """Two servers of one user share the folder; neither takes the other's consoles for its own."""
    one, two = Archive(tmp_path / "c"), Archive(tmp_path / "c")
    _, journal = one.create({"name": "1", "epoch": "aa", "kind": "terminal", "started": "2026"})
    journal.append(b"hello")
    one.poke()
    await until(lambda: list((tmp_path / "c").glob("*/*.log")) and journal.backlog == 0)
    assert two.load() == []
    one.stop()
    assert [record.about["name"] for record, _ in two.load()] == ["1"]
    two.stop()


async def test_retention_takes_the_oldest_of_all(tmp_path: Path) -> None:
    """Beyond the total the oldest segments of any console go; beyond the age, too."""
    archive = Archive(tmp_path / "c", max_bytes=40_000, total_bytes=60_000)
    journals = []
    for name in ("old", "young"):
        record, journal = archive.create({"name": name, "epoch": name, "started": name})
        for _ in range(40):
            journal.append(b"x" * 1000)
            journal.write_pending()
        record.about["ended"] = "now"
        journal.close()
        record.save()
        journals.append((record, journal))
    archive.sweep()
    (old, first), (young, second) = journals
    assert first.first_offset > second.first_offset
    assert sum(journal.disk_bytes for _, journal in journals) <= 60_000
    archive.stop()
    aged = Archive(tmp_path / "c", max_age=-60)  # what was written just now is too old
    assert len(aged.load()) == 2
    aged.sweep()
    assert not list((tmp_path / "c").iterdir())
    assert old.folder != young.folder


async def test_kill_9_in_the_middle_of_output_loses_a_second_at_most(tmp_path: Path) -> None:
    """A process killed while it records leaves a journal that opens, exact to its end."""
    script = """
import sys, time
from pathlib import Path
from jupyter_bridge.consoles.journal.archive import Archive
archive = Archive(Path(sys.argv[1]))
_, journal = archive.create({"name": "1", "epoch": "e", "kind": "t", "started": "2026"})
i = 0
while True:
    for _ in range(200):
        journal.append(b"%09d\\n" % i); i += 1
    archive.poke()
    print(i, flush=True)
    time.sleep(0.002)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "c")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        said, stamps = 0, []
        start = time.monotonic()
        for line in process.stdout:
            said = int(line)
            stamps.append((time.monotonic(), said))
            if time.monotonic() - start > 1.5:
                break
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
    archive = Archive(tmp_path / "c")
    ((record, journal),) = archive.load()
    assert record.about["name"] == "1"
    count = journal.end_offset // 10
    # A loaded machine may not have let the writer run for a while; 1 s is the promise, 10 the test.
    assert count >= max((said for when, said in stamps if when < stamps[-1][0] - 1.0), default=0)
    data = journal.read(0, 1 << 30)
    at = len(data)
    while at < journal.end_offset:
        more = journal.read(at, 1 << 30)
        assert more
        data += more
        at = len(data)
    assert data == b"".join(b"%09d\n" % i for i in range(count)) + data[count * 10 :]
    archive.stop()


def test_the_log_of_trouble_has_no_content(caplog: pytest.LogCaptureFixture) -> None:
    """What consoles say never reaches the server's log."""
    with caplog.at_level(logging.DEBUG):
        archive = Archive(Path("/proc/nowhere"))
        _, journal = archive.create({"name": "1", "epoch": "e", "started": "2026"})
        journal.append(b"secret")
        archive.poke()
        archive.stop()
    assert "secret" not in caplog.text
