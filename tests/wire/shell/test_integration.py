"""The shells' scripts: what shellcheck says of them, and what is left out when they are sent."""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import files
from typing import get_args

import pytest

from jupyter_bridge.wire.shell.integration import VERSION, VERSION_FAREWELL, Dialect, integration

DATA = files("jupyter_bridge.wire.shell") / "data"
# shellcheck knows neither zsh nor fish.
CHECKED = sorted(path.name for path in DATA.iterdir() if path.name.endswith((".sh", ".bash")))


@pytest.mark.parametrize("name", CHECKED)
def test_shellcheck(name: str) -> None:
    """shellcheck finds nothing, but for what the script says it means."""
    if (program := shutil.which("shellcheck")) is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([program, str(DATA / name)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("farewell", [False, True])
@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_what_is_sent(dialect: Dialect, farewell: bool) -> None:
    """No comment is sent, and the last line names the version that the wrapper asks for."""
    lines = integration(dialect, farewell=farewell).splitlines()
    assert not [line for line in lines if line.strip().startswith("#")]
    assert lines[-1].endswith(VERSION_FAREWELL if farewell else VERSION)
    assert any("133;" in line for line in lines)
