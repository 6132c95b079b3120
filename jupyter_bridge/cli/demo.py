"""The demo of `make run`: JupyterLab with the bridge on a free loopback port, lines to paste."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

from jupyter_bridge.cli import output

# A first start compiles and searches extensions, which is slow on a slow disk. Seconds.
_START = 120.0

_LINES = """
JupyterLab with the bridge runs at

  {url}lab?token={token}

Lines to paste into another terminal:

  # spawn a kernel
  K=$(curl -s -X POST -H 'Authorization: token {token}' {url}bridge/spawn/python3 | {pick})

  # execute, and wait for the result
  curl -s -H 'Authorization: token {token}' {url}bridge/execute/$K -d '{{"code": "6 * 7"}}'

  # stream the output as it comes
  curl -sN -H 'Authorization: token {token}' -H 'Accept: text/event-stream' \\
  {url}bridge/execute/$K -d '{{"code": "import time\\nfor i in range(3): print(i); time.sleep(1)"}}'

  # run a shell command: its exact output and its exit status
  curl -s -H 'Authorization: token {token}' {url}bridge/run \\
    -d '{{"command": "echo hello; ls /nowhere", "console": "new"}}'

  # tail that terminal, from its first line on
  curl -sN -H 'Authorization: token {token}' '{url}bridge/tail/1?lines=100&follow=true'

  # the server's folder as a data store: connect it, see what is in it
  curl -s -H 'Authorization: token {token}' {url}bridge/conns \
    -d '{{"name": "here", "kind": "folder", "url": "."}}'
  curl -s -H 'Authorization: token {token}' {url}bridge/conn/here/browse

Ctrl-C stops it.
"""

_PICK = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"id\"])'"


def main(options: Sequence[str] = ()) -> int:
    """Run JupyterLab with more `options`; returns 0 after Ctrl-C, otherwise its exit code."""
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"]
    command += ["--port=0", "--log-level=WARN", *options]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    # The token is in the environment, because all users of the machine can read a command line.
    lab = subprocess.Popen(command, env={**os.environ, "JUPYTER_TOKEN": token})
    try:
        output.lines(_LINES.format(url=_url(lab), token=token, pick=_PICK))
        return lab.wait()
    except KeyboardInterrupt:
        lab.send_signal(signal.SIGTERM)  # after Ctrl-C alone it would ask for confirmation
        lab.wait()
        return 0


def _url(lab: subprocess.Popen[bytes]) -> str:
    """Return the server's url, once its file in the runtime directory has it."""
    info = Path(jupyter_runtime_dir()) / f"jpserver-{lab.pid}.json"
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if lab.poll() is not None:
            sys.exit(f"JupyterLab failed to start, with exit code {lab.returncode}.")
        try:
            return str(json.loads(info.read_text())["url"])
        except (OSError, ValueError):
            time.sleep(0.1)
    lab.terminate()
    sys.exit(f"JupyterLab did not start within {_START:g} s.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
