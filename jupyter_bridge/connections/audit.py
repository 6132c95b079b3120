"""Audit: a log of who did what to which connection, one line each.

Every line is a JSON object with the SHA-256 of the line before it (`before`), so that `verify`
finds a line that was changed, removed or inserted. It does not find a removed end: if that matters,
send the events elsewhere. No line has a secret, a URL or a file's name.

    python -m jupyter_bridge.connections.audit FILE      verifies FILE.1 and FILE

Several servers of one user may share the file. Each line is written under a lock beside the file,
after reading the last line from the disk. A full file is renamed to `….1`, under the same lock. A
partial line that a crash left is replaced by a line `{"torn": <its text>}`. Lines that could not be
written are counted in the next line that is: `{"missed": "3"}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import io
import logging
import os
import sys
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from jupyter_bridge.aio.loop_thread import in_daemon_thread
from jupyter_bridge.aio.task_set import ended
from jupyter_bridge.private_files import (
    alone,
    lock_of,
    open_private,
    open_regular,
    private_folder,
)
from jupyter_bridge.wire.json_errors import JSON_ERRORS

# At this size the file is renamed to `….1`, replacing an older one: some 50,000 lines each.
MAX_BYTES = 16 << 20
# How long to wait for the lock. Another server writes a few lines meanwhile.
LOCK_SECONDS = 5.0
# How long a request waits for its line, should the disk hang.
WAIT_SECONDS = 5.0
# Lines that may wait for the disk, some 300 bytes each; more are counted as missed.
MAX_WAITING = 1000
# Bytes kept of a partial line that a crash left; a whole line has some 300.
TORN_BYTES = 4096
# The longest line that is looked for at the end of the file, bytes.
MAX_LINE = 1 << 20
_BLOCK = 4096


class ChainBroken(ValueError):
    """A line does not match the line before it; `line` is its number in `path`, from 1."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path}: line {line} does not match the line before it")
        self.path = path
        self.line = line


class Audit:
    """The file at `path` (0600). If the disk fails or hangs, the log says so, and work goes on."""

    def __init__(
        self,
        path: Path,
        log: logging.Logger | logging.LoggerAdapter[Any],
        *,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._path = path
        self._log = log
        self._max_bytes = max_bytes
        self._waiting: deque[dict[str, str]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._missed = 0

    async def write(self, **record: str) -> None:
        """Append a record with the time; return when it is written, or after WAIT_SECONDS."""
        if len(self._waiting) >= MAX_WAITING:
            self._miss("the disk does not respond")
            return
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._waiting.append({"time": now.replace("+00:00", "Z"), **record})
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())
        await asyncio.wait({self._writing}, timeout=WAIT_SECONDS)

    async def close(self) -> None:
        """Wait for the lines under way, at most WAIT_SECONDS. Closing twice is fine."""
        writing, self._writing = self._writing, None
        if writing is not None and not writing.done():
            await asyncio.wait({writing}, timeout=WAIT_SECONDS)
            writing.cancel()
            await ended([writing])

    async def _write(self) -> None:
        while self._waiting:
            record, missed = self._waiting[0], self._missed
            if missed:
                record = {**record, "missed": str(missed)}
            try:
                await in_daemon_thread(self._append, record)
                self._missed -= missed
            except OSError as error:
                self._miss(error)
            self._waiting.popleft()

    def _miss(self, reason: object) -> None:
        self._missed += 1
        self._log.error("The audit log cannot be written: %s", reason)

    # -- in a thread ---------------------------------------------------------------------------

    def _append(self, record: dict[str, str]) -> None:
        private_folder(self._path.parent)
        with alone(self._path, LOCK_SECONDS):
            last, whole, torn = _tail(self._path)
            if not whole:  # a new file, or a server ended just after it renamed the full one
                last = _tail(_older(self._path))[0]
            data = b""
            if torn:
                text = torn[:TORN_BYTES].decode("utf-8", "replace")
                last = _line({"time": record["time"], "torn": text}, last)
                data = last + b"\n"
            data += _line(record, last) + b"\n"
            if whole and whole + len(data) > self._max_bytes:
                if torn:
                    os.truncate(self._path, whole)
                os.replace(self._path, _older(self._path))
                whole = 0
            self._write_at(whole, data)

    def _write_at(self, end: int, data: bytes) -> None:
        """Write `data` after the first `end` bytes, as a whole or not at all."""
        file = open_private(self._path, os.O_WRONLY)
        try:
            os.ftruncate(file, end)
            try:
                if os.pwrite(file, data, end) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            except OSError:
                os.ftruncate(file, end)
                raise
        finally:
            os.close(file)


def verify(path: Path) -> int:
    """Return how many lines `….1` and the file have; raise Broken if one was changed.

    The first line must match the last one of `….1`, if there is one. Lines older than `….1` cannot
    be checked, as they are deleted.
    """
    older = _older(path)
    with _unless_copied(path):
        before, count = _follow(older, None) if older.exists() else ("", 0)
        return count + _follow(path, before)[1]


@contextlib.contextmanager
def _unless_copied(path: Path) -> Iterator[None]:
    """Hold the lock of a server's own file; a copy has none, nor needs one.

    No file is made: whoever verifies may be another user, and the folder may be read-only.
    """
    if os.path.lexists(lock_of(path)):
        with alone(path, LOCK_SECONDS):
            yield
    else:
        yield


def _follow(path: Path, before: str | None) -> tuple[str, int]:
    """Return the digest of the last line and the number of lines; None skips the first check."""
    count = 0
    with io.BufferedReader(open_regular(path)) as file:
        lines = iter(lambda: file.readline(MAX_LINE), b"")
        for count, line in enumerate(lines, 1):
            try:
                recorded = msgspec.json.decode(line, type=dict[str, str])["before"]
            except (*JSON_ERRORS, KeyError):
                raise ChainBroken(path, count) from None
            if before is not None and recorded != before:
                raise ChainBroken(path, count)
            before = _digest(line.rstrip(b"\n"))
    return before or "", count


def _tail(path: Path) -> tuple[bytes, int, bytes]:
    """Return the last whole line, the offset of its end, and a partial line after it."""
    try:
        file = open_regular(path)
    except FileNotFoundError:
        return b"", 0, b""
    with file:
        start, data = os.fstat(file.fileno()).st_size, b""
        while start > 0 and data.count(b"\n") < 2:
            if len(data) > MAX_LINE:
                raise OSError(errno.EFBIG, "its last line is too long", str(path))
            step = min(max(_BLOCK, len(data)), start)  # doubled: linear in a line of any length
            start -= step
            data = os.pread(file.fileno(), step, start) + data
    head, _, torn = data.rpartition(b"\n")
    return head.rpartition(b"\n")[2], start + len(data) - len(torn), torn


def _line(record: dict[str, str], last: bytes) -> bytes:
    """Return the record as the line after `last`, which is empty for the first line."""
    return msgspec.json.encode({**record, "before": _digest(last) if last else ""})


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def main() -> None:
    """Verify the file that the command line names; exit with 1 if it is broken or unreadable."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m jupyter_bridge.connections.audit FILE")
    try:
        sys.stdout.write(f"{verify(Path(sys.argv[1]))} lines, none was changed\n")
    except (ChainBroken, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
