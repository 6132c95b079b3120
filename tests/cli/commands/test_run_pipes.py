"""run in pipes and scripts, as if its command ran here."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from jupyter_bridge.client import Bridge, connect
from tests.conftest import Server
from tests.support.terminal import COMMAND, call, environment
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def bridge(bridge_server: Server) -> Iterator[Bridge]:
    """A client of the server."""
    with connect(bridge_server.url, bridge_server.token) as client:
        yield client


def run(
    server: Server, *words: str | bytes, stdin: bytes | int | IO[bytes] = b"", **env: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command with pipes, all bytes exact."""
    how: dict[str, Any] = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    return subprocess.run(
        [*COMMAND, "run", *words],
        env=environment(server, **env),
        capture_output=True,
        timeout=PATIENCE,
        **how,
    )


def begin(server: Server, *words: str, **how: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*COMMAND, "run", *words], env=environment(server), **how)


def shell(server: Server, script: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a script of bash, in which `jupyter bridge` is this command."""
    name = cwd / "bin" / "jupyter"
    name.parent.mkdir(exist_ok=True)
    name.write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv.pop(1)\n"
        "from jupyter_bridge.cli import main\nmain()\n"
    )
    name.chmod(0o755)
    path = f"{name.parent}:{os.environ['PATH']}"
    env = environment(server, PATH=path, PYTHONPATH=os.pathsep.join(sys.path))
    return subprocess.run(
        ["bash", "-c", script], cwd=cwd, env=env, capture_output=True, timeout=PATIENCE
    )


@pytest.mark.parametrize("mode", [[], ["--split"]])
def test_any_length(bridge_server: Server, mode: list[str]) -> None:
    """Output beyond every limit is exact, the error at its end is there, and so is the code."""
    command = "seq 1 2000000; echo the error >&2; exit 3"
    done = run(bridge_server, *mode, command)
    whole = b"".join(b"%d\n" % n for n in range(1, 2_000_001))
    error = b"the error\n"
    assert hashlib.sha256(done.stdout).digest() == (
        hashlib.sha256(whole if mode else whole + error).digest()
    )
    assert (done.stderr, done.returncode) == (error if mode else b"", 3)


@pytest.mark.parametrize("mode", [[], ["--split"]])
@pytest.mark.parametrize("data", [b"", b"hi\n", b"no newline", bytes(range(256)) * 8000])
def test_stdin(bridge_server: Server, mode: list[str], data: bytes) -> None:
    """What is piped in is the command's input, any bytes and any size, up to its end."""
    done = run(bridge_server, *mode, "--", "cat", stdin=data)
    assert (done.stdout, done.stderr, done.returncode) == (data, b"", 0)


def test_stdin_comes_as_it_comes(bridge_server: Server) -> None:
    """Input is sent when it is there, not when it has ended."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with begin(bridge_server, "while read x; do echo got $x; done", **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for word in (b"one", b"two"):
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"got " + word + b"\n"
        process.stdin.close()
        assert process.wait(PATIENCE) == 0


def test_stdin_that_nobody_reads(bridge_server: Server) -> None:
    """A command that does not read its input ends all the same."""
    assert run(bridge_server, "exit 3", stdin=b"x" * 3_000_000).returncode == 3
    here, there = os.pipe()  # nobody ever writes
    try:
        assert run(bridge_server, "exit 4", stdin=here).returncode == 4
    finally:
        os.close(here)
        os.close(there)


def test_files(bridge_server: Server, tmp_path: Path) -> None:
    """`--stdin FILE` is exact, whatever is in it."""
    data = b"a\r\nb\xff\0\n" * 100_000
    (tmp_path / "file").write_bytes(data)
    done = run(bridge_server, "--stdin", str(tmp_path / "file"), "cat")
    assert (done.stdout, done.returncode) == (data, 0)


def test_any_bytes(bridge_server: Server, tmp_path: Path) -> None:
    """Commands, arguments, variables and folders need not be UTF-8; JSON loses none of them."""
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)
    words = [b"--cwd", folder, b"-e", b"X=\xfe", b"--", b"sh", b"-c", b"pwd; echo $X $0", b"a\xfd"]
    done = run(bridge_server, *words)
    assert (done.stdout, done.returncode) == (folder + b"\n\xfe a\xfd\n", 0)
    done = run(bridge_server, "--json", *words)
    assert b'"base64"' in done.stdout
    assert b'"cwd_base64"' in done.stdout or b'"session-closed"' in done.stdout


@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "dash"])
def test_words(bridge_server: Server, name: str) -> None:
    """Several words are one command's, in every shell, with options of their own."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    odd = ["a b", "$HOME", "it's", "*", "\\n", "\\'", "\\", "", "a\nb", "~", "!x", "--json"]
    done = run(bridge_server, "--shell", name, "printf", "%s|", *odd)
    assert done.stdout == "".join(f"{word}|" for word in odd).encode()
    done = run(bridge_server, "ls", "-d", "/")
    assert (done.stdout, done.returncode) == (b"/\n", 0)


def test_nobody_reads_the_output(bridge_server: Server, bridge: Bridge, tmp_path: Path) -> None:
    """`| head` ends the command, and quietly."""
    mark = f"yes {tmp_path.name}"
    done = shell(
        bridge_server, f"set -o pipefail; jupyter bridge run -- {mark} | head -1", tmp_path
    )
    assert (done.stdout, done.stderr) == (f"{tmp_path.name}\n".encode(), b"")
    assert done.returncode == 128 + signal.SIGPIPE
    wait_until(lambda: not _runs(mark), "the end of the command")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals(bridge_server: Server, number: signal.Signals, tmp_path: Path) -> None:
    """A signal to this command stops the one that it runs."""
    mark = f"sleep 98765.{tmp_path.name[-6:]}"
    words = f"echo on; exec {mark}"
    with begin(bridge_server, words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        process.send_signal(number)
        assert process.wait(PATIENCE) == 128 + number
    wait_until(lambda: not _runs(mark), "the end of the command")


def test_pagers(bridge_server: Server) -> None:
    """In a pipe nothing pages."""
    show = "printenv PAGER GIT_PAGER SYSTEMD_PAGER MANPAGER"
    done = run(bridge_server, show, PAGER="less")
    assert done.stdout == b"cat\n" * 4


def test_hint(bridge_server: Server) -> None:
    """A command that waits for a key that cannot come is named."""
    with begin(bridge_server, "head -n1 </dev/tty", stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"head waits for a key")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130


def test_shells_and_timeouts(bridge_server: Server) -> None:
    """The shell is the caller's choice, or a refusal is 125; a busy console is waited for."""
    assert run(bridge_server, "--shell", "dash", "echo $0").stdout.strip().endswith(b"dash")
    assert run(bridge_server, "--shell", "tcsh", "true").returncode == 125
    done = run(bridge_server, "--start-timeout", "0.001", "true")
    assert (done.returncode, b"start_timeout" in done.stderr) == (125, True)


def test_queue_timeout(bridge_server: Server, bridge: Bridge) -> None:
    """A console that stays busy is refused after --queue-timeout."""
    first = bridge.runs.start("sleep 100", console="new")
    name = bridge.runs.get(first).console
    done = run(bridge_server, "-c", name, "--queue-timeout", "0.3", "true")
    assert (done.returncode, b"busy for 0.3 s" in done.stderr) == (125, True)
    bridge.runs.cancel(first)
    done = run(bridge_server, "-c", name, "--queue-timeout", "60", "echo on")
    assert done.stdout == b"on\n"
    bridge.consoles.end(name, purge=True)


def test_no_console_is_left(bridge_server: Server, bridge: Bridge) -> None:
    """Runs without a console leave none in the list."""
    before = {console.name for console in bridge.consoles.list()}
    assert call(bridge_server, "run", "true").returncode == 0
    wait_until(lambda: {one.name for one in bridge.consoles.list()} <= before, "the console's end")


SCRIPT = """
set -euo pipefail
cd "$HOME_OF_TEST"
jupyter bridge run 'cd /tmp && echo made'
echo 'some text' | jupyter bridge run 'tr a-z A-Z' | sed 's/^/> /'
jupyter bridge run seq 1 200000 | tail -n 1
if ! jupyter bridge run 'exit 7'; then echo refused; fi
printf 'a\\nb\\n' > lines
jupyter bridge run 'wc -l' < lines | tr -d ' '
while read -r line; do jupyter bridge run "echo line $line" < /dev/null; done < lines
jupyter bridge run "echo to stderr >&2; exit 4" || true
jupyter bridge run false
echo not reached
"""


def test_in_a_script(bridge_server: Server, tmp_path: Path) -> None:
    """In a script with `set -e` and pipes it is a command as any other."""
    script = SCRIPT.replace("$HOME_OF_TEST", str(tmp_path))
    done = shell(bridge_server, script, tmp_path)
    assert done.stdout.decode().splitlines() == [
        *("made", "> SOME TEXT", "200000", "refused", "2", "line a", "line b", "to stderr")
    ]
    assert (done.returncode, done.stderr) == (1, b"")


def _runs(words: str) -> bool:
    """Whether a process has this command line."""
    found = subprocess.run(["pgrep", "-xf", words], capture_output=True, check=False)
    return found.returncode == 0
