"""Many terminals, kernels and clients on one server, and a process that counts what clients get.

The terminals and kernels are made through the host's own routes, so that a server without the
bridge can have the same ones. Each prints a line every second.
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

from bench.kernels import BRIDGE, HOST, HttpConnection, request
from jupyter_bridge.wire import console, kernel
from tests.conftest import Server

# Every terminal runs this instead of a shell: it is small, and starts no process per line.
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

# How often a kernel that fails to start is replaced.
TRIES = 3


@dataclass(frozen=True)
class Endpoint:
    """The URL and the subprotocol of one client."""

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
        """Make the kernels print a line every second, through the host's own routes.

        A kernel that failed to start, because another process took one of its ports, is replaced.
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

    def endpoints(self, side: str, each: int) -> list[Endpoint]:
        """Return `each` clients of every terminal and kernel, on the routes of one side."""
        url = self.server.url
        found: list[Endpoint] = []
        for name in self.terminals * each:
            if side == HOST:
                found.append(Endpoint(f"{url}terminals/websocket/{name}?"))
            else:
                place = f"{url}bridge/tail/{name}?follow=true&lines=0"
                found.append(Endpoint(place, console.SUBPROTOCOL))
        for name in self.kernels * each:
            path = f"api/kernels/{name}/channels" if side == HOST else f"bridge/channels/{name}"
            found.append(Endpoint(f"{url}{path}?session_id={uuid.uuid4().hex}", kernel.V1))
        return found


def _talk(server: Server, kernel_id: str) -> None:
    endpoint = Endpoint(f"{server.url}api/kernels/{kernel_id}/channels?session_id=bench", kernel.V1)
    socket_ = _connect(endpoint, server.token)
    with socket_:
        content = {"code": TALK, "silent": False, "store_history": False, "allow_stdin": False}
        payload = kernel.build_v1("shell", kernel.build_message("execute_request", content, "b"))
        head = bytes((0x82, 0xFE)) + len(payload).to_bytes(2, "big")
        socket_.sendall(head + bytes(4) + payload)
        received = b""
        while b'"execute_reply"' not in received:
            more = socket_.recv(1 << 16)
            if not more:
                raise ConnectionError(f"{kernel_id} hung up: {received[-200:]!r}")
            received += more


class Audience:
    """Clients in a separate process, which count received bytes."""

    def __init__(self, endpoints: Sequence[Endpoint], token: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process: Any = context.Process(
            target=_count, args=(list(endpoints), token, theirs), daemon=True
        )
        self._process.start()
        theirs.close()  # so that this process sees its end
        self._pipe.recv()  # all are connected

    def received(self) -> list[int]:
        """Return the bytes that each client has received."""
        self._pipe.send(True)
        return list(self._pipe.recv())

    def close(self) -> None:
        self._pipe.send(False)
        self._process.join(30)


@contextmanager
def audience(endpoints: Sequence[Endpoint], token: str) -> Iterator[Audience]:
    clients = Audience(endpoints, token)
    try:
        yield clients
    finally:
        clients.close()


def status_times(server: Server, seconds: float, pause: float = 0.02) -> list[float]:
    """Measure the latencies of repeated requests to `/api/status`, ms."""
    times, end = [], time.monotonic() + seconds
    with HttpConnection(server) as connection:
        while time.monotonic() < end:
            start = time.perf_counter()
            connection.ask("GET", "api/status")
            times.append(1e3 * (time.perf_counter() - start))
            time.sleep(pause)
    return times


def _connect(endpoint: Endpoint, token: str) -> socket.socket:
    target = urlsplit(endpoint.url)
    socket_ = socket.create_connection((target.hostname or "", target.port or 80), timeout=120)
    lines = [
        f"GET {target.path}?{target.query} HTTP/1.1",
        f"Host: {target.netloc}",
        f"Authorization: token {token}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
    ]
    if endpoint.subprotocol:
        lines.append(f"Sec-WebSocket-Protocol: {endpoint.subprotocol}")
    socket_.sendall("\r\n".join((*lines, "", "")).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        more = socket_.recv(1)  # not a byte of the frames after it
        if not more:
            raise ConnectionError(head.decode())
        head += more
    if b" 101 " not in head.split(b"\r\n")[0]:
        raise ConnectionError(head.decode())
    return socket_


def _count(endpoints: list[Endpoint], token: str, pipe: Connection) -> None:
    selector = selectors.DefaultSelector()
    received = [0] * len(endpoints)
    with ThreadPoolExecutor(8) as pool:
        sockets = list(pool.map(lambda endpoint: _connect(endpoint, token), endpoints))
    for number, socket_ in enumerate(sockets):
        selector.register(socket_, selectors.EVENT_READ, number)
    selector.register(pipe, selectors.EVENT_READ)
    pipe.send(True)
    while True:
        for key, _ in selector.select():
            if key.fileobj is pipe:
                if not pipe.recv():
                    for socket_ in sockets:
                        socket_.close()
                    return
                pipe.send(received)
            else:
                data = key.fileobj.recv(1 << 18)  # type: ignore[union-attr]
                if not data:
                    selector.unregister(key.fileobj)
                received[key.data] += len(data)


__all__ = ["BRIDGE", "HOST", "TERMINALS", "Audience", "Crowd", "audience", "status_times"]
