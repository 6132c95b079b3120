"""Transfers of a process that is killed: the next one goes on, and no half is ever in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.openbis.fixtures import simulator  # noqa: F401
from tests.simulators.openbis.simulator import Simulator
from tests.support.killing import MIB, kill

# How often each direction is killed; the bench does 20 of 1 GiB.
KILLS = 5
# Of each stream at most: a chunk of the protocol (pyBIS sends 10 MiB), with what buffers held.
AGAIN = 10 * MIB
STREAMS = 4


@pytest.mark.parametrize("direction", ["download", "upload"])
def test_killed_again_and_again(simulator: Simulator, tmp_path: Path, direction: str) -> None:  # noqa: F811
    """Each time at most a chunk a stream is sent anew; the bytes are right, and only at the end."""
    outcome = kill(simulator, tmp_path, direction, 120 * MIB, KILLS)
    assert outcome.same, outcome.said
    assert (outcome.early, outcome.left) == (0, [])
    assert outcome.again <= KILLS * STREAMS * AGAIN
