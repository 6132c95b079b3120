"""Memory of the whole process: large freed blocks are given back."""

from __future__ import annotations

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
