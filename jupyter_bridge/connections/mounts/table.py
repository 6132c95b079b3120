"""The kernel's mount table, and the question whether a mount still answers. Nothing here blocks."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from jupyter_bridge.aio.deadline import within

# proc(5), section /proc/pid/mountinfo.
TABLE = Path("/proc/self/mountinfo")
_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True)
class MountEntry:
    """One line of the mount table; `device` (major:minor) names this very mount while it lives."""

    mountpoint: str
    device: str
    kind: str
    source: str


def read() -> list[MountEntry]:
    """All mounts of this process's namespace, oldest first; no mount is touched."""
    entries = []
    for line in TABLE.read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        fields, (kind, source, *_) = before.split(b" "), after.split(b" ")
        entries.append(MountEntry(_text(fields[4]), _text(fields[2]), _text(kind), _text(source)))
    return entries


def at(mountpoint: str) -> MountEntry | None:
    """What is mounted exactly at `mountpoint` (an absolute, resolved path), the topmost one."""
    found = [entry for entry in read() if entry.mountpoint == mountpoint]
    return found[-1] if found else None


def _text(field: bytes) -> str:
    return os.fsdecode(_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field))


class MountProbe:
    """Asks a mount whether it answers; while one question is open no other is asked.

    A dead remote holds whoever asks in the kernel, where nothing can interrupt it: so each
    question has a thread of its own that may stay behind, and never one of a shared pool.
    """

    def __init__(self, mountpoint: str) -> None:
        self._mountpoint = mountpoint
        self._asking: threading.Thread | None = None

    async def answers(self, timeout: float) -> bool:
        """Whether the mount answered within `timeout` seconds."""
        if self._asking is not None and self._asking.is_alive():
            return False
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def tell(alive: bool) -> None:
            if not answer.done():
                answer.set_result(alive)

        def ask() -> None:
            try:
                os.statvfs(self._mountpoint)
                alive = True
            except OSError as error:
                # A file system that refuses is there; one that has lost its process is not.
                alive = error.errno in (errno.EACCES, errno.EPERM, errno.ENOSYS)
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(tell, alive)

        self._asking = threading.Thread(target=ask, name="bridge-mount-question", daemon=True)
        self._asking.start()
        try:
            return await within(timeout, answer)
        except asyncio.TimeoutError:
            return False
