"""Another Jupyter server through this one, as README and docs/connections.md type it."""

from __future__ import annotations

import json

from tests.conftest import Server
from tests.support.terminal import Terminal, call


def test_another_server(near: Server, far: Server) -> None:
    """Its token is asked for and not shown; its consoles and kernels go by their names."""
    with Terminal(near, "conn", "add", "lab", far.url, "-k", "jupyter") as terminal:
        terminal.expect(r"[Uu]ser.*: ")
        terminal.type("\n")
        terminal.expect("Token: ")
        terminal.type(f"{far.token}\n")
        terminal.expect("lab: connected")
        assert terminal.wait() == 0
        assert far.token not in terminal.shown
    try:
        before = live(near)
        done = call(near, "run", "-c", "lab:new", "--", "cd /tmp && echo hello")
        assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
        (name,) = live(near) - before
        done = call(near, "run", "-c", name, "--", "pwd; false")
        assert (done.returncode, done.stdout) == (1, "/tmp\n")
        assert call(near, "send", name, "echo se''nt").returncode == 0
        done = call(near, "tail", "--until", r"sent\r\n", "--timeout", "60", name)
        assert done.returncode == 0, done
        assert "hello" in call(near, "tail", "-n", "1000", name).stdout
        with Terminal(near, "attach", name) as terminal:
            terminal.expect(r"sent\r\n")  # what was there is shown: it listens now
            terminal.type("echo at''tached\n")
            terminal.expect(r"attached\r\n")
            terminal.type("\x1d")
            terminal.wait()
        kernel = call(near, "spawn", "lab:python3").stdout.strip()
        assert kernel.startswith("lab:")
        assert kernel in call(near, "kernels", "--conn", "lab").stdout
        done = call(near, "execute", "-k", kernel[:12], "-c", "print(6 * 7)")
        assert (done.returncode, done.stdout) == (0, "42\n")
        done = call(near, "execute", "-k", "lab:python3", "-c", "import os; print(os.getcwd())")
        assert done.stdout == f"{far.root}\n"
        assert call(near, "shutdown", kernel).stdout == f"{kernel}\n"
        done = call(near, "execute", "-k", "lab:nothing", "-c", "1")
        assert done.returncode == 2
        assert "nothing" in done.stderr
    finally:
        assert call(near, "conn", "rm", "lab").returncode == 0
    done = call(near, "tail", "nowhere:1")
    assert (done.returncode, done.stderr) == (2, "No such connection: nowhere\n")


def live(server: Server) -> set[str]:
    """The live consoles of the connection; other tests may have left ended ones of its name."""
    listed = json.loads(call(server, "consoles", "--conn", "lab", "--json").stdout)
    return {console["name"] for console in listed if console["state"] == "live"}
