"""Stage: two servers, a store and a home, as the examples on the pages take them for granted."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jupyter_bridge.client import Bridge, connect
from tests.conftest import Server, start_server
from tests.docs.pages import REPOSITORY, Block
from tests.docs.readers import seconds_of
from tests.support.joined import NEAR
from tests.support.terminal import environment

_MAKEFILE = "all:\n\t@echo made\ntest:\n\t@echo tests passed\n"
_NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
# What reads the id out of the last answer, and where its Location leads.
_ID = """$(python -c 'import json, sys; print(json.load(sys.stdin)["id"])' < "$LAST")"""
_LOCATION = """$(sed -n 's|.*/executions/\\([0-9a-f]*\\).*|\\1|p' "$LAST")"""


@dataclass
class Stage:
    """The servers `near` (which the examples talk to) and `far`; `home` is where they are typed."""

    near: Server
    far: Server
    home: Path
    kernel: str = ""
    remote_kernel: str = ""

    @property
    def env(self) -> dict[str, str]:
        """The reader's surroundings, with the variables that pages use without saying so."""
        url = self.near.url.rstrip("/")
        return environment(
            self.near,
            PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            HOME=str(self.home),
            LC_ALL="C.UTF-8",
            URL=url,
            B=f"{url}/bridge",
            T=self.near.token,
            auth=f"Authorization: token {self.near.token}",
            K=self.kernel,
        )

    def fill(self, text: str) -> str:
        """The text with its placeholders filled in."""
        url = self.near.url.rstrip("/")
        for shown, meant in {
            "http://127.0.0.1:8888": url,
            "ws://127.0.0.1:8888": url.replace("http", "ws", 1),
            'token="…"': f'token="{self.near.token}"',
            'kernel = "…"': f'kernel = "{self.kernel}"',
            "K=…": f"K={_ID}",
            "executions/…": f"executions/{_LOCATION}",
            "/srv/data": str(self.home / "store"),
            "cd /tmp && make": f"cd {self.home} && make",
            "lab:9f86…": self.remote_kernel,
            "lab:9f86": self.remote_kernel[:16],
            "3f2a": self.kernel[:8],
            # It wants a terminal, and the silence between two lines is not waited for.
            "asciinema play session.cast": "script -qec 'asciinema play -i 0.1 session.cast' -",
        }.items():
            text = text.replace(shown, meant)
        return text

    def line(self, text: str) -> str:
        """A line as it is typed: filled in, and stopped where it would go on."""
        text = self.fill(text)
        assert "…" not in re.sub(r"\s#.*", "", text), text
        seconds = seconds_of(text)
        return f"sleep {seconds + 1} | timeout {seconds} {text}" if seconds else text

    @contextmanager
    def set(self, block: Block) -> Iterator[None]:
        """What the block's commands expect is there; afterwards it is gone, with what they made."""
        text = block.text
        with connect(self.near.url, self.near.token) as bridge:
            if "lab:" in text or "conn=lab" in text:
                bridge.connections.add("lab", self.far.url, kind="jupyter", token=self.far.token)
            if "lab:9f86" in text:
                self.remote_kernel = bridge.spawn("lab:python3").id
            if "3f2a" in text or 'kernel = "…"' in text or ("$K" in text and "K=…" not in text):
                self.kernel = bridge.spawn("python3").id
            for name in ("1", "work"):
                makes = f'"name": "{name}"' in text
                if re.search(rf"[ /\"]{name}\b(?!:)", text) and not makes:
                    bridge.consoles.open(name)
            try:
                yield
            finally:
                _strike(bridge)
                self.kernel = self.remote_kernel = ""


def _strike(bridge: Bridge) -> None:
    there = {one.name for one in bridge.connections.list().connections}
    for conn in (*(there & {"lab"}), None):
        for console in bridge.consoles.list(conn):
            if console.kind == "terminal" or (conn and console.state == "live"):
                bridge.consoles.end(console, purge=True)
        for kernel in bridge.kernels(conn):
            bridge.shutdown(kernel)
    for name in there:
        bridge.connections.remove(name)


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Both servers, and the files that the examples name."""
    home = folder / "home"
    programs = home / "bin"
    for path in (programs, home / "store" / "raw" / "2026", home / ".jupyter"):
        path.mkdir(parents=True)
    for name, does in {"ml": ":", "bet": "echo no skull"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (programs / name).chmod(0o755)
    (home / "Makefile").write_text(_MAKEFILE)
    (home / "script.py").write_text("print('script')\n")
    (home / "store" / "raw" / "2026" / "scan.tif").write_bytes(bytes(range(256)) * 16)
    (home / ".jupyter" / "jupyter_server_config.d").symlink_to(REPOSITORY / "jupyter-config")
    (home / ".profile").write_text(f"PATH={programs}:$PATH\n")
    env = {"HOME": str(home)}
    allowed = f"--BridgeApp.transfer_roots={home}"
    near = start_server(folder / "near", NEAR, allowed, env=env)
    try:
        far = start_server(folder / "far", env=env)
        try:
            for root in (near.root, far.root):
                (root / "Makefile").write_text(_MAKEFILE)
                (root / "results.csv").write_text("a,b\n1,2\n")
                (root / "work").mkdir()
                (root / "work" / "a.ipynb").write_text(json.dumps(_NOTEBOOK))
                (root / "logs").mkdir()
                (root / "logs" / "app.log").write_text("started\n")
            yield Stage(near, far, home)
        finally:
            far.stop()
    finally:
        near.stop()
