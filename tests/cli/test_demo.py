"""`make run`: JupyterLab starts, the lines that it prints can be pasted, Ctrl-C stops it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.docs.pages import REPOSITORY
from tests.docs.typed import commands, typed
from tests.support.terminal import environment

PATIENCE = 120.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """What `make run` runs, with all of its files in one folder."""
    pytest.importorskip("jupyterlab", reason="the extra `lab` is not installed")
    config = tmp_path / "config"
    config.mkdir()
    (config / "jupyter_server_config.d").symlink_to(REPOSITORY / "jupyter-config")
    folders = {
        f"JUPYTER_{what}_DIR": str(tmp_path / what.lower())
        for what in ("CONFIG", "DATA", "RUNTIME")
    }
    with subprocess.Popen(
        [sys.executable, "-m", "jupyter_bridge.cli.demo", f"--ServerApp.root_dir={tmp_path}"],
        env=environment(None, HOME=str(tmp_path), PYTHONWARNINGS="ignore", **folders),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C goes to it and to JupyterLab, and to nobody else
    ) as process:
        killer = threading.Timer(PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
        killer.start()
        yield process
        killer.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def test_what_is_printed_can_be_pasted(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    """Each line does what the comment above it says."""
    assert demo.stdout is not None
    shown = ""
    while "Ctrl-C stops it." not in shown:
        line = demo.stdout.readline()
        assert line, shown
        shown += line
    assert re.search(r"^ +http://127\.0\.0\.1:\d+/lab\?token=\w+$", shown, re.MULTILINE)
    pasted = shown.partition("another terminal:\n")[2].partition("Ctrl-C")[0]
    lines = commands(re.sub(r"^ +", "", pasted, flags=re.MULTILINE))
    lines = [f"timeout 2 {line}" if "follow=true" in line else line for line in lines]
    said = typed(lines, environment(None), tmp_path)
    assert [one.status for one in said] == [0, 0, 0, 0, 124, 0, 0], said
    spawned, executed, streamed, ran, tailed, connected, browsed = (one.text for one in said)
    assert spawned == ""  # its id is in $K
    assert "42" in executed
    assert "event: done" in streamed
    assert '"output":"hello' in ran
    assert "hello" in tailed
    assert '"here"' in connected
    assert '"name"' in browsed
    started = psutil.Process(demo.pid).children(recursive=True)
    assert len(started) > 2  # JupyterLab, the kernel, the terminal's shell
    os.killpg(demo.pid, signal.SIGINT)
    assert demo.wait(30) == 0
    assert not psutil.wait_procs(started, 10)[1]
