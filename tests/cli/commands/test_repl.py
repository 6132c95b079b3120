"""console: talking to real kernels at a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_bridge.client import Bridge, KernelModel
from tests.conftest import Server
from tests.support.kernel_client import waits_for
from tests.support.terminal import Terminal, call, running
from tests.support.waiting import wait_until

MORE = r"\.\.\.: "


def prompt(number: int) -> str:
    return rf"In \[{number}\]: "


def test_conversation(bridge_server: Server, bridge: Bridge) -> None:
    """A kernel is spawned, cells are numbered, values and errors are shown, and Ctrl-D ends it."""
    before = {kernel.id for kernel in bridge.kernels()}
    with Terminal(bridge_server, "console", "-k", "python3") as terminal:
        terminal.expect(prompt(1))
        assert len(bridge.kernels()) == len(before) + 1
        terminal.type("6 * 7\n")
        terminal.expect(r"Out\[1\]: 42")
        terminal.expect(prompt(2))
        terminal.type("print('a'); 1/0\n")
        terminal.expect("\ra\r\n.*ZeroDivisionError")
        terminal.expect(prompt(3))
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert {kernel.id for kernel in bridge.kernels()} == before


def test_blocks(bridge_server: Server, kernel: KernelModel) -> None:
    """A block is read until an empty line, indented by itself; a pasted text comes as it is."""
    with Terminal(bridge_server, "console", "-k", kernel.id) as terminal:
        terminal.expect(prompt(1))
        terminal.type("for i in range(2):\n")
        terminal.expect(MORE)
        terminal.type("print('row', i)\n")
        terminal.expect(MORE)
        terminal.type("\n")
        terminal.expect("row 0\r\nrow 1\r\n")
        terminal.expect(prompt(2))
        terminal.type("\x1b[200~def f():\n    x = 1\n\n    return x + 1\n\nf()\x1b[201~\n")
        terminal.expect(r"Out\[2\]: 2")
        terminal.expect(prompt(3))
        terminal.type("x = '''a\n")
        terminal.expect(MORE)
        terminal.type("\n")
        terminal.expect(MORE)
        terminal.type("b'''; x\n")
        terminal.expect(r"Out\[3\]: 'a\\n\\nb'")
        terminal.expect(prompt(4))
        terminal.type("exit\n")
        assert terminal.wait() == 0


def test_input(bridge_server: Server, kernel: KernelModel) -> None:
    """The code asks at the terminal; a password is not seen."""
    with Terminal(bridge_server, "console", "-k", kernel.id) as terminal:
        terminal.expect(prompt(1))
        terminal.type("ask = 'name' + '? '; input(ask)\n")
        terminal.expect(r"name\? ")
        terminal.type("Ada\n")
        terminal.expect(r"Out\[1\]: 'Ada'")
        terminal.expect(prompt(2))
        terminal.type("import getpass; ask = 'word' + '? '; len(getpass.getpass(ask))\n")
        terminal.expect(r"word\? ")
        terminal.type("hunter2\n")
        terminal.expect(r"Out\[2\]: 7")
        terminal.expect(prompt(3))
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert "hunter2" not in terminal.shown


def test_ctrl_c(bridge_server: Server, bridge: Bridge, kernel: KernelModel) -> None:
    """Ctrl-C interrupts what runs, and drops what was typed; the conversation goes on."""
    with Terminal(bridge_server, "console", "-k", kernel.id) as terminal:
        terminal.expect(prompt(1))
        terminal.type("import time; print('o' + 'n', flush=True); time.sleep(60)\n")
        terminal.expect("\ron\r\n")
        terminal.interrupt()
        terminal.expect("KeyboardInterrupt")
        terminal.expect(prompt(2))
        terminal.type("never ( run")
        terminal.expect("run")
        terminal.interrupt()
        terminal.expect(prompt(2))
        terminal.type("for x in y:\n")
        terminal.expect(MORE)
        terminal.interrupt()
        terminal.expect(prompt(2))
        terminal.type("'still here'\n")
        terminal.expect(r"Out\[2\]: 'still here'")
        terminal.expect(prompt(3))
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert bridge.kernel(kernel).id == kernel.id


def test_ctrl_c_twice(bridge_server: Server, kernel: KernelModel, tmp_path: Path) -> None:
    """A second Ctrl-C stops waiting for code that will not be interrupted."""
    gate = tmp_path / "gate"
    script = tmp_path / "deaf.py"
    deaf = "import signal; old = signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    script.write_text(deaf + "print('on', flush=True)\n" + waits_for(gate))
    code = f"exec(open({str(script)!r}).read())\n"
    with Terminal(bridge_server, "console", "-k", kernel.id) as terminal:
        terminal.expect(prompt(1))
        terminal.type(code)
        terminal.expect("\ron\r\n")
        terminal.interrupt()
        terminal.interrupt()
        terminal.expect("has not ended")
        terminal.expect("In ")
        terminal.type("\x04")
        assert terminal.wait() == 0
    gate.touch()


def test_ctrl_c_while_it_starts(bridge_server: Server, bridge: Bridge) -> None:
    """Ctrl-C while the kernel is still starting leaves no kernel behind."""
    before = running(bridge)
    with Terminal(bridge_server, "console", "-k", "python3") as terminal:
        wait_until(lambda: running(bridge) != before, "a kernel")
        terminal.type("\x03")
        assert terminal.wait() == 130, terminal.shown
    assert running(bridge) == before


def test_keep(bridge_server: Server, bridge: Bridge) -> None:
    """With --keep the kernel goes on, and how to come back is said."""
    with Terminal(bridge_server, "console", "-k", "python3", "--keep") as terminal:
        terminal.expect(prompt(1))
        terminal.type("x = 41\n")
        terminal.expect(prompt(2))
        terminal.type("\x04")
        text = terminal.expect(r"console -k [-0-9a-f]{36}")
        assert terminal.wait() == 0
    kernel_id = text[-36:]
    try:
        with Terminal(bridge_server, "console", "-k", kernel_id[:8]) as terminal:
            terminal.expect(prompt(2))
            terminal.type("x + 1\n")
            terminal.expect(r"Out\[2\]: 42")
            terminal.expect(prompt(3))
            terminal.type("\x04")
            assert terminal.wait() == 0
        assert bridge.kernel(kernel_id)
    finally:
        bridge.shutdown(kernel_id)


def test_busy_kernel(
    bridge_server: Server, bridge: Bridge, kernel: KernelModel, tmp_path: Path
) -> None:
    """A kernel that is busy elsewhere can be talked to; the answer comes when it is free."""
    gate = tmp_path / "gate"
    name = bridge.run_async(kernel, "print(1, flush=True)\n" + waits_for(gate))
    wait_until(lambda: bridge.execution(name).stdout, "the first output")
    with Terminal(bridge_server, "console", "-k", kernel.id) as terminal:
        terminal.expect("In ")
        terminal.type("6 * 7\n")
        gate.touch()
        terminal.expect("42.*In ")
        terminal.type("\x04")
        assert terminal.wait() == 0


@pytest.mark.soak
def test_another_language(bridge_server: Server) -> None:
    """A kernel that does not say what is complete is talked to all the same."""
    with Terminal(bridge_server, "console", "-k", "bash") as terminal:
        terminal.expect("In ")
        terminal.type("echo hello $((6 * 7))\n")
        terminal.expect("hello 42.*In ")
        terminal.type("\x04")
        assert terminal.wait() == 0


def test_death(bridge_server: Server) -> None:
    """A kernel that dies is told."""
    with Terminal(bridge_server, "console", "-k", "python3") as terminal:
        terminal.expect(prompt(1))
        terminal.type("import os; os.kill(os.getpid(), 9)\n")
        terminal.expect("The kernel died.*In ")
        terminal.type("\x04")
        terminal.wait()


def test_pipe(bridge_server: Server, bridge: Bridge) -> None:
    """In a pipe there are no prompts, and the exit code is that of the last cell."""
    before = {kernel.id for kernel in bridge.kernels()}
    done = call(bridge_server, "console", stdin="x = 6\nfor i in [1]:\n  print(i)\n\nx * 7\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n42\n", "")
    done = call(bridge_server, "console", stdin="1/0\n")
    assert done.returncode == 1
    assert {kernel.id for kernel in bridge.kernels()} == before


def test_json(bridge_server: Server) -> None:
    """With --json there are events on stdout and nothing else."""
    done = call(bridge_server, "console", "--json", stdin="1 + 1\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["event"] for line in lines if line["event"] != "status"] == ["output", "done"]


def test_no_kernel(bridge_server: Server) -> None:
    """A kernel that is not there is a Problem."""
    done = call(bridge_server, "console", "-k", "no-such", stdin="1\n")
    assert (done.returncode, done.stdout) == (2, "")
