"""The bounds of a listing of files, of this host or of a remote."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jupyter_bridge.problems import Busy, Problem

# A folder with more entries, or longer paths in all, is not listed. Bytes.
MAX_ENTRIES, MAX_NAMES = 250_000, 32 << 20
# The same for a tree, with all that is below it: a short name may have a path of 4 KiB. Bytes.
MAX_FILES, MAX_NAMES_BELOW = 1_000_000, 64 << 20
# Linux allows no longer path. Characters.
MAX_PATH = 4096
# A tree that is deeper is not listed: Python's own functions call themselves for each level, and
# stop at a thousand.
MAX_DEPTH = 200
# From so many entries on a folder of this host is listed alone: 250,000 take 90 MB.
LARGE = 10_000
# The longest wait for another such listing, seconds.
_WAIT = 60.0

_alone = threading.Lock()


class Count:
    """Counts the entries of one listing, and the bytes of their paths; `what` names it."""

    def __init__(
        self, what: str, entries: int, size: int, problem: type[Problem], depth: int = MAX_PATH
    ) -> None:
        self.entries = 0
        self._size = 0
        self._most = entries
        self._most_size = size
        self._deepest = depth
        self._problem = problem(f"There are too many entries, or too long names, in {what}.")
        self._too_deep = problem(f"{what} has more than {depth} folders in each other.")

    @classmethod
    def of_folder(cls, path: str, problem: type[Problem]) -> Count:
        return cls(path or "/", MAX_ENTRIES, MAX_NAMES, problem)

    @classmethod
    def of_tree(cls, path: str, problem: type[Problem]) -> Count:
        return cls(f"{path or '/'} and below", MAX_FILES, MAX_NAMES_BELOW, problem, MAX_DEPTH)

    def add(self, path: str) -> None:
        """Count one entry; raise the problem if there are too many, or their paths too long."""
        self.entries += 1
        self._size += len(path) if path.isascii() else len(path.encode("utf-8", "surrogatepass"))
        if self.entries > self._most or self._size > self._most_size or len(path) > MAX_PATH:
            raise self._problem
        self.descend(path)

    def descend(self, path: str) -> None:
        """Raise the problem if an entry is in too many folders."""
        if path.count("/") > self._deepest:
            raise self._too_deep


@contextmanager
def alone_if_large(count: Count) -> Iterator[_Turn]:
    """Give a `_Turn`, whose `check` waits until no other large listing of this host is made."""
    turn = _Turn(count)
    try:
        yield turn
    finally:
        turn.end()


class _Turn:
    def __init__(self, count: Count) -> None:
        self._count = count
        self._holds = False

    def check(self) -> None:
        """Call it after each entry, in a thread; raises Busy if another listing takes too long."""
        if self._holds or self._count.entries < LARGE:
            return
        if not _alone.acquire(timeout=_WAIT):
            raise Busy("Another large folder is listed just now. Try again in a moment.")
        self._holds = True

    def end(self) -> None:
        if self._holds:
            self._holds = False
            _alone.release()
