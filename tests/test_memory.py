"""Memory of the whole process: large freed blocks are given back."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

# Blocks of 8 MB between small ones that stay, after a block of 31 MB was freed.
CHURN = """
import sys
from jupyter_bridge import memory
import psutil
if sys.argv[1] == "settled":
    memory.settle()
rss = psutil.Process().memory_info
bytes(31 << 20)
start = rss().rss
small = []
for _ in range(3):
    large = [bytearray(b"x") * (8 << 20) for _ in range(8) if small.append(bytes(100_000)) is None]
    large.clear()
print((rss().rss - start) >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's own habit")
def test_large_blocks_are_given_back() -> None:
    """Without the setting this program keeps most of what it has freed; MiB."""
    kept = {
        how: int(subprocess.check_output([sys.executable, "-c", CHURN, how]))
        for how in ("settled", "as it is")
    }
    assert kept["settled"] < 16 < kept["as it is"]


_TURNS = """
import resource, sys
from jupyter_bridge import memory

def turns():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(64):
        held = [b"x" * (256 << 10) for _ in range(8)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

turns()
before = turns()
memory.settle()
turns()
print(before, turns())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's memory alone")
def test_memory_of_pieces_is_kept_for_the_next_ones() -> None:
    """64 times 2 MiB in pieces: hardly any page is fetched again, where each was before."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    told = subprocess.run(
        [sys.executable, "-c", _TURNS], env=plain, capture_output=True, check=True
    )
    before, after = map(int, told.stdout.split())
    assert after < before / 20
