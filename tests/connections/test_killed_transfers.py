"""Transfers of a process that is killed: the next one goes on, and no half is ever in place."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.openbis.fixtures import simulator  # noqa: F401
from tests.openbis.simulator import Simulator

MIB = 1 << 20
# How often each direction is killed; the bench does 20 of 1 GiB.
KILLS = 5


def _start(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )


SCRIPT = """
import asyncio, sys
from pathlib import Path
from tests.connections.test_transfers import transfers

async def main(url, folder, token, direction, what):
    folder = Path(folder)
    async with transfers(url, folder / "state", token=token) as (all_of_them, one):
        found = all_of_them.all()
        if found:
            transfer = found[0]
        elif direction == "download":
            transfer = await all_of_them.download("bis", what, str(folder / "down"))
        else:
            transfer = await all_of_them.upload(
                "bis", [Path(what)], "/LAB/PROJECT/S1", type="RAW_DATA"
            )
        print("begun", flush=True)
        model = await transfer.wait()
        print(model.state, model.permId, model.problem, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("direction", ["download", "upload"])
def test_killed_again_and_again(simulator: Simulator, tmp_path: Path, direction: str) -> None:  # noqa: F811
    """Each time at most a chunk a stream is sent anew; the bytes are right, and only at the end."""
    size = 120 * MIB
    data = os.urandom(size)
    session = simulator.store.login("ada", "secret")
    token = simulator.store.mint(simulator.store.tokens[str(session)], "t", 0, time.time() + 999)
    source = tmp_path / "source"
    source.write_bytes(data)
    made = simulator.store.add({"big": source}) if direction == "download" else None
    what = made.perm_id if made else str(source)
    place = tmp_path / "down" / what / "original/big"
    arguments = (simulator.url, str(tmp_path), token, direction, what)
    chance = random.Random(4)

    killed = 0
    while killed < KILLS:
        process = _start(SCRIPT, *arguments)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == b"begun\n"
            began = simulator.files.sent + simulator.files.received
            # Killed somewhere within the next part of the way.
            wait_for = began + chance.randrange(MIB, size // (KILLS + 2))
            deadline = time.monotonic() + 20
            while simulator.files.sent + simulator.files.received < wait_for:
                assert time.monotonic() < deadline
                if process.poll() is not None:
                    break
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.wait()
        killed += 1
        assert not place.exists() or direction == "upload"
        assert len(simulator.store.data_sets) == (1 if made else 0)
    process = _start(SCRIPT, *arguments)
    output = process.communicate(timeout=60)[0].decode()
    assert output.startswith("begun\ndone "), output
    perm_id = output.split()[2]
    if direction == "download":
        assert place.read_bytes() == data
        again = simulator.files.sent - size
        chunk = MIB
    else:
        registered = simulator.store.data_sets[perm_id].folder / "original/source"
        assert registered.read_bytes() == data
        again = simulator.files.received - size
        chunk = 4 * MIB
    # What the simulator sent, or took, is what was on the line: with what its buffers held.
    assert again <= KILLS * 4 * (chunk + 4 * MIB)
    assert not list(tmp_path.rglob("*.part"))
