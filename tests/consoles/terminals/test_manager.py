import asyncio
import itertools
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_server_terminals.terminalmanager import TerminalManager

from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.consoles.tail.view import View
from jupyter_bridge.consoles.terminals.manager import RecordedTerminals, attach, recorded
from jupyter_bridge.interfaces import Exit
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.problems import BadRequest, Conflict, Gone, NotFound, StartFailed
from jupyter_bridge.wire.console import GapFrame, OutputFrame
from tests.consoles.conftest import SH, everything, house, says
from tests.support.waiting import PATIENCE, settle, until


class Client:
    """A client of a host terminal, as TermSocket is one."""

    size = (None, None)

    def __init__(self, fails: bool = False) -> None:
        self.text = ""
        self.died = False
        self.fails = fails

    def on_pty_read(self, text: str) -> None:
        if self.fails:
            raise RuntimeError("a broken viewer")
        self.text += text

    def on_pty_died(self) -> None:
        self.died = True


async def shell(consoles: Any, script: str, **options: Any) -> Any:
    return await consoles.create(
        TerminalOptions(shell_command=["/bin/sh", "-c", script], **options)
    )


async def test_a_terminal_is_recorded_from_its_first_byte(tmp_path: Path) -> None:
    """Whoever opens a terminal through the host's manager finds its very first byte here."""
    async with house(tmp_path) as consoles:
        manager = consoles._manager()
        model = manager.create(shell_command=["/bin/sh", "-c", "printf FIRST; cat"])
        console = consoles.get(model["name"])
        assert (await says(console, b"FIRST")).startswith(b"FIRST")


async def test_bytes_that_are_no_text_are_kept_exactly(tmp_path: Path) -> None:
    """Output that is not UTF-8 is in the journal as it came; the host's clients see U+FFFD."""
    async with house(tmp_path) as consoles:
        console = await shell(
            consoles, "stty -opost; read x; printf 'a\\377\\000\\303\\251\\200z'; read x"
        )
        client = Client()
        console.source.terminal.clients.append(client)
        start = console.end_offset
        await console.write(b"\n")
        assert b"a\xff\x00\xc3\xa9\x80z" in await says(console, b"z", start)
        await until(lambda: "z" in client.text)
        assert "a\ufffd\x00é\ufffdz" in client.text


async def test_a_failing_viewer_costs_nobody_else_a_chunk(tmp_path: Path) -> None:
    """A host client that raises is logged; the others, and the record, get everything."""
    async with house(tmp_path) as consoles:
        console = await shell(consoles, "read x; echo hello; read x")
        broken, good = Client(fails=True), Client()
        console.source.terminal.clients[:0] = [broken]
        console.source.terminal.clients.append(good)
        await console.write(b"\n")
        await until(lambda: "hello" in good.text)
        await says(console, b"hello")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 7", Exit(7)),
        ("true", Exit(0)),
        ("kill -9 $$", Exit(137, "SIGKILL")),
        ("kill -15 $$", Exit(143, "SIGTERM")),
    ],
)
async def test_the_exit_status_is_kept(tmp_path: Path, script: str, expected: Exit) -> None:
    """How the shell ended is known, as `$?` would have it."""
    async with house(tmp_path) as consoles:
        console = await shell(consoles, script)
        await asyncio.wait_for(console.ended(), 30)
        assert (console.state, console.exit) == ("ended", expected)
        await until(lambda: console.name not in consoles._manager().terminals)


async def test_an_ended_terminal_holds_no_output_for_the_host(tmp_path: Path) -> None:
    """The console is kept for days; the host's own copy, up to 4 MB of it, is not."""
    async with house(tmp_path) as consoles:
        console = await shell(consoles, "seq 100000")
        terminal = console.source.terminal
        await asyncio.wait_for(console.ended(), 30)
        assert console.end_offset > 500_000
        assert not terminal.read_buffer


async def test_clients_of_the_host_hear_that_a_terminal_died(tmp_path: Path) -> None:
    """The host's own terminal page is told, as without the bridge."""
    async with house(tmp_path) as consoles:
        console = await shell(consoles, "read x")
        client = Client()
        console.source.terminal.clients.append(client)
        await console.write(b"\n")
        await until(lambda: client.died)


