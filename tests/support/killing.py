"""Kills the process of a transfer again and again, and reports the outcome."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.simulators.openbis.simulator import Simulator

MIB = 1 << 20
SCRIPT = """
import asyncio, sys
from pathlib import Path
from tests.connections.transfers.test_registry import transfers

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


@dataclass
class Outcome:
    """The output of the last process, and the costs of all processes.

    `again` is the number of bytes sent beyond the size of the data set. `early` counts how often a
    file had its final name, or a data set was registered, before the end. `same` tells whether the
    content is unchanged. `left` are the files left beside it.
    """

    said: str
    again: int
    early: int
    same: bool
    left: list[str]


def kill(simulator: Simulator, folder: Path, direction: str, size: int, kills: int) -> Outcome:
    """Transfer `size` bytes, with `kills` times kill -9 at random points; blocks."""
    token = _mint(simulator)
    source = folder / "source"
    digest = _write(source, size)
    is_down = direction == "download"
    made = simulator.store.add({"big": source}) if is_down else None
    what = made.perm_id if made else str(source)
    place = folder / "down" / what / "original/big"
    arguments = (simulator.url, str(folder), token, direction, what)
    chance = random.Random(4)
    count = len(simulator.store.data_sets)
    early = 0
    for _ in range(kills):
        _run_and_kill(simulator, arguments, chance.randrange(MIB, size // (kills + 2)))
        early += (is_down and place.exists()) or len(simulator.store.data_sets) != count
    with _start(arguments) as process:
        said = process.communicate(timeout=600)[0].decode()
    if not said.startswith("begun\ndone "):
        return Outcome(said, 0, early, False, [])
    if not is_down:
        place = simulator.store.data_sets[said.split()[2]].folder / "original/source"
    moved = simulator.files.sent if is_down else simulator.files.received
    left = [path.name for path in folder.rglob("*.part")]
    return Outcome(said, moved - size, early, _digest(place) == digest, left)


def _run_and_kill(simulator: Simulator, arguments: tuple[str, ...], way: int) -> None:
    with _start(arguments) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        goal = simulator.files.sent + simulator.files.received + way
        deadline = time.monotonic() + 60
        while simulator.files.sent + simulator.files.received < goal and process.poll() is None:
            assert time.monotonic() < deadline, "the transfer does not go on"
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)


def _start(arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )


def _mint(simulator: Simulator) -> str:
    """Return a token that outlives the processes, because a workspace ends with its session."""
    session = str(simulator.store.login("ada", "secret"))
    token = simulator.store.mint(simulator.store.tokens[session], "t", 0, time.time() + 9999)
    return str(token)


def _write(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as target:
        for start in range(0, size, MIB):
            piece = os.urandom(min(MIB, size - start))
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while piece := source.read(MIB):
            digest.update(piece)
    return digest.hexdigest()
