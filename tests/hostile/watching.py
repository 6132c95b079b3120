"""A second client of an attacked server, which measures latency and the server's memory."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from tests.conftest import Server

# The time between two requests of the second client, seconds.
PERIOD = 0.05
REPOSITORY = Path(__file__).parents[2]


class Stuck(Exception):
    """The server does not answer, or uses too much memory."""


@dataclass
class Watch:
    """Requests `/api/status` every 50 ms, each time on a new connection.

    `times` are the latencies in ms. It stops, with the reason in `failed`, after an answer that
    takes more than `patience` seconds, or when the server has grown by more than `memory` bytes.
    """

    server: Server
    patience: float = 30.0
    memory: int = 1 << 31
    times: list[float] = field(default_factory=list)
    failed: str = ""
    start: int = 0
    peak: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def worst(self) -> float:
        """ms."""
        return max(self.times, default=0.0)

    def rss(self) -> int:
        return int(psutil.Process(self.server.process.pid).memory_info().rss)

    def run(self) -> None:
        while not self.failed and not self._stop.is_set():
            begun = time.monotonic()
            self._ask()
            self._weigh()
            self._stop.wait(max(0.0, PERIOD - (time.monotonic() - begun)))

    def _ask(self) -> None:
        at = urlsplit(self.server.url)
        begun = time.perf_counter()
        line = http.client.HTTPConnection(str(at.hostname), at.port, timeout=self.patience)
        try:
            line.request("GET", f"{at.path}api/status", headers=self.server.headers)
            line.getresponse().read()  # the host may answer 500 while it starts a kernel
        except TimeoutError:
            self.failed = f"no answer in {self.patience:.0f} s"
        except (OSError, http.client.HTTPException) as error:
            self.failed = f"no answer: {error!r}"
        finally:
            line.close()
        self.times.append(1e3 * (time.perf_counter() - begun))

    def _weigh(self) -> None:
        try:
            self.peak = max(self.peak, self.rss())
        except psutil.Error:
            self.failed = self.failed or "the server is gone"
        if not self.failed and self.peak - self.start > self.memory:
            self.failed = f"grown by more than {self.memory / 1e9:.1f} GB"


@contextmanager
def watching(server: Server, patience: float = 30.0, memory: int = 1 << 31) -> Iterator[Watch]:
    """Run a Watch in a thread during the block."""
    watch = Watch(server, patience, memory)
    watch.start = watch.peak = watch.rss()
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch._stop.set()
        thread.join(patience + 5)


class Attack:
    """An attack by name, in a process of its own; prepared when this object exists."""

    def __init__(self, server: Server, name: str, seconds: float) -> None:
        self.seconds = seconds
        command = ["tests.hostile.attacking", name, server.url, str(server.root), str(seconds)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "HOSTILE_TOKEN": server.token,
                "PYTHONPATH": str(REPOSITORY),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self._process.kill()
            raise ConnectionError(f"{name} could not be prepared")

    def run(self, watch: Watch) -> int:
        """Attack for its time, and return how much it sent; -1 if the watch failed before."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        while self._process.poll() is None:
            if watch.failed:
                self._process.kill()
                break
            time.sleep(PERIOD)
        told = self._process.communicate()[0]
        return int(told) if told.strip().isdecimal() else -1