async def test_a_stalled_terminal_holds_up_no_other(tmp_path: Path) -> None:
    """A megabyte pasted where nobody reads: another terminal still echoes, the host's input too."""
    async with house(tmp_path) as consoles:
        stalled = await shell(consoles, "stty raw -echo; echo ready; sleep 1000")
        other = await shell(consoles, "cat")
        await says(stalled, b"ready")
        paste = asyncio.ensure_future(stalled.write(b"x" * 1_000_000))
        await other.write(b"hello\n")
        await says(other, b"hello\r\nhello")

        class Page:  # what TermSocket is to the executor
            terminal = other.source.terminal

        typed = consoles._manager().blocking_io_executor.submit(
            lambda page, text: page.terminal.ptyproc.write(text), Page(), "again\n"
        )
        await asyncio.wrap_future(typed)
        await says(other, b"again\r\nagain")
        assert not paste.done()
        # And once more as the host's own page pastes: that must not hold up the end.
        Page.terminal = stalled.source.terminal
        consoles._manager().blocking_io_executor.submit(
            lambda page, text: page.terminal.ptyproc.write(text), Page(), "x" * 1_000_000
        )
        await asyncio.wait_for(consoles.end(stalled.name), 30)
        with pytest.raises(Gone):
            await asyncio.wait_for(paste, 30)
        await until(lambda: stalled.source._input == -1)


async def test_input_that_ends_the_terminal_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The terminal ends of what was typed before the typing thread says that it is done."""
    ended = threading.Event()
    write = TerminalSource._write

    def slowly(source: TerminalSource, data: bytes, left: Any) -> None:
        write(source, data, left)
        ended.wait(30)

    monkeypatch.setattr(TerminalSource, "_write", slowly)
    async with house(tmp_path) as consoles:
        console = await shell(consoles, "read x; exit 3")
        loop = asyncio.get_running_loop()
        source: Any = console.source
        source._gone.add_done_callback(lambda gone: loop.call_later(0.05, ended.set))
        await asyncio.wait_for(console.write(b"\n"), 30)
        await asyncio.wait_for(console.ended(), 30)
        assert console.exit == Exit(3)


async def test_input_keeps_its_order(tmp_path: Path) -> None:
    """What is typed in pieces arrives in the order in which it was typed."""
    async with house(tmp_path) as consoles:
        console = await shell(consoles, "stty raw -echo; echo ready; head -c 8000 | md5sum; read x")
        await says(console, b"ready")
        import hashlib

        pieces = [b"%04d" % i for i in range(2000)]
        await asyncio.gather(*(console.write(piece) for piece in pieces))
        await says(console, hashlib.md5(b"".join(pieces)).hexdigest().encode())


async def test_ending_takes_no_time_from_the_loop(tmp_path: Path) -> None:
    """While a terminal ends, the loop goes round; the host's own way stops it for 0.1 s."""
    async with house(tmp_path) as consoles:

        async def longest_pause() -> float:
            console = await shell(consoles, "read x")
            ending = asyncio.gather(console.write(b"\n"), console.ended())
            turns = [time.perf_counter()]
            while not ending.done():
                await asyncio.sleep(0)
                turns.append(time.perf_counter())
            await ending
            return max(b - a for a, b in itertools.pairwise(turns))

        # The best of some: a loaded machine pauses now and then, the host's way would each time.
        assert min([await longest_pause() for _ in range(5)]) < 0.09


async def test_the_smallest_writer_sizes_the_terminal(tmp_path: Path) -> None:
    """The bridge's writers count among the host's clients, its watchers do not."""
    from jupyter_bridge.consoles.console import Viewer

    async with house(tmp_path) as consoles:
        console = await shell(consoles, "cat")
        process = console.source.terminal.ptyproc
        writer = Viewer("a", "join", lambda: None)
        watcher = Viewer("b", "watch", lambda: None)
        console.enter(writer)
        console.enter(watcher)
        console.resize(writer, 40, 120)
        console.resize(watcher, 5, 20)
        assert process.getwinsize() == (40, 120)
        host = Client()
        host.size = (30, 200)  # type: ignore[assignment]
        console.source.terminal.clients.append(host)
        console.resize(writer, 41, 121)
        assert process.getwinsize() == (30, 121)
        console.resize(writer, 1, 1)
        assert process.getwinsize() == (2, 10)
        console.leave(writer)
        console.resize(writer, 50, 50)


async def test_a_reused_name_begins_anew_and_keeps_the_old(tmp_path: Path) -> None:
    """A second terminal `1` has an epoch of its own; the first one's record has its own name."""
    async with house(tmp_path) as consoles:
        manager = consoles._manager()
        first = consoles.get(manager.create(shell_command=["/bin/sh", "-c", "echo one"])["name"])
        await asyncio.wait_for(first.ended(), 30)
        await until(lambda: not manager.terminals)
        model = manager.create(shell_command=["/bin/sh", "-c", "echo two; cat"])
        second = consoles.get(model["name"])
        assert second is not first
        assert second.epoch != first.epoch
        await says(second, b"two")
        assert consoles.get(f"{model['name']}~{first.epoch}") is first
        assert everything(first) == b"one\r\n"


