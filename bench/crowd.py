"""Many terminals, kernels and clients on one server, and a process that counts what clients get.

The terminals and kernels are made through the host's own routes, so that a server without the
bridge can have the same ones. Each says a line a second.
"""

from __future__ import annotations

import base64
import multiprocessing
import os
import selectors
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

from bench.kernels import BRIDGE, HOST, Door, request
from jupyter_bridge.wire import console, kernel
from tests.conftest import Server

# What every terminal runs instead of a shell: small, and no new process for each line.
TALKER = '$|=1; while (1) { print "x" x 99, "\\n"; select(undef, undef, undef, 1) }'
TERMINALS = f"--ServerApp.terminado_settings={{'shell_command': ['perl', '-e', {TALKER!r}]}}"
TALK = """
import threading, time
def bench_talk():
    while True:
        print("x" * 99, flush=True)
        time.sleep(1)
threading.Thread(target=bench_talk, daemon=True).start()
"""

# How often a kernel that does not start is replaced.
TRIES = 3


@dataclass(frozen=True)
class Seat:
    """The url and the subprotocol of one client."""

    url: str
    subprotocol: str = ""


@dataclass
class Crowd:
    """The terminals and kernels of a server."""

    server: Server
    terminals: list[str] = field(default_factory=list)
    kernels: list[str] = field(default_factory=list)

    def grow(self, terminals: int, kernels: int) -> None:
        """Start more terminals and kernels, kernels four at a time."""

        def terminal(_: int) -> str:
            return str(request(self.server, "POST", "api/terminals", {})["name"])

        with ThreadPoolExecutor(4) as pool:
            self.terminals += pool.map(terminal, range(terminals))
            self.kernels += pool.map(self._kernel, range(kernels))

    def _kernel(self, _: int = 0) -> str:
        return str(request(self.server, "POST", "api/kernels", {"name": "python3"})["id"])

    def talk(self) -> None:
        """Have the kernels say a line a second; through the host, as both sides have it.

        One that did not start, as another process has taken a port of its meanwhile, is replaced.
        """
        for number, name in enumerate(self.kernels):
            for _ in range(TRIES):
                try:
                    _talk(self.server, name)
                    break
                except ConnectionError as error:
                    failed, name = error, self._kernel()
            else:
                raise failed
            self.kernels[number] = name

    def seats(self, side: str, each: int) -> list[Seat]:
        """`each` clients for every terminal and kernel, on the host's routes or the bridge's."""
        url = self.server.url
        found: list[Seat] = []
        for name in self.terminals * each:
            if side == HOST:
                found.append(Seat(f"{url}terminals/websocket/{name}?"))
            else:
                place = f"{url}bridge/tail/{name}?follow=true&lines=0"
                found.append(Seat(place, console.SUBPROTOCOL))
        for name in self.kernels * each:
            path = f"api/kernels/{name}/channels" if side == HOST else f"bridge/channels/{name}"
            found.append(Seat(f"{url}{path}?session_id={uuid.uuid4().hex}", kernel.V1))
        return found


def _talk(server: Server, kernel_id: str) -> None:
    seat = Seat(f"{server.url}api/kernels/{kernel_id}/channels?session_id=bench", kernel.V1)
    line = _connect(seat, server.token)
    with line:
        content = {"code": TALK, "silent": False, "store_history": False, "allow_stdin": False}
        payload = kernel.build_v1("shell", kernel.build_message("execute_request", content, "b"))
        head = bytes((0x82, 0xFE)) + len(payload).to_bytes(2, "big")
        line.sendall(head + bytes(4) + payload)
        heard = b""
        while b'"execute_reply"' not in heard:
            more = line.recv(1 << 16)
            if not more:
                raise ConnectionError(f"{kernel_id} hung up: {heard[-200:]!r}")
            heard += more


class Audience:
    """Clients in a separate process, which count received bytes."""

    def __init__(self, seats: Sequence[Seat], token: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process: Any = context.Process(
            target=_count, args=(list(seats), token, theirs), daemon=True
        )
        self._process.start()
        theirs.close()  # so that its end is seen here
        self._pipe.recv()  # all are seated

    def heard(self) -> list[int]:
        """Return the bytes that each client has received."""
        self._pipe.send(True)
        return list(self._pipe.recv())

    def close(self) -> None:
        self._pipe.send(False)
        self._process.join(30)


@contextmanager
def audience(seats: Sequence[Seat], token: str) -> Iterator[Audience]:
    clients = Audience(seats, token)
    try:
        yield clients
    finally:
        clients.close()


def status_times(server: Server, seconds: float, pause: float = 0.02) -> list[float]:
    """Measure the latencies of repeated requests to `/api/status`, ms."""
    times, end = [], time.monotonic() + seconds
    with Door(server) as door:
        while time.monotonic() < end:
            start = time.perf_counter()
            door.ask("GET", "api/status")
            times.append(1e3 * (time.perf_counter() - start))
            time.sleep(pause)
    return times


def _connect(seat: Seat, token: str) -> socket.socket:
    target = urlsplit(seat.url)
    line = socket.create_connection((target.hostname or "", target.port or 80), timeout=120)
    lines = [
        f"GET {target.path}?{target.query} HTTP/1.1",
        f"Host: {target.netloc}",
        f"Authorization: token {token}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]
    if seat.subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {seat.subprotocol}")
    line.sendall("\r\n".join((*lines, "", "")).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        more = line.recv(1)  # not a byte of the frames behind it
        if not more:
            raise ConnectionError(head.decode())
        head += more
    if b" 101 " not in head.split(b"\r\n")[0]:
        raise ConnectionError(head.decode())
    return line


def _count(seats: list[Seat], token: str, pipe: Connection) -> None:
    selector = selectors.DefaultSelector()
    heard = [0] * len(seats)
    with ThreadPoolExecutor(8) as pool:
        lines = list(pool.map(lambda seat: _connect(seat, token), seats))
    for number, line in enumerate(lines):
        selector.register(line, selectors.EVENT_READ, number)
    selector.register(pipe, selectors.EVENT_READ)
    pipe.send(True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is pipe:
                if not pipe.recv():
                    for line in lines:
                        line.close()
                    return
                pipe.send(heard)
            else:
                data = key.fileobj.recv(1 << 18)  # type: ignore[union-attr]
                if not data:
                    selector.unregister(key.fileobj)
                heard[key.data] += len(data)


__all__ = ["BRIDGE", "HOST", "TERMINALS", "Audience", "Crowd", "audience", "status_times"]
