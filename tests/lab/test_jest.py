"""What needs no page is tested by jest: the wire formats, on the vectors that Python reads, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent.parent.parent / "labextension"


@pytest.mark.timeout(300)
def test_jest() -> None:
    """All its suites pass."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    npx = shutil.which("npx", path=path)
    if npx is None or not (SOURCES / "node_modules").exists():
        assert "CI" not in os.environ, "CI installs Node and builds the panel"
        pytest.skip("the panel's sources are not installed (`make test` does that)")
    done = subprocess.run(
        [npx, "jest", "--ci", "--silent"],
        cwd=SOURCES,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "Tests: " in done.stdout