async def test_the_host_does_not_lose_a_namesake(tmp_path: Path) -> None:
    """When a terminal ends whose name was given again, the host still has the second one."""
    async with house(tmp_path) as consoles:
        manager = consoles._manager()
        manager.create(name="n", shell_command=["/bin/sh", "-c", "read x"])
        first = consoles.get("n")
        manager.create(name="n", shell_command=["/bin/sh", "-c", "cat"])
        await first.write(b"\n")
        await asyncio.wait_for(first.ended(), 30)
        await until(lambda: not manager._reaping)
        source = consoles.get("n").source
        assert isinstance(source, TerminalSource)
        assert manager.terminals["n"] is source.terminal


async def test_create_refuses_what_cannot_start(tmp_path: Path) -> None:
    """Names, folders, variables and shells that cannot be are Problems, and nothing is left."""
    async with house(tmp_path) as consoles:
        await consoles.create(TerminalOptions("mine", shell_command=["/bin/cat"]))
        with pytest.raises(Conflict):
            await consoles.create(TerminalOptions("mine"))
        wrongs: list[dict[str, Any]]
        wrongs = [
            {"name": "a b"},
            {"name": "new"},
            {"name": "é"},
            {"cwd": "/nowhere"},
            {"cwd": "~nobody-here"},
        ]
        wrongs += [{"cwd": "a\0b"}, {"env": {"A=": "1"}}, {"env": {"A": "\0"}}]
        for wrong in wrongs:
            with pytest.raises(BadRequest):
                await consoles.create(TerminalOptions(**wrong))
        for words in ([], ["a\0"]):
            with pytest.raises(BadRequest):
                await consoles.create(TerminalOptions(shell_command=words))
        with pytest.raises(StartFailed):
            await consoles.create(TerminalOptions(shell_command=["/no/such/shell"]))
        with pytest.raises(NotFound):
            consoles.get("2")
        assert list(consoles._manager().terminals) == ["mine"]


async def test_create_takes_folder_environment_and_size(tmp_path: Path) -> None:
    """A new terminal stands where it was told to, with the variables and the size it was given."""
    async with house(tmp_path) as consoles:
        (tmp_path / "root" / "sub").mkdir()
        console = await shell(
            consoles,
            "read x; pwd; echo [$GIVEN]; stty size; read x",
            cwd="sub",
            env={"GIVEN": "ü", "HOME": None},
            rows=33,
            cols=99,
        )
        await console.write(b"\n")
        said = await says(console, b"33 99")
        assert str(tmp_path / "root" / "sub").encode() in said
        assert "[ü]".encode() in said


async def test_the_foreground_can_be_signalled(tmp_path: Path) -> None:
    """The source knows the shell's pid and the process group in front."""
    async with house(tmp_path) as consoles:
        console = await consoles.create(TerminalOptions(shell_command=SH))
        source = console.source
        assert isinstance(source, TerminalSource)
        await says(console, b"$ ")
        start = console.end_offset
        await console.write(b"sleep 1000; echo status $?\n")
        await until(lambda: source.foreground not in (None, os.getpgid(source.pid)))
        os.killpg(source.foreground or 0, signal.SIGTERM)
        await says(console, b"status 143", start)
        await consoles.end(console.name)
        assert source.foreground is None


