"""The kernel's mount table, and a probe whether a mount answers. Nothing here blocks."""

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
    """One line of the mount table; `device` (major:minor) is unique while it is mounted."""

    mountpoint: str
    device: str
    kind: str
    source: str


def read() -> list[MountEntry]:
    """Return all mounts of this process's namespace, oldest first, without accessing any."""
    entries = []
    for line in TABLE.read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        fields, (kind, source, *_) = before.split(b" "), after.split(b" ")
        entries.append(MountEntry(_text(fields[4]), _text(fields[2]), _text(kind), _text(source)))
    return entries


def at(mountpoint: str) -> MountEntry | None:
    """Return the topmost mount exactly at `mountpoint`, an absolute, resolved path."""
    found = [entry for entry in read() if entry.mountpoint == mountpoint]
    return found[-1] if found else None


def _text(field: bytes) -> str:
    return os.fsdecode(_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), field))


class MountProbe:
    """Asks a mount whether it answers, one question at a time.

    A dead remote blocks the asking thread in the kernel, where nothing can interrupt it. So each
    question has a thread of its own that may be left behind, never one of a shared pool.
    """

    def __init__(self, mountpoint: str) -> None:
        self._mountpoint = mountpoint
        self._question: threading.Thread | None = None

    async def answers(self, timeout: float) -> bool:
        """Tell whether the mount answers within `timeout` seconds."""
        if self._question is not None and self._question.is_alive():
            return False
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def set_answer(alive: bool) -> None:
            if not answer.done():
                answer.set_result(alive)

        def ask() -> None:
            try:
                os.statvfs(self._mountpoint)
                alive = True
            except OSError as error:
                # A file system that refuses does answer; one that has lost its process does not.
                alive = error.errno in (errno.EACCES, errno.EPERM, errno.ENOSYS)
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(set_answer, alive)

        self._question = threading.Thread(target=ask, name="bridge-mount-question", daemon=True)
        self._question.start()
        try:
            return await within(timeout, answer)
        except asyncio.TimeoutError:
            return False
