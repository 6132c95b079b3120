"""On a plain server, too, a run is entered only at a prompt that is known."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Server
from tests.consoles.run.line.test_command import Desk, desk, plain_with
from tests.support.prompt_cases import BUSY, TYPED, busy_case, is_shown_anew, vi_mode
from tests.support.shells import ALL_SHELLS, LINE_SHELLS, needs
from tests.support.waiting import until

# The longest that a refusal may take, seconds.
REFUSED_WITHIN = 5.0


@pytest.fixture(scope="module")
def bashed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A plain server; its login shell is bash."""
    server, home = plain_with("bash", tmp_path_factory.mktemp("bashed"))
    yield server, home
    server.stop()


@asynccontextmanager
async def opened(
    near: Server, bashed: tuple[Server, Path], shell: str, folder: Path
) -> AsyncIterator[Desk]:
    """A console of that server with this shell, in this folder."""
    async with desk(near, *bashed) as d:
        words = [needs(shell), *(["sh"] if shell == "busybox" else []), "-i"]
        made = await d.here.post("bridge/consoles?conn=lab", json={"shell_command": words})
        d.console = made["name"]
        await d.run(f"cd {folder}")
        yield d


async def end_of(d: Desk) -> int:
    for model in await d.here.get("bridge/consoles?conn=lab"):
        if model["name"] == d.console:
            return int(model["end_offset"])
    raise AssertionError(f"{d.console} is not listed")


async def typed(d: Desk, keys: bytes, shows: bytes = b"") -> None:
    """Type, and wait until the terminal has answered."""
    end = await end_of(d)
    await d.type(keys)
    if shows:
        await d.here.tail(d.console, shows.decode())
    await until(lambda: moved(d, end))


async def moved(d: Desk, end: int) -> bool:
    return await end_of(d) > end


@pytest.mark.parametrize("what", TYPED)
@pytest.mark.parametrize("shell", ALL_SHELLS)
async def test_typed_text_is_not_run(
    near: Server, bashed: tuple[Server, Path], shell: str, what: str, tmp_path: Path
) -> None:
    """Whatever the line editor is doing, the command runs, and the typed text does not."""
    mode, keys = TYPED[what]
    async with opened(near, bashed, shell, tmp_path) as d:
        if mode == "vi":
            await d.run(vi_mode(shell))
        await d.run("sh -c 'exit 7'")
        await d.type(keys)
        if is_shown_anew(shell, keys):
            body = {"console": d.console, "command": "echo mine"}
            assert (await d.here.ask("POST", "bridge/run", json=body))[0] in (200, 409)
            await d.type(b"\x03")
            await d.run("sh -c 'exit 7'")
        answer = await d.run("echo mine $status" if shell == "fish" else "echo mine $?")
        assert (answer["output"], answer["exit_code"]) == ("mine 7\n", 0)
        assert (await d.run("echo again; sh -c 'exit 3'"))["output"] == "again\n"
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", BUSY)
@pytest.mark.parametrize("shell", ALL_SHELLS)
async def test_no_prompt_is_refused(
    near: Server, bashed: tuple[Server, Path], shell: str, what: str, tmp_path: Path
) -> None:
    """Nothing is typed where the shell is not at its prompt, and the reason is told at once."""
    keys, shows = busy_case(what, shell)
    async with opened(near, bashed, shell, tmp_path) as d:
        await typed(d, keys, shows)
        # The others do not say that a command begins.
        if shell not in LINE_SHELLS and what not in ("an open quote", "a here-document"):
            await until(d.is_busy)
        if shell == "fish" and what == "an open quote":  # it is one line for its editor
            assert (await d.run("echo mine"))["output"] == "mine\n"
            return
        started = time.monotonic()
        status, code, message = await d.refused("echo RAN > RAN")
        assert time.monotonic() - started < REFUSED_WITHIN
        assert (status, code) == (409, "busy")
        assert "Nothing was typed" in message
        end = await end_of(d)
        assert not (tmp_path / "RAN").exists()
        assert end == await end_of(d)
        notes = tmp_path / "NOTES"
        assert not notes.exists() or "RAN" not in notes.read_text()


