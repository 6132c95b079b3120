"""A websocket client that uses little CPU, and listeners in a separate process.

The clients must not dominate the measurement: frames are sent with a zero mask, listeners only
search the received bytes for numbered marks, and Nagle's algorithm is off in the client.
"""

from __future__ import annotations

import base64
import multiprocessing
import os
import re
import selectors
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

from jupyter_bridge.wire import kernel

# Each message of a benchmark contains its number in this form. PROBE asks "are you connected?".
MARK = re.compile(rb"@(\d{7})@")
PROBE = 9_999_999
_MARK_SIZE = 9
# A listener stops after so long without a message, seconds.
QUIET = 1.5


class Socket:
    """A blocking websocket that sends and receives whole frames."""

    def __init__(
        self, url: str, token: str, *, receive_buffer: int = 0, timeout: float = 60
    ) -> None:
        target = urlsplit(url)
        self.raw = socket.socket()
        if receive_buffer:
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.raw.settimeout(timeout)
        self.raw.connect((target.hostname or "", target.port or 80))
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = (
            f"GET {target.path}?{target.query} HTTP/1.1",
            f"Host: {target.netloc}",
            f"Authorization: token {token}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            f"Sec-WebSocket-Protocol: {kernel.V1}",
        )
        self.raw.sendall("\r\n".join((*lines, "", "")).encode())
        self.buffer = bytearray()
        while b"\r\n\r\n" not in self.buffer:
            self._fill()
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head.decode())
        self.buffer = bytearray(rest)

    def _fill(self) -> None:
        data = self.raw.recv(1 << 18)
        if not data:
            raise ConnectionError("the server has closed the websocket")
        self.buffer += data

    def send(self, payload: bytes) -> None:
        """Send one binary frame; its mask is zero, so that the payload is unchanged."""
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x82, 0x80 | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", 0x82, 0xFE, size)
        else:
            head = struct.pack("!BBQ", 0x82, 0xFF, size)
        self.raw.sendall(head + bytes(4) + payload)

    def receive(self) -> bytes:
        """Return the payload of the next binary frame."""
        while True:
            opcode, payload = self._receive()
            if opcode == 2:
                return payload
            if opcode == 8:
                raise ConnectionError(f"the server closed: {payload!r}")

    def _receive(self) -> tuple[int, bytes]:
        while len(self.buffer) < 2:
            self._fill()
        start, size = 2, self.buffer[1]
        if size >= 126:
            start, code = (4, "!H") if size == 126 else (10, "!Q")
            while len(self.buffer) < start:
                self._fill()
            (size,) = struct.unpack_from(code, self.buffer, 2)
        while len(self.buffer) < start + size:
            self._fill()
        opcode = self.buffer[0] & 15
        payload = bytes(memoryview(self.buffer)[start : start + size])
        del self.buffer[: start + size]
        return opcode, payload

    def round_trip(self, code: str) -> float:
        """Return the seconds from an execute_request until its reply and `idle` have arrived."""
        start = time.perf_counter()
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        parts = kernel.build_message("execute_request", content, "bench")
        msg_id = kernel.parse_header(parts[0]).msg_id
        self.send(kernel.build_v1("shell", parts))
        waiting = {"reply", "idle"}
        while waiting:
            frame = self.receive()
            if b'"execute_reply"' not in frame[:400] and b'"idle"' not in frame[-60:]:
                continue
            channel, parts = kernel.parse_v1(frame)
            if kernel.parse_header(parts[1]).msg_id == msg_id:
                waiting.discard("reply" if channel == "shell" else "idle")
        return time.perf_counter() - start

    def close(self) -> None:
        self.raw.close()


# -- listeners ---------------------------------------------------------------------------------


@dataclass
class Received:
    """The numbers of the messages that one listener received, in order."""

    numbers: list[int] = field(default_factory=list)
    probed: bool = False
    tail: bytes = b""

    def feed(self, data: bytes) -> None:
        data = self.tail + data
        end = 0
        for mark in MARK.finditer(data):
            number, end = int(mark[1]), mark.end()
            if number == PROBE:
                self.probed = True
            else:
                self.numbers.append(number)
        self.tail = data[max(end, len(data) - _MARK_SIZE + 1) :]

    def lost(self, count: int) -> int:
        return count - len(set(self.numbers))

    @property
    def twice(self) -> int:
        return len(self.numbers) - len(set(self.numbers))

    @property
    def ordered(self) -> bool:
        return self.numbers == sorted(self.numbers)


class Listeners:
    """Clients in another process, one for each URL, that read everything."""

    def __init__(self, urls: Sequence[str], token: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process: Any = context.Process(
            target=_listen, args=(list(urls), token, theirs), daemon=True
        )
        self._process.start()

    @property
    def live(self) -> bool:
        """Tell whether every listener has received a probe."""
        return self._pipe.poll(0.3) and bool(self._pipe.recv())

    def finish(self, count: int) -> list[Received]:
        """Wait until all have `count` messages, or no more arrive; return the numbers of each."""
        self._pipe.send(count)
        received: list[Received] = self._pipe.recv()
        self._process.join()
        return received


def _listen(urls: list[str], token: str, pipe: Connection) -> None:
    selector = selectors.DefaultSelector()
    received = [Received() for _ in urls]
    sockets = [Socket(url, token) for url in urls]
    for one, ears in zip(sockets, received, strict=True):
        ears.feed(bytes(one.buffer))
        selector.register(one.raw, selectors.EVENT_READ, ears)
    selector.register(pipe, selectors.EVENT_READ)
    wanted: int | None = None
    told = False
    last = time.monotonic()
    while True:
        for key, _ in selector.select(0.1):
            if key.data is None:
                wanted = pipe.recv()
                continue
            last = time.monotonic()
            data = key.fileobj.recv(1 << 20)  # type: ignore[union-attr]
            if not data:
                selector.unregister(key.fileobj)
            key.data.feed(data)
        if not told and all(ears.probed for ears in received):
            pipe.send(told := True)
        if wanted is not None and (
            all(len(ears.numbers) >= wanted for ears in received) or time.monotonic() - last > QUIET
        ):
            break
    for one in sockets:
        one.close()
    pipe.send(received)
