"""Random commands, whatever was typed before: never a wrong status, never a wrong byte."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from tests.support.shell_fuzzing import Fuzz, cases
from tests.support.shells import Desk, d

__all__ = ["d"]

# The bench runs 10,000, with another seed each time.
SEED = 20261122


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("shell", "count"),
    [("bash", 300), ("dash", 100), ("zsh", 100), ("ksh", 50), ("mksh", 50), ("busybox", 50)],
)
async def test_subprocess_agrees(d: Desk, shell: str, count: int) -> None:
    """What `subprocess` says of a command, a run in a warm shell says too."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed (apt-get install {shell})")
    fuzz = Fuzz(d.consoles, d.runs, d.home)
    wrong = []
    for case in cases(SEED, count, (shell,)):
        trouble = await asyncio.wait_for(fuzz.check(case), 100)
        if trouble is not None:
            wrong.append(trouble)
    assert not wrong, "\n\n".join(wrong[:10]) + f"\n\n{len(wrong)} of {count}"
