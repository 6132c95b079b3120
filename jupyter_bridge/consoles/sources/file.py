"""A growing file, followed like `tail -F`, and its bytes as a console's Log.

Nothing is copied: the file itself is the log. After a rotation (the file is renamed and a new one
created) the new file's bytes follow the old one's. A truncation is a gap. Old files stay readable
while the console is open.
"""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jupyter_bridge.aio.first_use import imported
from jupyter_bridge.aio.serial_worker import SerialWorker, in_worker
from jupyter_bridge.consoles.journal.line_search import furthest, search
from jupyter_bridge.consoles.last_line import LOOK_BYTES
from jupyter_bridge.interfaces import Exit, Source
from jupyter_bridge.problems import BadRequest, NotFound, Unsupported

# How often the file is checked if the system reports no changes (network file systems).
POLL_SECONDS = 1.0
# How fast changes are reported, milliseconds.
STEP_MILLISECONDS = 20
# How long closing waits for a file system that does not answer.
CLOSE_SECONDS = 1.0
# How long the thread of an idle file waits for more work, seconds: many files may be read in turn.
WORKER_SECONDS = 0.5
# The most files held open, rotated ones included.
MAX_PIECES = 8
# How much is read at each check, for `recent`.
RECENT_BYTES = LOOK_BYTES


@dataclass
class FilePart:
    """A file, or its part before it was truncated or replaced."""

    base: int
    number: int
    size: int

    @property
    def end(self) -> int:
        return self.base + self.size


class FileLog:
    """The bytes of a followed file. `refresh` checks for changes; reading is thread-safe."""

    def __init__(self, path: Path, worker: SerialWorker | None = None) -> None:
        self.path = path
        self.worker = worker or SerialWorker()
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._gap = 0
        number, status = _open_regular(path)
        self.epoch = f"{status.st_dev:x}-{status.st_ino:x}"
        self._pieces = [FilePart(0, number, status.st_size)]
        self._recent = _read_end(number, status.st_size)

    @property
    def first_offset(self) -> int:
        return self._pieces[0].base

    @property
    def end_offset(self) -> int:
        return self._pieces[-1].end

    def refresh(self) -> bool:
        """Check the file; return whether anything is new. Reads the disk."""
        # The disk may hang: readers on the event loop never wait for this lock.
        with self._looking:
            with self._lock:
                last = self._pieces[-1]
                if last.number < 0:
                    return False
                before = (len(self._pieces), last.end, last.base)
                number = os.dup(last.number)  # close() may come at any time
            try:
                here, found = os.fstat(number), self._replacement(number)
                # Bytes written up to the rotation belong to the old file.
                size = os.fstat(number).st_size if found is not None else here.st_size
            finally:
                os.close(number)
            with self._lock:
                last = self._pieces[-1]
                if last.number < 0:
                    if found is not None:
                        os.close(found[0])
                    return False
                if here.st_size < last.size:
                    # An unknown number of bytes is lost: the gap is one byte.
                    self._pieces[-1] = FilePart(last.end + 1, last.number, max(size, here.st_size))
                else:
                    last.size = max(size, last.size)
                if found is not None:
                    self._pieces.append(FilePart(self._pieces[-1].end, found[0], found[1].st_size))
                    if len(self._pieces) > MAX_PIECES:
                        os.close(self._pieces.pop(0).number)
                last = self._pieces[-1]
                changed = before != (len(self._pieces), last.end, last.base)
                number, size = os.dup(last.number), last.size
            try:
                if changed:
                    self._recent = _read_end(number, size)
            finally:
                os.close(number)
            return changed

    def _replacement(self, number: int) -> tuple[int, os.stat_result] | None:
        """Open the file that is at the path now, if it is another one than this."""
        try:
            here, there = os.stat(self.path), os.fstat(number)
            if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
                return None
            return _open_regular(self.path)
        except (OSError, NotFound, BadRequest):
            return None  # missing just now, or not a file: the old one is followed

    def recent(self, max_bytes: int) -> bytes:
        """Return the end of the file as of the last check, RECENT_BYTES at most."""
        return self._recent[-max_bytes:]

    def near(self, offset: int) -> bool:
        return False

    def held(self, offset: int) -> int:
        with self._lock:
            for piece in self._pieces:
                if offset < piece.end:
                    return max(offset, piece.base)
            return max(offset, self._pieces[-1].end)

    def behind(self, offset: int) -> int:
        with self._lock:
            for piece in reversed(self._pieces):
                if piece.base < offset and piece.size:
                    return min(offset, piece.end)
            return self._pieces[0].base

    def read(self, offset: int, max_bytes: int) -> bytes:
        with self._lock:
            at = bisect_right(self._pieces, offset, key=lambda piece: piece.end)
            if at >= len(self._pieces) or offset < self._pieces[at].base:
                return b""
            piece = self._pieces[at]
            if piece.number < 0:
                return b""
            most, start = min(max_bytes, piece.end - offset), offset - piece.base
            number = os.dup(piece.number)
        try:
            return os.pread(number, most, start)
        finally:
            os.close(number)

    def tail(self, lines: int) -> int:
        floor = max(self.first_offset, furthest(self, lines))
        return search(self, lines, floor)[0] if lines > 0 else self.end_offset

    def since(self, when: float) -> int:
        raise Unsupported("A file's lines have no times; use lines or offset instead of since.")

    def times(self, start: int, end: int) -> list[tuple[int, float]]:
        return []

    def time_of(self, offset: int) -> float | None:
        return None

    def close(self) -> None:
        """Close all files; later reads return nothing. Twice is fine."""
        with self._lock:
            for piece in self._pieces:
                number, piece.number = piece.number, -1
                if number >= 0:
                    os.close(number)


