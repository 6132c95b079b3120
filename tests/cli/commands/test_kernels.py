"""kernels, spawn, shutdown, interrupt, restart, on a real server."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from jupyter_bridge.cli.output import ago
from jupyter_bridge.client import Bridge, KernelModel
from tests.conftest import Server
from tests.support.terminal import Terminal, call
from tests.support.waiting import wait_until


def test_life(bridge_server: Server, bridge: Bridge, tmp_path: Path) -> None:
    """A kernel is spawned as told, known by its name, and shut down."""
    done = call(
        bridge_server,
        *("spawn", "python3", "--cwd", str(tmp_path), "--name", "lively"),
        *("--env", "A=b=c", "--env", "TAKEN", "--env", "EMPTY="),
        env={"TAKEN": "along"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    kernel_id = done.stdout.strip()
    code = "import os; [os.getcwd(), *map(os.environ.get, ['A', 'TAKEN', 'EMPTY'])]"
    assert bridge.execute(kernel_id, code).value == f"['{tmp_path}', 'b=c', 'along', '']"
    listed = call(bridge_server, "kernels").stdout
    assert kernel_id in listed
    assert "lively" in listed
    done = call(bridge_server, "restart", kernel_id[:6])
    assert (done.returncode, done.stdout) == (0, f"{kernel_id}\n")
    done = call(bridge_server, "shutdown", "lively", kernel_id)
    assert (done.returncode, done.stdout) == (0, f"{kernel_id}\n")
    assert kernel_id not in call(bridge_server, "kernels").stdout


def test_json(bridge_server: Server, bridge: Bridge) -> None:
    """With --json every command prints one JSON value."""
    spawned = json.loads(call(bridge_server, "spawn", "python3", "--json").stdout)
    kernel_id = spawned["id"]
    assert spawned["kernelspec"] == "python3"
    assert kernel_id in [
        k["id"] for k in json.loads(call(bridge_server, "kernels", "--json").stdout)
    ]
    for verb in ("interrupt", "restart"):
        assert json.loads(call(bridge_server, verb, kernel_id, "--json").stdout) == {
            "id": kernel_id
        }
    shut = call(bridge_server, "shutdown", kernel_id, "--json").stdout
    assert json.loads(shut) == [{"id": kernel_id}]


def test_interrupt(bridge_server: Server, bridge: Bridge, kernel: KernelModel) -> None:
    """Interrupting a kernel ends what it runs."""
    name = bridge.run_async(kernel, "import time; print(1); time.sleep(60)")
    wait_until(lambda: bridge.execution(name).stdout, "the first output")
    assert call(bridge_server, "interrupt", kernel.id).returncode == 0
    error = bridge.execution(name, wait=True).error
    assert error is not None
    assert error.ename == "KeyboardInterrupt"


def test_shutdown_of_a_stranger(bridge_server: Server, kernel: KernelModel) -> None:
    """When one of the words is no kernel, none is shut down."""
    done = call(bridge_server, "shutdown", kernel.id, "no-such")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no-such" in done.stderr
    assert kernel.id in call(bridge_server, "kernels").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["spawn", "cobol"], "python3"),
        (["spawn", "python3", "--env", "NOT_SET_HERE"], "NOT_SET_HERE"),
        (["spawn", "python3", "--env", "=x"], "K=V"),
        (["interrupt", "no-such"], "no-such"),
        (["restart", "no-such"], "no-such"),
    ],
)
def test_problems(bridge_server: Server, words: list[str], said: str) -> None:
    """What cannot be done exits 2 and says why."""
    done = call(bridge_server, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_pipe(bridge_server: Server, kernel: KernelModel) -> None:
    """In a pipe the list has no colour, and no id is cut."""
    done = call(bridge_server, "kernels", env={"COLUMNS": "20"})
    assert kernel.id in done.stdout
    assert "\x1b" not in done.stdout


def test_terminal(bridge_server: Server, kernel: KernelModel) -> None:
    """On a terminal the list is a table."""
    with Terminal(bridge_server, "kernels") as terminal:
        terminal.expect(f"ID.*STATE.*{kernel.id}")
        assert terminal.wait() == 0


def test_ago() -> None:
    """Times are told in the largest unit that fits."""
    now = datetime.now(timezone.utc)
    told = [
        ago(now - timedelta(seconds=seconds + 0.5)) for seconds in (5, 65, 2 * 3600, 3 * 86400, -9)
    ]
    assert told == ["5 s ago", "1 min ago", "2 h ago", "3 d ago", "0 s ago"]
    assert ago(None) == ""
    assert ago(now.replace(tzinfo=None)) == "0 s ago"
