"""Audit: who did what to which connection, a line each, in a file that only grows.

Every line is a JSON object and names the SHA-256 of the line before it (`before`), so that a line
that was changed, taken out or put in between is found (`verify`). What is cut off at the end is
not: send the events elsewhere where that matters. No line holds a secret, a URL or a file's name.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

# Then the file is put aside as `….1`, in place of an older one: some 50,000 lines each.
MAX_BYTES = 16 << 20


class Broken(ValueError):
    """A line does not follow from the one before it; `line` is its number, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} does not follow from the line before it")
        self.line = line


class Audit:
    """The file at `path` (0600). A disk that takes nothing stops nobody: it is told to the log."""

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
        self._before: str | None = None  # not known before the first line
        self._lock = asyncio.Lock()

    async def write(self, **record: str) -> None:
        """Append a record, with the time; back when it is on its way to the disk."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": now.replace("+00:00", "Z"), **record}
        async with self._lock:
            try:
                await asyncio.shield(asyncio.to_thread(self._append, line))
            except OSError as error:
                self._log.error("The audit log cannot be written: %s", error)

    def _append(self, record: dict[str, str]) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._before is None:
            self._before = _last(self._path)
        line = msgspec.json.encode({**record, "before": self._before})
        if self._size() + len(line) > self._max_bytes:
            os.replace(self._path, self._path.with_name(f"{self._path.name}.1"))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(self._path, flags, 0o600), "wb") as file:
            file.write(line + b"\n")
        self._before = _digest(line)

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0


def verify(path: Path) -> int:
    """How many lines the file has; raises Broken where one is not what was written."""
    count, before = 0, None
    with path.open("rb") as file:
        for count, line in enumerate(file, 1):
            try:
                said = msgspec.json.decode(line, type=dict[str, str])["before"]
            except (msgspec.MsgspecError, KeyError):
                raise Broken(count) from None
            if before is not None and said != before:
                raise Broken(count)
            before = _digest(line.rstrip(b"\n"))
    return count


def _last(path: Path) -> str:
    """The digest of the last line; empty where there is none."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return ""
    return _digest(lines[-1]) if lines else ""


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