class FileSource(Source):
    """Reports changes of a FileLog; it takes no input."""

    kind = "file"

    def __init__(self, log: FileLog, title: str) -> None:
        self.log = log
        self.title = title
        self._stop = asyncio.Event()
        self._closed = False
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: list[asyncio.Task[None]] = []  # cancelled
        self._on_output: Callable[[bytes], None] = lambda data: None

    @classmethod
    async def find(cls, root: Path, path: str, *, allow_hidden: bool) -> FileSource:
        """Return the source for a path below `root`; raises NotFound or BadRequest."""
        # Its own from the first check: the file system may hang.
        worker = SerialWorker(WORKER_SECONDS)
        found = await in_worker(worker, _resolve, root, path, allow_hidden)
        return cls(await in_worker(worker, FileLog, found, worker), path)

    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        self._on_output = on_output

    def follow(self) -> None:
        """Watch the file until `rest`."""
        if not self._tasks and not self._closed:
            self._stop = stop = asyncio.Event()
            watching = (self._watch(stop), self._poll(stop))
            self._tasks = [asyncio.ensure_future(each) for each in watching]

    def rest(self) -> None:
        """Watch the file no longer: nobody waits for more of it."""
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        self._ending = [task for task in (*self._ending, *self._tasks) if not task.done()]
        self._tasks = []

    async def _watch(self, stop: asyncio.Event) -> None:
        await imported("watchfiles")
        import watchfiles

        try:
            async for _ in watchfiles.awatch(
                self.log.path.parent,
                stop_event=stop,
                step=STEP_MILLISECONDS,
                debounce=STEP_MILLISECONDS,
                recursive=False,
                watch_filter=None,
                rust_timeout=1000,
            ):
                await self.look()
        except (OSError, RuntimeError):
            pass  # no watches left, or the folder is gone: _poll continues

    async def _poll(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.look()
            await asyncio.sleep(POLL_SECONDS)

    async def look(self) -> None:
        """Check the file once."""
        if await in_worker(self.log.worker, self.log.refresh):
            self._on_output(b"")  # wakes the readers; the log has the bytes already

    async def write(self, data: bytes) -> None:
        raise Unsupported("A file takes no input.")

    async def close(self) -> None:
        self._closed = True
        self.rest()
        await asyncio.gather(*self._ending, return_exceptions=True)
        # If the file system does not answer now, the thread closes the file later.
        closing = asyncio.ensure_future(in_worker(self.log.worker, self.log.close))
        await asyncio.wait({closing}, timeout=CLOSE_SECONDS)


def _resolve(root: Path, path: str, allow_hidden: bool) -> Path:
    parts = [part for part in path.split("/") if part]
    if "\0" in path or ".." in parts or not parts:
        raise BadRequest(f"{path!r} is not a path below the server's root.")
    if not allow_hidden and any(part.startswith(".") for part in parts):
        raise NotFound(f"There is no file {path!r}.")
    top = root.resolve()
    try:
        found = top.joinpath(*parts).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise NotFound(f"There is no file {path!r}.") from error
    if not found.is_relative_to(top):
        raise NotFound(f"There is no file {path!r} below the server's root.")
    return found


def _read_end(number: int, size: int) -> bytes:
    """Return the last RECENT_BYTES of an open file; empty if it cannot be read."""
    try:
        return os.pread(number, RECENT_BYTES, max(0, size - RECENT_BYTES))
    except OSError:
        return b""


def _open_regular(path: Path) -> tuple[int, os.stat_result]:
    """Open a regular file without blocking; NotFound, or BadRequest if it is not regular."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BadRequest(f"{path.name!r} is not a regular file.")
        number = os.open(path, flags)
    except OSError as error:
        raise NotFound(f"{path.name!r} cannot be read: {error.strerror}.") from error
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode):
        os.close(number)
        raise BadRequest(f"{path.name!r} is not a regular file.")
    return number, status