@pytest.mark.parametrize("shell", ALL_SHELLS)
async def test_a_frozen_terminal(
    near: Server, bashed: tuple[Server, Path], shell: str, tmp_path: Path
) -> None:
    """After Ctrl-S a run is refused, or has the terminal go on; what was typed is never run."""
    async with opened(near, bashed, shell, tmp_path) as d:
        await d.type(b"\x13touch VICTIM")
        status, answer = await d.here.ask(
            "POST", "bridge/run", json={"console": d.console, "command": "echo RAN > RAN"}
        )
        refused = status == 409
        assert refused or (status, answer["status"]) == (200, "done")
        assert (tmp_path / "RAN").exists() != refused
        await d.type(b"\x11")
        assert (await d.run("echo on"))["output"] == "on\n"
        assert [path.name for path in tmp_path.iterdir()] == ([] if refused else ["RAN"])


@pytest.mark.parametrize("shell", ["bash", "zsh"])
async def test_an_editor_that_tells_nothing(
    near: Server, bashed: tuple[Server, Path], shell: str, tmp_path: Path
) -> None:
    """Where bracketed paste is switched off, a prompt is complete after a moment."""
    off = {"bash": "bind 'set enable-bracketed-paste off'", "zsh": "unset zle_bracketed_paste"}
    async with opened(near, bashed, shell, tmp_path) as d:
        await d.run(off[shell])
        for _ in range(2):
            await d.type(b"touch VICTIM")
            assert (await d.run("echo on"))["output"] == "on\n"
        assert not list(tmp_path.iterdir())


async def test_a_profile_that_asks_is_not_answered(
    near: Server, bashed: tuple[Server, Path]
) -> None:
    """A `read` in a start file gets nothing: a run waits, or is refused with the reason."""
    server, home = bashed
    (home / ".bash_profile").write_text("read -e -p 'who? ' WHO\n")
    try:
        async with desk(near, server, home) as d:
            body = {"console": "lab:", "command": "echo RAN", "start_timeout": 2}
            status, problem = await d.here.ask("POST", "bridge/run", json=body)
            assert (status, problem["error"]) == (504, "timeout")
            assert "'who?'" in problem["message"]
            d.console = (await d.here.post("bridge/consoles?conn=lab", json={}))["name"]
            await d.here.tail(d.console, "who\\? ")
            assert "not shown a prompt" in (await d.refused("echo RAN"))[2]
            await d.type(b"me\r")
            assert (await d.run("echo $WHO"))["output"] == "me\n"
    finally:
        (home / ".bash_profile").unlink()


async def test_shells_of_others_are_refused(near: Server, bashed: tuple[Server, Path]) -> None:
    """A terminal that was opened there by somebody else gets nothing, and the answer says why."""
    server, home = bashed
    async with desk(near, server, home) as d, aiohttp.ClientSession() as session:
        url = f"{server.url}api/terminals"
        async with session.post(url, headers=server.headers) as made:
            d.console = f"lab:{(await made.json())['name']}"
        for command in ("echo RAN", "echo RAN again"):
            status, code, message = await d.refused(command, queue=True)
            assert (status, code) == (409, "busy")
            assert "not started as a shell" in message
            assert "<connection>:new" in message
        assert "RAN" not in await d.here.get(f"bridge/tail/{d.console}?lines=1000")


async def test_a_console_that_is_left_and_opened_again(
    near: Server, bashed: tuple[Server, Path]
) -> None:
    """Its shell is still known after a logout and a new login."""
    async with desk(near, *bashed) as d:
        await d.run("N=5")
        for action in ("logout", "login"):
            status, _ = await d.here.ask("PUT", "bridge/conn/lab", json={"action": action})
            assert status == 200
        assert (await d.run("echo $N"))["output"] == "5\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "dash"])
async def test_commands_are_found_in_its_history(
    near: Server, bashed: tuple[Server, Path], shell: str, tmp_path: Path
) -> None:
    """Commands of runs and those typed by hand have their text and status."""
    async with opened(near, bashed, shell, tmp_path) as d:
        await d.run("cd /usr; sh -c 'exit 4'")
        if shell == "dash":  # it tells no text: what is typed must come after the prompt
            await d.here.tail(d.console, "\\$ $")
        await d.type(b"echo by''hand; sh -c 'exit 3'\r")
        await d.here.tail(d.console, "byhand\r\n")
        await d.run("echo 'last one'")
        found = await d.here.get(f"bridge/consoles/{d.console}/commands")
        told = [(one["command"], one["exit_code"]) for one in found["commands"]]
        assert told[-3:] == [
            ("cd /usr; sh -c 'exit 4'", 4),
            ("echo by''hand; sh -c 'exit 3'", 3),
            ("echo 'last one'", 0),
        ]
