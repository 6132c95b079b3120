"""What a terminal's last words say about who has its foreground."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.line.prompt import LOOKS, QUIET, Prompt, shows_prompt
from jupyter_bridge.models.consoles import TerminalOptions
from jupyter_bridge.problems import Busy
from tests.consoles.conftest import house
from tests.support.shells import SHELLS, make_home, needs
from tests.support.waiting import stays, until

COLUMNS = 80
EDITOR = b"\x1b[?2004h"
PROMPTS = [
    b"$ ",
    b"root@vm:/tmp# ",
    b"\x1b[1;32mme\x1b[0m@host:~> ",
    b"me@host /usr> ",
    "\u276f ".encode(),
    b"vm% ",
    b"text\r\n\x1b[K(env) $ ",
    b"$  \b\x1b[K",
]
OTHERS = [
    b"",
    b"output\r\n",
    b">>> ",
    b"... ",
    b"> ",
    b"In [3]: ",
    b"(Pdb) ",
    b"sqlite> ",
    b"PS C:\\> ",
    b"Password: ",
    b"name? ",
    b"$ sleep 600\r\n",
    b"\x1b[?1049h\x1b[H# ",
]


@pytest.mark.parametrize("said", PROMPTS)
def test_prompts(said: bytes) -> None:
    """What ends as shells' prompts do is one, after whatever was said before."""
    assert shows_prompt(said, edits=False)
    assert shows_prompt(b"a\r\n" + EDITOR + said, edits=True)
    assert not shows_prompt(EDITOR + b"x\x1b[?2004l\r" + said, edits=True)


@pytest.mark.parametrize("said", OTHERS)
def test_no_prompts(said: bytes) -> None:
    """Interpreters, questions, full screens and running commands show none."""
    assert not shows_prompt(said, edits=False)


@pytest.mark.parametrize("name", SHELLS)
async def test_a_real_shell_is_found_at_its_prompt(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its prompt is found by the keys it takes, which are taken back; a program in it is busy."""
    monkeypatch.setenv("HOME", str(tmp_path))
    make_home(tmp_path)
    async with house(tmp_path) as consoles:
        env = {"TERM": "xterm", "PS1": "$ "}
        console = await consoles.create(TerminalOptions(shell_command=[needs(name), "-i"], env=env))
        prompt = Prompt(console)
        await prompt.wait(30)
        end = console.end_offset
        await prompt.wait(30)
        assert console.end_offset == end, "nothing is typed where nothing was said since"
        await console.write(b"echo up; sleep 600\r")
        await until(lambda: b"up\r\n" in console.newest(4096))
        with pytest.raises(Busy):
            await prompt.wait(0.5)
        end = console.end_offset
        with pytest.raises(Busy):
            await prompt.wait(0.5)
        assert console.end_offset == end, "nothing is typed into a program"
        waiting = asyncio.ensure_future(prompt.wait(None))
        assert await stays(waiting)
        await console.write(b"\x03")
        await asyncio.wait_for(waiting, 30)


@contextlib.asynccontextmanager
async def prompting(shell: str, prompt: str, home: Path) -> AsyncIterator[Console]:
    """A shell with this prompt, whatever the machine's own files would make of it."""
    prompts = f"function fish_prompt; printf '{prompt}'; end"
    alone = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["-C", prompts]}
    async with house(home) as consoles:
        yield await consoles.create(
            TerminalOptions(
                shell_command=[needs(shell), *alone.get(shell, []), "-i"],
                env={"TERM": "xterm", "PS1": prompt, "HOME": str(home)},
                cols=COLUMNS,
            )
        )


@pytest.mark.parametrize("shell", SHELLS)
async def test_a_line_that_somebody_has_typed(shell: str, tmp_path: Path) -> None:
    """The prompt is found behind it, also where a key more begins the screen's next line."""
    async with prompting(shell, "$ ", tmp_path) as console:
        prompt = Prompt(console)
        await prompt.wait(30)
        for typed in range(COLUMNS - 5, COLUMNS + 2):
            end = console.end_offset
            await console.write(b"y" * typed)
            await console.wait(end)
            await asyncio.wait_for(prompt.wait(None), 30)


@pytest.mark.parametrize("length", range(COLUMNS - 3, COLUMNS + 2))
@pytest.mark.parametrize("shell", SHELLS)
async def test_a_prompt_that_fills_the_line(shell: str, length: int, tmp_path: Path) -> None:
    """It is found, though every key begins the screen's next line."""
    async with prompting(shell, "x" * (length - 2) + "$ ", tmp_path) as console:
        await asyncio.wait_for(Prompt(console).wait(None), 30)


async def test_a_prompt_that_comes_while_it_is_looked(tmp_path: Path) -> None:
    """It is found, though nothing more is ever said."""
    async with house(tmp_path) as consoles:
        script = "stty -echo; echo up; read x; stty echo; exec sh -i"
        console = await consoles.create(
            TerminalOptions(shell_command=["sh", "-c", script], env={"PS1": "$ "})
        )
        await until(lambda: b"up" in console.newest(4096))
        loop, newest, looks = asyncio.get_running_loop(), console.newest, 0

        def look(max_bytes: int) -> bytes:
            nonlocal looks
            looks += 1
            said, end = newest(max_bytes), console.end_offset
            if looks == 1:
                asyncio.run_coroutine_threadsafe(console.write(b"\r"), loop).result(20)
                while console.end_offset == end or b"$ " not in newest(max_bytes):
                    time.sleep(0.01)
            return said

        console.newest = look  # type: ignore[method-assign]
        await asyncio.wait_for(Prompt(console).wait(None), 30)
        assert console.typed == 1 + 2, (
            "one look saw no prompt and typed nothing, the next one found it"
        )


@pytest.mark.parametrize("line", ["step $ ", "loading 50 "])
async def test_a_program_that_ends_while_it_is_looked(line: str, tmp_path: Path) -> None:
    """Its last words come with the prompt behind them, and nothing more is ever said."""
    async with house(tmp_path) as consoles:
        ends = "head -c1 >/dev/null; echo; stty echo icanon; exec sh -i"
        script = f"stty -echo -icanon; printf '{line}'; {ends}"
        console = await consoles.create(
            TerminalOptions(shell_command=["sh", "-c", script], env={"PS1": "$ "})
        )
        await until(lambda: line.encode() in console.newest(4096))
        await asyncio.wait_for(Prompt(console).wait(None), 30)


async def test_a_program_that_answers_every_key(tmp_path: Path) -> None:
    """It is busy, and not typed into for ever."""
    async with house(tmp_path) as consoles:
        answers = "while head -c1 >/dev/null; do printf '\\n$ '; done"
        script = f"stty -echo -icanon; printf '$ '; {answers}"
        console = await consoles.create(TerminalOptions(shell_command=["sh", "-c", script]))
        await until(lambda: b"$ " in console.newest(4096))
        waiting = asyncio.ensure_future(Prompt(console).wait(None))
        await until(lambda: console.typed >= LOOKS * 2)
        assert await stays(waiting, 3 * QUIET)
        assert console.typed == LOOKS * 2
        waiting.cancel()
