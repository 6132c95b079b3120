"""A command whose stdin is a pipe: any bytes, any size, sent as they come, up to their end."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

from jupyter_bridge.consoles.run import run as run_module
from jupyter_bridge.problems import BadRequest, Conflict, Gone
from tests.support.shells import SHELLS, Desk, d
from tests.support.waiting import until

__all__ = ["d"]

PIPE: dict[str, Any] = {"input": "pipe", "queue": True}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("output", ["tty", "split"])
async def test_every_shell(d: Desk, shell: str, output: str) -> None:
    """Input comes through byte by byte and is not echoed; its end ends `cat`."""
    await d.open(shell)
    run = await d.start("cat; sh -c 'exit 3'", shell, output=output, **PIPE)
    await run.send_stdin(b"one\n")
    await until(lambda: run.spool.size == 4)
    await run.send_stdin(b"\x03\x04\n\r\n", end=True)
    answer = await d.ended(run)
    assert (answer.output or answer.stdout, answer.exit_code) == ("one\n\x03\x04\n\r\n", 3)
    assert (await d.run("echo on", shell)).output == "on\n"


@pytest.mark.parametrize("shell", SHELLS)
async def test_no_input_at_all(d: Desk, shell: str) -> None:
    """An end without input is an empty stdin, also for a command that does not read."""
    await d.open(shell)
    for command in ("cat", "true"):
        run = await d.start(command, shell, **PIPE)
        await run.send_stdin(b"", end=True)
        assert (await d.ended(run)).exit_code == 0
    run = await d.start("true", shell, **PIPE)  # nobody sends anything
    assert (await d.ended(run)).exit_code == 0


async def test_any_size(d: Desk) -> None:
    """Input of any size is sent in pieces, exactly."""
    await d.open("bash")
    data = bytes(range(256)) * 40_000
    run = await d.start("sha256sum", **PIPE)
    for start in range(0, len(data), 1 << 20):
        await run.send_stdin(data[start : start + (1 << 20)])
    await run.send_stdin(b"", end=True)
    answer = await d.ended(run)
    assert str(answer.output).startswith(hashlib.sha256(data).hexdigest())


async def test_offsets(d: Desk) -> None:
    """A piece that is sent again is taken once; a missing piece is refused."""
    await d.open("bash")
    run = await d.start("cat", **PIPE)
    assert await run.send_stdin(b"abc", 0) == 3
    assert await run.send_stdin(b"abcdef", 0) == 6
    with pytest.raises(Conflict, match="from offset 6 on"):
        await run.send_stdin(b"x", 7)
    assert await run.send_stdin(b"ef", 4, end=True) == 6
    assert await run.send_stdin(b"ef", 4, end=True) == 6
    answer = await d.ended(run)
    assert answer.output == "abcdef"
    with pytest.raises(Gone):
        await run.send_stdin(b"late", 6)


async def test_a_command_that_does_not_read(d: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request with an offset answers soon, with what was taken; the rest can be sent later."""
    monkeypatch.setattr(run_module, "INPUT_SECONDS", 0.2)
    await d.open("bash")
    gate = d.home / "gate"
    run = await d.start(f"until [ -e {gate} ]; do sleep 0.02; done; wc -c", **PIPE)
    data = b"x" * 3_000_000
    taken = await run.send_stdin(data, 0)
    assert taken < len(data)
    gate.touch()
    while taken < len(data):
        taken = await run.send_stdin(data[taken:], taken)
    await run.send_stdin(b"", taken, end=True)
    assert (await d.ended(run)).output == "3000000\n"


async def test_a_waiting_sender_ends_with_the_run(d: Desk) -> None:
    """Input that no one reads is refused when the command has ended or was stopped."""
    await d.open("bash")
    run = await d.start("sleep 100", **PIPE)
    sending = asyncio.ensure_future(run.send_stdin(b"x" * 3_000_000))
    await until(lambda: run.begun.is_set() and run._driver.stdin_taken)
    run.cancel()
    with pytest.raises(Gone):
        await sending
    assert (await d.ended(run)).exit_code == 130


async def test_refused(d: Desk) -> None:
    """`stdin` is not given beside a pipe, and a terminal has no offsets."""
    await d.open("bash")
    with pytest.raises(BadRequest):
        await d.start("cat", stdin="x", **PIPE)
    run = await d.start("read", queue=True)
    with pytest.raises(Conflict):
        await run.send_stdin(b"", 0, end=True)
    await run.send_input(b"\n")
    await d.ended(run)
