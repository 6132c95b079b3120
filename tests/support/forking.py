"""Run the command hundreds of times: a process that has imported it forks for each run.

`python -m tests.support.forking` reads jobs as lines of JSON, and answers each:
`{"arguments": […], "terminal": true, "keys": [[pattern, keys], …], "seconds": 30}` gives
`{"code": 0, "shown": "…"}`, where `shown` is stdout and stderr as Latin-1, so that no byte is lost.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from importlib import import_module
from typing import Any, NoReturn

from tests.support.terminal import environment

# Wide enough for every table.
COLUMNS = 2000


class Commands:
    """The forking process; `run` runs one command on a pty, or with pipes."""

    def __init__(self, url: str, token: str) -> None:
        env = {**environment(None), "JUPYTER_BRIDGE_URL": url, "JUPYTER_BRIDGE_TOKEN": token}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            text=True,
        )

    def run(
        self, *arguments: str, terminal: bool, keys: list[tuple[str, str]] | None = None
    ) -> tuple[int, str]:
        """Return the exit code and the output; bytes that are not UTF-8 are surrogates."""
        job = {"arguments": arguments, "terminal": terminal, "keys": keys or []}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        shown = answer["shown"].encode("latin-1").decode("utf-8", "surrogateescape")
        return answer["code"], shown

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def _do(job: dict[str, Any]) -> dict[str, Any]:
    ours, theirs = pty.openpty() if job["terminal"] else os.pipe()
    if job["terminal"]:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    child = os.fork()
    if child == 0:
        os.close(ours)
        _be(job, theirs)
    os.close(theirs)
    shown, keys = b"", list(job["keys"])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux: the other end of the pty is closed
            break
        if not chunk:
            break
        shown += chunk
        if keys and re.search(keys[0][0].encode(), shown):
            time.sleep(0.5)  # it reads shortly after it has printed the prompt
            os.write(ours, keys.pop(0)[1].encode())
    else:
        os.kill(child, signal.SIGKILL)
    os.close(ours)
    _, status = os.waitpid(child, 0)
    return {"code": os.waitstatus_to_exitcode(status), "shown": shown.decode("latin-1")}


def _be(job: dict[str, Any], theirs: int) -> NoReturn:
    """Run the command in this process, in a new session with this terminal."""
    code = 1
    try:
        os.setsid()
        if job["terminal"]:
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        else:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number in range(0 if job["terminal"] else 1, 3):
            os.dup2(theirs, number)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, "rww"[n]) for n in range(3))
        # As the interpreter decodes a command line.
        sys.argv = ["jupyter-bridge", *job["arguments"]]
        from jupyter_bridge.cli import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        try:
            sys.stdout.flush()
        finally:
            os._exit(code)


def main() -> None:
    for module in ("jupyter_bridge.cli.app", "rich.progress", "rich.table"):
        import_module(module)  # so that no child imports it again
    for line in sys.stdin:
        print(json.dumps(_do(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
