"""execute, on real kernels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_bridge.client import Bridge, KernelModel
from tests.conftest import Server
from tests.support.kernel_client import waits_for
from tests.support.terminal import COMMAND, Terminal, call, environment, running
from tests.support.waiting import wait_until

SLEEP = "import time; print('on', flush=True); time.sleep(60)"


def test_script(bridge_server: Server, bridge: Bridge, tmp_path: Path) -> None:
    """A script runs in a kernel of its own; each stream goes where it belongs."""
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint('out')\nprint('err', file=sys.stderr)\n'välue'\n", "utf-8")
    before = {kernel.id for kernel in bridge.kernels()}
    done = call(bridge_server, "execute", "-k", "python3", str(script))
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n'välue'\n", "err\n")
    assert {kernel.id for kernel in bridge.kernels()} == before


def test_another_language(bridge_server: Server) -> None:
    """The kernelspec decides about the language."""
    done = call(bridge_server, "execute", "-k", "bash", "-c", "echo hello from ${BASH##*/}")
    assert (done.returncode, done.stdout) == (0, "hello from bash\n")


def test_running_kernel(bridge_server: Server, kernel: KernelModel) -> None:
    """A running kernel is known by the beginning of its id, and keeps its variables."""
    assert call(bridge_server, "execute", "-k", kernel.id[:8], "-c", "x = 41").returncode == 0
    done = call(bridge_server, "execute", "-k", kernel.id, "-c", "x + 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")


@pytest.mark.parametrize("words", [[], ["-"]])
def test_stdin(bridge_server: Server, words: list[str]) -> None:
    """Code may come from a pipe, and then goes to the default kernel."""
    done = call(bridge_server, "execute", *words, stdin="print(6 * 7)")
    assert (done.returncode, done.stdout) == (0, "42\n")


def test_error(bridge_server: Server) -> None:
    """Code that fails exits 1, with its traceback on stderr, without colours in a pipe."""
    done = call(bridge_server, "execute", "-c", "print('before'); 1/0")
    assert (done.returncode, done.stdout) == (1, "before\n")
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "\x1b" not in done.stderr


def test_death(bridge_server: Server) -> None:
    """A kernel that dies exits 1 and says so."""
    done = call(bridge_server, "execute", "-c", "import os, signal; os.kill(os.getpid(), 9)")
    assert done.returncode == 1
    assert "The kernel died" in done.stderr


def test_timeout(bridge_server: Server, kernel: KernelModel) -> None:
    """Code that takes too long is interrupted, and exits 124."""
    done = call(bridge_server, "execute", "-k", kernel.id, "-c", SLEEP, "--timeout", "0.5")
    assert (done.returncode, done.stdout) == (124, "on\n")
    assert "time allowed" in done.stderr
    assert call(bridge_server, "execute", "-k", kernel.id, "-c", "1").stdout == "1\n"


def test_input_from_a_pipe(bridge_server: Server, kernel: KernelModel) -> None:
    """Input is read from stdin where stdin is not the code; at its end input() is an EOFError."""
    code = "import getpass\na = input('a? '); b = getpass.getpass('b? '); (a, b)"
    done = call(bridge_server, "execute", "-k", kernel.id, "-c", code, stdin="one\ntwo\n")
    assert (done.returncode, done.stdout) == (0, "a? b? ('one', 'two')\n")
    done = call(bridge_server, "execute", "-k", kernel.id, "-c", code, stdin="one\n")
    assert done.returncode == 1
    assert "EOFError" in done.stderr


def test_json(bridge_server: Server, kernel: KernelModel) -> None:
    """With --json every event is a line as it comes, the last one the whole answer."""
    words = ["execute", "--json", "-k", kernel.id, "-c", "print(input('? ')); 1/0"]
    done = call(bridge_server, *words, stdin="yes\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (1, "")
    assert [line["event"] for line in lines if line["event"] != "status"] == [
        "input_request",
        "output",
        "output",
        "done",
    ]
    assert lines[-1]["data"]["status"] == "error"


def test_images(bridge_server: Server, tmp_path: Path) -> None:
    """An image is a file in the folder that was named, and its path a line."""
    code = (
        "from IPython.display import display, Image, HTML, Markdown\n"
        "display(Image(data=b'\\x89PNG\\r\\n\\x1a\\nrest', format='png'))\n"
        "display(Markdown('# x'))"
    )
    folder = tmp_path / "images"
    done = call(bridge_server, "execute", "-c", code, "--images", str(folder))
    assert done.stdout.splitlines() == [
        f"{folder}/image-1.png",
        "<IPython.core.display.Markdown object>",
    ]
    assert (folder / "image-1.png").read_bytes() == b"\x89PNG\r\n\x1a\nrest"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-k", "no-such", "-c", "1"], "No kernel or kernelspec named"),
        (["-c", "1", "file.py"], "not both"),
        (["/no/such/file.py"], "Cannot read /no/such/file.py: No such file"),
        (["/"], "Cannot read"),
    ],
)
def test_problems(bridge_server: Server, words: list[str], said: str) -> None:
    """What cannot be run exits 2 and says why."""
    done = call(bridge_server, "execute", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_not_text(bridge_server: Server, tmp_path: Path) -> None:
    """A file that is no text is told."""
    file = tmp_path / "binary"
    file.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8 text" in call(bridge_server, "execute", str(file)).stderr


def test_as_it_comes(bridge_server: Server, tmp_path: Path) -> None:
    """Output is there when it is written, not when the code ends."""
    gate = tmp_path / "gate"
    code = "print('first', flush=True)\n" + waits_for(gate) + "print('last')"
    words = [*COMMAND, "execute", "-c", code]
    with subprocess.Popen(
        words, env=environment(bridge_server), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
        gate.touch()
        assert process.stdout.readline() == b"last\n"
    assert process.returncode == 0


def test_reader_leaves(bridge_server: Server, bridge: Bridge, kernel: KernelModel) -> None:
    """When nobody reads any more the code is interrupted, and nothing is said about it."""
    code = "import time\nfor i in range(10 ** 6): print(i, flush=True); time.sleep(0.01)"
    words = [*COMMAND, "execute", "-k", kernel.id, "-c", code]
    with subprocess.Popen(
        words,
        env=environment(bridge_server),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
    _await_idle(bridge, kernel)


def _await_idle(bridge: Bridge, kernel: KernelModel) -> None:
    wait_until(lambda: bridge.kernel(kernel).execution_state == "idle", "the end of the code")


# -- in a terminal ---------------------------------------------------------------------------------


def test_terminal(bridge_server: Server, kernel: KernelModel) -> None:
    """At a terminal, input is typed, a password is not seen, and progress bars stay on a line."""
    code = (
        "import getpass\n"
        "name = input('name? ')\n"
        "word = getpass.getpass('word? ')\n"
        "print('50 %', end='\\r'); print('100 %')\n"
        "(name, word)"
    )
    with Terminal(bridge_server, "execute", "-k", kernel.id, "-c", code) as terminal:
        terminal.expect(r"name\? ")
        terminal.type("Ada\n")
        terminal.expect(r"word\? ")
        terminal.type("hunter2\n")
        shown = terminal.expect(r"\('Ada', 'hunter2'\)")
        assert terminal.wait() == 0
    assert shown.count("hunter2") == 1
    assert "50 %\r100 %" in shown


def test_ctrl_c(bridge_server: Server, bridge: Bridge, kernel: KernelModel) -> None:
    """Ctrl-C interrupts the code, shows how it ends, and exits 130."""
    with Terminal(bridge_server, "execute", "-k", kernel.id, "-c", SLEEP) as terminal:
        terminal.expect("on\r\n")
        terminal.interrupt()
        terminal.expect("KeyboardInterrupt")
        assert terminal.wait() == 130
        assert "\x1b[" in terminal.shown  # the traceback has its colours
        assert "Traceback (most recent call last):\r\n  File" not in terminal.shown
    assert bridge.kernel(kernel).execution_state == "idle"


def test_ctrl_c_at_input(bridge_server: Server, bridge: Bridge, kernel: KernelModel) -> None:
    """Ctrl-C at a question interrupts the code that asks."""
    with Terminal(bridge_server, "execute", "-k", kernel.id, "-c", "input('? ')") as terminal:
        terminal.expect(r"\? ")
        terminal.interrupt()
        terminal.expect("KeyboardInterrupt")
        assert terminal.wait() == 130
    assert bridge.execute(kernel, "1").value == "1"


def test_ctrl_c_twice(bridge_server: Server, kernel: KernelModel, tmp_path: Path) -> None:
    """Code that will not be interrupted is left by a second Ctrl-C."""
    gate = tmp_path / "gate"
    code = "import signal; old = signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    code += "print('on', flush=True)\n" + waits_for(gate)
    with Terminal(bridge_server, "execute", "-k", kernel.id, "-c", code) as terminal:
        terminal.expect("on\r\n")
        terminal.interrupt()
        terminal.interrupt()
        terminal.expect("has not ended")
        assert terminal.wait() == 130
    gate.touch()


def test_ctrl_c_while_it_starts(bridge_server: Server, bridge: Bridge) -> None:
    """Ctrl-C while the kernel is still starting leaves no kernel behind."""
    before = running(bridge)
    with Terminal(bridge_server, "execute", "-k", "python3", "-c", SLEEP) as terminal:
        wait_until(lambda: running(bridge) != before, "a kernel")
        terminal.type("\x03")
        assert terminal.wait() == 130, terminal.shown
    wait_until(lambda: running(bridge) == before, "the end of the kernel")


def test_ctrl_c_twice_on_its_own_kernel(bridge_server: Server, bridge: Bridge) -> None:
    """Code that will not be interrupted loses its kernel if that was started for it."""
    before = running(bridge)
    code = (
        "import signal, time; _ = signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('on', flush=True); time.sleep(60)"
    )
    with Terminal(bridge_server, "execute", "-c", code) as terminal:
        terminal.expect("on\r\n")
        terminal.interrupt()
        terminal.interrupt()
        terminal.expect("has not ended")
        assert terminal.wait() == 130, terminal.shown
    assert running(bridge) == before


def test_terminal_goes(bridge_server: Server, bridge: Bridge, kernel: KernelModel) -> None:
    """A terminal that is closed takes the code with it, as it does with any program."""
    with Terminal(bridge_server, "execute", "-k", kernel.id, "-c", SLEEP) as terminal:
        terminal.expect("on\r\n")
        terminal.hang_up()
        assert terminal.wait() == 129, terminal.shown
    _await_idle(bridge, kernel)


def test_code_from_a_pipe_asks_the_terminal(
    bridge_server: Server, kernel: KernelModel, tmp_path: Path
) -> None:
    """When stdin is the code, the person is asked on the terminal."""
    script = tmp_path / "script.py"
    script.write_text("import getpass; (input('name? '), getpass.getpass('word? '))")
    with (
        script.open() as file,
        Terminal(bridge_server, "execute", "-k", kernel.id, stdin=file.fileno()) as terminal,
    ):
        terminal.expect(r"name\? ")
        terminal.type("Ada\n")
        terminal.expect(r"word\? ")
        terminal.type("hunter2\n")
        terminal.expect(r"\('Ada', 'hunter2'\)")
        assert terminal.wait() == 0


def test_code_is_asked_for(bridge_server: Server) -> None:
    """At a terminal, execute without code says how to give it, and does not wait for it."""
    with Terminal(bridge_server, "execute") as terminal:
        terminal.expect("Give a file with")
        assert terminal.wait() == 2


def test_output_to_a_pipe(bridge_server: Server, kernel: KernelModel, tmp_path: Path) -> None:
    """When stdout is a pipe, the question to a person is not in it."""
    file = tmp_path / "out"
    with file.open("wb") as out:
        words = ["execute", "-k", kernel.id, "-c", "input('name? ').upper()"]
        with Terminal(bridge_server, *words, stdout=out.fileno()) as terminal:
            terminal.expect(r"name\? ")
            terminal.type("ada\n")
            assert terminal.wait() == 0
    assert file.read_text() == "'ADA'\n"


def test_ascii_terminal(bridge_server: Server) -> None:
    """A terminal that knows ASCII only shows the rest as question marks."""
    env = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = call(bridge_server, "execute", "-c", "print('h\\u00e4')", env=env)
    assert (done.returncode, done.stdout) == (0, "h?\n")


def test_from_inside_a_kernel(bridge_server: Server, kernel: KernelModel, bridge: Bridge) -> None:
    """Inside a kernel, `jupyter bridge` finds the server by itself."""
    result = bridge.execute(kernel, f"!{sys.executable} -m jupyter bridge kernels")
    assert kernel.id in result.stdout
