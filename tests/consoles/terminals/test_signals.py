"""Ctrl-C in the terminals of a server that was started in the background of a script."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import signal, subprocess, sys
from jupyter_bridge.consoles.terminals.spawn import pass_on_no_ignored_signals
if sys.argv[2] == "mended":
    pass_on_no_ignored_signals()
print(subprocess.run(["sh", "-c", f"kill -{sys.argv[1]} $$; exit 0"], check=False).returncode)
"""


@pytest.mark.parametrize(("name", "number"), [("INT", 2), ("QUIT", 3), ("HUP", 1)])
def test_ignored_signals_are_not_passed_on(name: str, number: int) -> None:
    """A child dies of the signal, as it would have without the `&`."""
    for how, code in (("mended", -number), ("as it is", 0)):
        script = 'trap "" INT QUIT HUP; exec "$@"'
        command = ["sh", "-c", script, "sh", sys.executable, "-c", PROGRAM, name, how]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert int(said) == code, how
