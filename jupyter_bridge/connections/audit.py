"""Audit: who did what to which connection, one line each, in a file that only grows.

Every line is a JSON object and names the SHA-256 of the line before it (`before`), so that a line
that was changed, removed or inserted is found (`verify`). A removed end is not found: send the
events elsewhere where that matters. No line holds a secret, a URL or a file's name.

    python -m jupyter_bridge.connections.audit FILE      verifies FILE, and FILE.1 before it

Several servers of one user may share the file. Each line is written under a lock beside the file,
after reading the last line from the disk. When the file is full it becomes `….1`, under the same
lock. The half line that a crash leaves is replaced by a line `{"torn": <its text>}`. Lines that
could not be written are counted, and the next line that can be says how many: `{"missed": "3"}`.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import sys
from collections import deque
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from jupyter_bridge.aio.loop_thread import in_daemon_thread
from jupyter_bridge.aio.task_set import ended
from jupyter_bridge.private_files import alone, open_private, private_folder

# Then the file is put aside as `….1`, in place of an older one: some 50,000 lines each.
MAX_BYTES = 16 << 20
# How long the server that holds the lock is waited for. It writes a few lines in that time.
LOCK_SECONDS = 5.0
# How long a request waits for its line. A disk that hangs holds up nobody for longer.
WAIT_SECONDS = 5.0
# Lines that wait for a disk that hangs, some 300 bytes each; more are counted as missed.
MAX_WAITING = 1000
# What is kept of a half line that a crash left, in bytes; a whole one has some 300.
TORN_BYTES = 4096
_BLOCK = 4096


class ChainBroken(ValueError):
    """A line does not follow from the one before it; `line` is its number in `path`, from 1."""

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(f"{path}: line {line} does not follow from the line before it")
        self.path = path
        self.line = line


class Audit:
    """The file at `path` (0600). A disk that fails or hangs stops nobody; the log tells of it."""

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
        """Append a record, with the time; returns when the file has it, or after WAIT_SECONDS."""
        if len(self._waiting) >= MAX_WAITING:
            self._miss("the disk does not answer")
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
            if not whole:  # new, or a server ended just after it put the full file aside
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
        """Put `data` behind the first `end` bytes, whole or not at all."""
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
    """How many lines `….1` and the file have; raises Broken where one is not what was written.

    The first line has to follow from nothing, or from the last one of `….1`. A full file is put
    aside in place of an older one: what stood before `….1` nobody can check any more.
    """
    older = _older(path)
    with alone(path, LOCK_SECONDS):
        before, count = _follow(older, None) if older.exists() else ("", 0)
        return count + _follow(path, before)[1]


def _follow(path: Path, before: str | None) -> tuple[str, int]:
    """The digest of the last line and the number of lines; None follows from anything."""
    count = 0
    with path.open("rb") as file:
        for count, line in enumerate(file, 1):
            try:
                said = msgspec.json.decode(line, type=dict[str, str])["before"]
            except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
                raise ChainBroken(path, count) from None
            if before is not None and said != before:
                raise ChainBroken(path, count)
            before = _digest(line.rstrip(b"\n"))
    return before or "", count


def _tail(path: Path) -> tuple[bytes, int, bytes]:
    """The last whole line, how many bytes end with it, and the half line behind it."""
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return b"", 0, b""
    with file:
        start, data = os.fstat(file.fileno()).st_size, b""
        while start > 0 and data.count(b"\n") < 2:
            step = min(_BLOCK, start)
            start -= step
            data = os.pread(file.fileno(), step, start) + data
    head, _, torn = data.rpartition(b"\n")
    return head.rpartition(b"\n")[2], start + len(data) - len(torn), torn


def _line(record: dict[str, str], last: bytes) -> bytes:
    """The record as the line that follows `last`; an empty `last` means that there is none."""
    return msgspec.json.encode({**record, "before": _digest(last) if last else ""})


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def main() -> None:
    """Verify the file that the command line names; exits 1 where it is broken."""
    path = Path(sys.argv[1])
    try:
        sys.stdout.write(f"{verify(path)} lines, each as it was written\n")
    except ChainBroken as broken:
        sys.exit(str(broken))


if __name__ == "__main__":
    main()
