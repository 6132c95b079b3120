"""A run's output: its beginning and its end in answers, all of it for clients that follow."""

from __future__ import annotations

import random

import pytest

from jupyter_bridge.consoles.run import output, pace
from jupyter_bridge.consoles.run.output import CapturedOutput
from tests.support.shells import Desk, d
from tests.support.waiting import until

__all__ = ["d"]

WINDOW = 5 << 19


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small limits, so that a test needs little output; two pipes hold 2 MiB."""
    monkeypatch.setattr(output, "WINDOW_BYTES", WINDOW)
    monkeypatch.setattr(pace, "PAUSE_BYTES", 16 << 10)
    monkeypatch.setattr(pace, "RESUME_BYTES", 4 << 10)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("limit", [0, 1, 100, 5000, 40_000, 3_000_000])
def test_beginning_and_end_are_kept(limit: int) -> None:
    """Whatever is written, both ends of each stream are as written, and the rest is counted."""
    rng = random.Random(limit)
    spool = CapturedOutput(("stdout", "stderr"), limit)
    whole: dict[str, bytes] = {"stdout": b"", "stderr": b""}
    log: list[tuple[int, int]] = []
    for _ in range(4000):
        stream = rng.randrange(2)
        data = rng.randbytes(rng.choice((1, 10, 1000, 3000)))
        spool.write(data, stream)
        whole[spool.streams[stream]] += data
        log.append((stream, len(data)))
        offset = rng.randrange(spool.size)
        offset = spool.held(offset)
        name, read, _ = spool.read(offset, 500)
        assert read in whole[name]
        assert read or offset == spool.size
    assert spool.held_bytes <= limit + WINDOW
    for name in spool.streams:
        head, omitted, tail = spool.of(name)
        assert len(head) + omitted + len(tail) == len(whole[name])
        assert whole[name].startswith(head)
        assert whole[name].endswith(tail)
    shown = sum(len(part) for name in spool.streams for part in spool.of(name)[::2])
    assert min(limit, spool.size) - 12 <= shown <= limit or spool.size <= limit
    spool.close()


def test_characters_stay_whole() -> None:
    """A text is cut between characters, so that it still is one."""
    spool = CapturedOutput(("output",), 9)
    spool.write("ééé€€€".encode())
    head, omitted, tail = spool.of("output")
    assert (head.decode(), omitted, tail.decode()) == ("éé", 8, "€")
    spool.close()


@pytest.mark.parametrize("mode", ["tty", "split"])
async def test_long_answers(d: Desk, mode: str) -> None:
    """An answer in one piece has the beginning and the end, and tells what it leaves out."""
    await d.open("bash")
    # Of two pipes, one with 1 MiB in it may be read first: half the limit is more than that.
    answer = await d.run("seq 900000; echo err >&2; (exit 3)", max_output=4 << 20, output=mode)
    whole = "".join(f"{n}\n" for n in range(1, 900_001)) + ("err\n" if mode == "tty" else "")
    text, omitted = answer.output or answer.stdout, answer.omitted or answer.stdout_omitted
    assert text is not None
    assert omitted is not None
    assert text[: omitted.offset] == whole[: omitted.offset]
    assert text[omitted.offset :] == whole[omitted.offset + omitted.bytes :]
    assert len(text) + omitted.bytes == len(whole)
    assert (answer.truncated, answer.exit_code) == (True, 3)
    if mode == "split":
        assert (answer.stderr, answer.stderr_omitted) == ("err\n", None)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("mode", ["tty", "split"])
async def test_a_client_that_follows_gets_everything(d: Desk, mode: str) -> None:
    """The command waits for a slow client, which gets every byte although few are held."""
    await d.open("bash")
    run = await d.start("seq 600000; (exit 3)", output=mode, max_output=1000, queue=True)
    text, most = "", 0
    async for _, name, data in run.events():
        assert name in ("output", "done")
        if name == "output":
            if not text:  # this client is slow to take the first piece
                size = 0
                while size != run.spool.size:
                    size = run.spool.size
                    await until(lambda: run._pace._is_held)
            text += data["text"]
            most = max(most, run.spool.size - len(text))
        else:
            assert (data.exit_code, data.truncated) == (3, False)
    assert text == "".join(f"{n}\n" for n in range(1, 600_001))
    assert most < WINDOW
    assert (await d.run("echo on")).output == "on\n"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("mode", ["tty", "split"])
async def test_a_client_that_was_away_is_told(d: Desk, mode: str) -> None:
    """Nobody waits for a client that has gone; when it comes back it is told what it missed."""
    await d.open("bash")
    run = await d.start("seq 600000", output=mode, max_output=1000, queue=True)
    events = run.events()
    seen, _, _ = await anext(events)
    await events.aclose()
    answer = await d.ended(run)
    assert answer.exit_code == 0
    got = end = seen
    lost = 0
    async for at, name, data in run.events(after=seen):
        end = at
        if name == "gap":
            lost += data["to"] - data["from"]
        elif name == "output":
            got += len(data["text"])
    assert lost
    assert end == got + lost == sum(len(f"{n}\n") for n in range(1, 600_001))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("mode", ["tty", "split"])
async def test_a_command_that_waits_can_be_stopped(d: Desk, mode: str) -> None:
    """A command that waits for a client ends when it is told to, and the shell goes on."""
    await d.open("bash")
    run = await d.start("yes", output=mode, queue=True)
    events = run.events()
    await anext(events)
    await until(lambda: run._pace._is_held)
    run.cancel()
    answer = await d.ended(run)
    assert (answer.status, answer.exit_code) == ("cancelled", 130)
    await events.aclose()
    assert (await d.run("echo on")).output == "on\n"
