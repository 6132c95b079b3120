"""Shell commands through the client: answers, streams, resumption, and plain calls."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from jupyter_bridge.client import Bridge, BridgeClient
from jupyter_bridge.problems import BadRequest, Busy, Conflict, NotFound, Problem
from tests.conftest import Server


@pytest.fixture
def bash(bridge: Bridge) -> Iterator[str]:
    """A terminal with a bash, ended afterwards."""
    name = f"client_{uuid.uuid4().hex[:8]}"
    bridge.consoles.open(name, shell_command=["bash", "--norc", "-i"])
    yield name
    bridge.consoles.end(name, purge=True)


def test_run(bridge: Bridge, bash: str) -> None:
    """A command's output, status and folder come in one answer; the shell keeps its state."""
    result = bridge.run("cd /usr; echo hi; (exit 3)", console=bash, queue=True)
    assert (result.status, result.output, result.exit_code) == ("done", "hi\n", 3)
    assert not result.ok
    assert result.cwd == "/usr"
    assert bridge.runs.get(result.run) == result
    split = bridge.run("pwd; printf '\\377' >&2", console=bash, queue=True, output="split")
    assert split.ok
    assert (split.stdout, split.bytes_of("stderr")) == ("/usr\n", b"\xff")


def test_stream(bridge: Bridge, bash: str) -> None:
    """Output comes as it is written, and can be answered."""
    got = b""
    with bridge.runs.stream("read -p '? ' x; echo $x; (exit 4)", console=bash, queue=True) as run:
        with pytest.raises(Conflict):
            run.cancel()
        for output in run:
            got += output.data
            if got == b"? ":
                run.send_input("yes\n")
    assert got == b"? yes\nyes\n"
    assert run.result is not None
    assert (run.result.status, run.result.exit_code) == ("done", 4)
    assert run.run is not None
    again = bridge.runs.follow(run.run, after=2)
    assert b"".join(output.data for output in again) == b"yes\nyes\n"


def test_start_and_cancel(bridge: Bridge, bash: str) -> None:
    """A run is started, found busy, stopped, and read in the end."""
    name = bridge.runs.start("sleep 100", console=bash, queue=True)
    while bridge.runs.get(name).status != "running":
        pass
    with pytest.raises(Busy):
        bridge.run("true", console=bash)
    bridge.runs.cancel(name)
    result = bridge.runs.get(name, wait=30)
    assert (result.status, result.exit_code, result.signal) == ("cancelled", 130, "SIGINT")


def test_problems(bridge: Bridge) -> None:
    """What the server refuses is raised as its Problem, by every way to ask."""
    with pytest.raises(BadRequest):
        bridge.run("a\0b")
    with pytest.raises(NotFound):
        bridge.runs.get("nope")
    with pytest.raises(Problem), bridge.runs.stream("true", console="nope") as run:
        next(run)


async def test_a_broken_stream_goes_on(bridge_server: Server, bridge: Bridge, bash: str) -> None:
    """When the line breaks nothing is lost, nothing comes twice, and nothing runs twice."""
    expected = "".join(f"{n}\n" for n in range(1, 200_001)).encode()
    async with BridgeClient(bridge_server.url, bridge_server.token) as client:
        got = b""
        pieces = 0
        stream = client.runs.stream("seq 200000", console=bash, queue=True)
        async for output in stream:
            got += output.data
            pieces += 1
            if pieces % 4 == 0:
                stream._hang_up()
    assert got == expected
    assert stream.result is not None
    assert stream.result.exit_code == 0
