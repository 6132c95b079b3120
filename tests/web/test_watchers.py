"""What a user who may only read can make the server keep: next to nothing, by whatever way in."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import Server, start_server
from tests.support.waiting import wait_until

AUTHORIZER = "tests.support.denying.Denying"
# So many at once, each with nearly all of the largest that the host or the bridge would take.
AT_ONCE = 6
# What all of them together may add to the server, bytes; docs/performance.md allows twice that.
GROWTH = 32 << 20
SHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
# Method and path, and bytes of what follows, of which all but the last arrive.
BODIES = {
    "what is typed": ("POST", "/bridge/send/file:a.txt", 16 << 20),
    "what is typed into a run": ("POST", "/bridge/runs/x/input", 16 << 20),
    "a body that nothing reads": ("GET", "/bridge/kernels", 16 << 20),
    "a body of a console": ("GET", "/bridge/tail/file:a.txt?follow=1", 16 << 20),
}
FRAMES = {
    "a tail": ("/bridge/tail/file:a.txt?follow=1", 39 << 20),
    "a watcher": ("/bridge/interact/file:a.txt?mode=watch", 39 << 20),
    "socket.io": ("/bridge/socket.io/?EIO=4&transport=websocket", 9 << 20),
}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose users may read, and nothing else."""
    server = start_server(
        tmp_path_factory.mktemp("watchers"),
        f"--ServerApp.authorizer_class={AUTHORIZER}",
        env={"TEST_ALLOWED": "read", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    (server.root / "a.txt").write_text("said\n")
    yield server
    server.stop()


def resident(server: Server) -> int:
    """Bytes of memory that the server holds."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) << 10


def dial(server: Server, head: str, more: str = "") -> socket.socket:
    at = urlsplit(server.url)
    line = socket.create_connection((str(at.hostname), int(at.port or 80)), timeout=5)
    token = f"Authorization: token {server.token}\r\n"
    line.sendall(f"{head} HTTP/1.1\r\nHost: {at.netloc}\r\n{token}{more}\r\n".encode())
    return line


def pour(line: socket.socket, size: int) -> None:
    """Send so many bytes, unless the server has had enough."""
    try:
        for _ in range(size >> 16):
            line.sendall(bytes(1 << 16))
    except OSError:
        pass


def grown(server: Server, before: int) -> int:
    """Bytes that it holds more, once it has read what was sent."""
    held = 0

    def is_still() -> bool:
        nonlocal held
        last, held = held, resident(server)
        time.sleep(0.1)
        return held == last

    wait_until(is_still, "reading")
    return held - before


@pytest.mark.parametrize("what", BODIES)
def test_bodies(reader: Server, what: str) -> None:
    """Whose body is of no use is asked for their right to send one before it is kept."""
    method, path, size = BODIES[what]
    before, lines = resident(reader), []
    try:
        for _ in range(AT_ONCE):
            lines.append(dial(reader, f"{method} {path}", f"Content-Length: {size}\r\n"))
            pour(lines[-1], size - 1)
        assert grown(reader, before) < GROWTH
    finally:
        for line in lines:
            line.close()


@pytest.mark.parametrize("what", FRAMES)
def test_frames(reader: Server, what: str) -> None:
    """A websocket that only shows something takes no frame of the size of a message."""
    path, size = FRAMES[what]
    before, lines = resident(reader), []
    try:
        for _ in range(AT_ONCE):
            lines.append(dial(reader, f"GET {path}", SHAKE))
            said = b""
            while not said.partition(b"\r\n\r\n")[2]:  # it is open when it has said something
                said += lines[-1].recv(4096) or pytest.fail(str(said))
            assert said.startswith(b"HTTP/1.1 101")
            lines[-1].sendall(b"\x82\xff" + size.to_bytes(8, "big") + bytes(4))
            pour(lines[-1], size - 1)
        assert grown(reader, before) < GROWTH
    finally:
        for line in lines:
            line.close()
