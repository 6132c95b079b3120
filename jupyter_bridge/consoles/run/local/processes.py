"""What the processes in a terminal are doing, from /proc; without it nothing is known."""

from __future__ import annotations

import os
from collections.abc import Iterator

# The numbers of read(2): x86-64, and the table of the newer architectures (arm64, riscv64).
_READ = {"x86_64": "0"}.get(os.uname().machine, "63")


def at_work(pid: int) -> str | None:
    """Return the name of the process that a shell waits for: its last descendant, or itself."""
    while children := _read(f"/proc/{pid}/task/{pid}/children").split():
        pid = int(children[-1])
    return _read(f"/proc/{pid}/comm").strip() or None


def reader_of_terminal(group: int) -> str | None:
    """Return the name of a process of the group that waits for a key of its terminal, or None."""
    for pid in _members(group):
        call = _read(f"/proc/{pid}/syscall").split()
        if len(call) > 1 and call[0] == _READ and _is_terminal(pid, int(call[1], 16)):
            return _read(f"/proc/{pid}/comm").strip() or None
    return None


def _members(group: int) -> Iterator[int]:
    """Yield the processes of a group, its leader first."""
    yield group
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit() and int(name) != group:
            fields = _read(f"/proc/{name}/stat").rpartition(")")[2].split()
            if len(fields) > 2 and fields[2] == str(group):
                yield int(name)


def _is_terminal(pid: int, number: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/fd/{number}").startswith(("/dev/pts/", "/dev/tty"))
    except OSError:
        return False


def _read(path: str) -> str:
    """Return a file's text; empty if the process has ended, or is another user's."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