async def test_a_shell_that_starts_too_late_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is cancelled while a shell starts leaves no process behind."""
    started: list[int] = []
    go_on = threading.Event()

    async with house(tmp_path) as consoles:
        manager = consoles._manager()
        start = manager.new_terminal

        def slowly(**options: Any) -> Any:
            terminal = start(**options)
            started.append(terminal.ptyproc.pid)
            assert go_on.wait(PATIENCE)
            return terminal

        monkeypatch.setattr(manager, "new_terminal", slowly)
        spawning = asyncio.ensure_future(consoles.create(TerminalOptions(shell_command=SH)))
        await until(lambda: bool(started))
        spawning.cancel()
        await settle()
        go_on.set()
        await asyncio.wait({spawning})
        assert spawning.cancelled()
        assert not psutil.pid_exists(started[0])


async def test_the_site_s_own_manager_is_subclassed(tmp_path: Path) -> None:
    """A manager class that the site has chosen keeps its methods and its configuration."""

    class SiteManager(TerminalManager):
        seen: list[str] = []

        def pre_pty_read_hook(self, ptywclients: Any) -> None:
            super().pre_pty_read_hook(ptywclients)
            self.seen.append(ptywclients.term_name)

    async with house(tmp_path, base=SiteManager) as consoles:
        manager = consoles._manager()
        assert isinstance(manager, SiteManager)
        assert isinstance(manager, RecordedTerminals)
        assert type(manager).__name__ == "SiteManager"
        console = await shell(consoles, "echo hello")
        await says(console, b"hello")
        assert console.name in SiteManager.seen


async def test_a_manager_that_reads_its_own_way_is_attached_late(tmp_path: Path) -> None:
    """Terminals that are there already are recorded as one more of their clients."""

    class OwnReading(TerminalManager):
        def pty_read(self, fd: int, events: Any = None) -> None:
            super().pty_read(fd, events)

    assert recorded(OwnReading, lambda name, source: None, lambda argv, env: None) is None
    async with house(tmp_path) as consoles:
        manager: Any = OwnReading(shell_command=SH)
        manager.create(name="old", shell_command=["/bin/sh", "-c", "echo before; cat"])
        await until(lambda: "before" in "".join(manager.terminals["old"].read_buffer))
        attach(manager, consoles.record)
        attach(manager, consoles.record)
        old = consoles.get("old")
        await says(old, b"before")
        await old.write(b"after\n")
        await says(old, b"after")
        manager.create(name="young", shell_command=["/bin/sh", "-c", "echo FIRST; exit 3"])
        young = consoles.get("young")
        await asyncio.wait_for(young.ended(), 30)
        assert everything(young) == b"FIRST\r\n"
        assert young.exit == Exit(3)
        await manager.terminate("old", force=True)
        await asyncio.wait_for(old.ended(), 30)
        await until(lambda: not manager.terminals)
        manager.blocking_io_executor.shutdown()


async def test_a_terminal_attached_in_its_middle_begins_with_a_gap(tmp_path: Path) -> None:
    """What the host no longer holds is told as missing, and what it holds is there."""
    async with house(tmp_path) as consoles:
        manager: Any = TerminalManager(shell_command=SH)
        script = "for i in $(seq 1500); do echo $i; sleep 0.0005; done; echo END; exec cat"
        manager.create(name="long", shell_command=["/bin/sh", "-c", script])
        held = manager.terminals["long"].read_buffer
        await until(lambda: "END" in "".join(held))
        for number in range(held.maxlen):  # as many chunks as it takes, however it was read
            held.append(f"chunk {number}\n")
        text = "".join(held).encode()
        attach(manager, consoles.record)
        console = consoles.get("long")
        await says(console, b"chunk 999\n", 1)
        steps = [step async for step in View(console, 0, follow=False).steps()]
        assert steps[0] == GapFrame(0, 1)
        assert b"".join(step.data for step in steps[1:] if isinstance(step, OutputFrame)) == text
        await manager.terminate("long", force=True)
        await asyncio.wait_for(console.ended(), 30)
        await until(lambda: not manager.terminals)
        manager.blocking_io_executor.shutdown()


async def test_the_host_replays_as_before(tmp_path: Path) -> None:
    """The host's own replay is the same text in chunks no larger than before."""
    async with house(tmp_path) as consoles:
        console = await shell(consoles, "seq 20000; cat")
        await says(console, b"\n20000\r\n")
        chunks = list(console.source.terminal.read_buffer)
        assert max(map(len, chunks)) <= 4096
        assert "".join(chunks).encode() == everything(console)[-len("".join(chunks)) :]


# What has the pty open although its shell is ended, and whether it ends with the console.
HOLDERS = {
    "a job of a script": ("echo 'sleep {}' > x; . ./x", True),
    "a job that ignores SIGHUP": ("(trap '' HUP; exec sleep {})", False),
    "a job in the background": ("sleep {} & disown", False),
    "a session of its own": ("setsid sleep {} &", False),
}


@pytest.mark.parametrize("holder", HOLDERS)
async def test_whoever_has_the_pty_open_does_not_keep_the_console(
    tmp_path: Path, holder: str
) -> None:
    """A console ends with its shell; what its shell waits for is hung up on, as by a terminal."""
    command, ends = HOLDERS[holder]
    seconds = str(random.randrange(10**6, 10**7))

    def jobs() -> list[psutil.Process]:
        return [
            one
            for one in psutil.process_iter(["cmdline"])
            if one.info["cmdline"] == ["sleep", seconds]
        ]

    async with house(tmp_path) as consoles:
        options = TerminalOptions(shell_command=["/bin/bash", "--norc"], cwd=str(tmp_path))
        console = await consoles.create(options)
        await console.write(command.format(seconds).encode() + b"\n")
        await until(jobs, "the job")
        await consoles.end(console.name)
        assert console.state == "ended"
        if ends:
            await until(lambda: not jobs(), "the end of the job")
        for job in jobs():
            job.kill()
