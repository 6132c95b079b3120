"""The bytes of a followed file by offset, across rotation, switched links and rewriting.

Nothing is copied: the file itself is the log. After a rotation, or once a symbolic link points to
another file, the new file's bytes follow the old one's. A file that was truncated or rewritten is
a gap, and its new bytes follow. Old files stay readable while the log is open.
"""

from __future__ import annotations

import os
import secrets
import stat
import threading
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from jupyter_bridge.aio.serial_worker import SerialWorker
from jupyter_bridge.consoles.journal.line_search import furthest, search
from jupyter_bridge.consoles.last_line import LOOK_BYTES
from jupyter_bridge.problems import BadRequest, NotFound, Unsupported

# The most files held open, rotated ones included.
MAX_PIECES = 8
# How much of a file's beginning and of its end is compared, to find that it was rewritten; the end
# is also what `recent` returns.
COMPARED_BYTES = LOOK_BYTES


@dataclass(frozen=True)
class FilePlace:
    """A path below the server's root; links on the way may point anywhere below the root."""

    root: Path
    path: str
    allow_hidden: bool = True

    def find(self) -> Path:
        """Return the real path; FileNotFoundError if nothing is there, NotFound if the path leaves
        the root or is hidden, BadRequest if it is not a path."""
        parts = self._parts()
        top = self.root.resolve()
        try:
            found = top.joinpath(*parts).resolve(strict=True)
        except FileNotFoundError:
            if not top.joinpath(*parts).resolve().is_relative_to(top):
                raise self._outside() from None
            raise
        except (OSError, RuntimeError) as error:
            raise NotFound(f"There is no file {self.path!r}.") from error
        if not found.is_relative_to(top):
            raise self._outside()
        return found

    def folders(self) -> set[Path]:
        """Return the folders where a change may put another file at this place."""
        at = top = self.root.resolve()
        found = set()
        parts = self._parts()
        for number, part in enumerate(parts, 1):
            here = at / part
            if number == len(parts) or here.is_symlink() or not here.is_dir():
                found.add(at)
            try:
                at = here.resolve()
            except (OSError, RuntimeError):  # links in a circle
                return found
            if not at.is_relative_to(top):
                return found
        return found | ({at.parent} if at.is_file() else set())

    def _parts(self) -> list[str]:
        parts = [part for part in self.path.split("/") if part]
        if "\0" in self.path or ".." in parts or not parts:
            raise BadRequest(f"{self.path!r} is not a path below the server's root.")
        if not self.allow_hidden and any(part.startswith(".") for part in parts):
            raise NotFound(f"There is no file {self.path!r}.")
        return parts

    def _outside(self) -> NotFound:
        return NotFound(f"There is no file {self.path!r} below the server's root.")


@dataclass(frozen=True)
class Fingerprint:
    """The first bytes of a file, and the last ones before `stop`."""

    stop: int
    head: bytes
    tail: bytes

    @classmethod
    def of(cls, number: int, stop: int) -> Fingerprint:
        """Read a file's fingerprint. Raises OSError."""
        size = min(COMPARED_BYTES, stop)
        return cls(stop, os.pread(number, size, 0), os.pread(number, size, stop - size))

    def is_of(self, number: int) -> bool:
        """Tell whether the file still has these bytes; it may have more."""
        return self == Fingerprint.of(number, self.stop)


@dataclass
class FilePart:
    """A file's bytes, or those before it was rewritten or replaced: they begin at the offset
    `base`, which is the position `start` in the file."""

    base: int
    number: int
    start: int
    seen: Fingerprint

    @property
    def end(self) -> int:
        return self.base + self.seen.stop - self.start


class FileLog:
    """The bytes of a followed file. `refresh` checks for changes; reading is thread-safe.

    A log that may `wait` is empty until there is a file. Without `wait`, NotFound.
    """

    def __init__(
        self, place: FilePlace, worker: SerialWorker | None = None, *, wait: bool = False
    ) -> None:
        self.place = place
        self.worker = worker or SerialWorker()
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._closed = False
        self._parts: list[FilePart] = []
        try:
            number, status = _open_regular(place.find())
        except FileNotFoundError as error:
            if not wait:
                raise NotFound(f"There is no file {place.path!r}.") from error
            self.epoch = secrets.token_hex(6)
        else:
            self.epoch = f"{status.st_dev:x}-{status.st_ino:x}"
            self._parts.append(_whole(0, number, status))
        self.folders = place.folders()

    @property
    def is_missing(self) -> bool:
        """Whether there has been no file yet."""
        return not self._parts

    @property
    def first_offset(self) -> int:
        parts = self._parts
        return parts[0].base if parts else 0

    @property
    def end_offset(self) -> int:
        parts = self._parts
        return parts[-1].end if parts else 0

    def refresh(self) -> bool:
        """Check the file; return whether anything is new. Reads the disk."""
        # The disk may hang: readers on the event loop never wait for this lock.
        with self._looking:
            with self._lock:
                if self._closed:
                    return False
                last = self._parts[-1] if self._parts else None
                number = os.dup(last.number) if last is not None else -1  # close() may come
            try:
                found = self._replacement(number)
                part = _looked_at(last, number) if last is not None else None
            finally:
                if number >= 0:
                    os.close(number)
            self.folders = self.place.folders()
            return self._take(last, part, found)

    def _take(
        self,
        last: FilePart | None,
        part: FilePart | None,
        found: tuple[int, os.stat_result] | None,
    ) -> bool:
        """Take over what `refresh` has seen; return whether it is new."""
        with self._lock:
            if self._closed:
                if found is not None:
                    os.close(found[0])
                return False
            if part is not None:
                self._parts[-1] = part
            if found is not None:
                self._parts = [*self._parts, self._continued(*found)]
                if len(self._parts) > MAX_PIECES:
                    os.close(self._parts.pop(0).number)
            return found is not None or part != last

    def _continued(self, number: int, status: os.stat_result) -> FilePart:
        """Return a new part at the end; a file that was here before goes on where it was left."""
        for part in reversed(self._parts):
            was = os.fstat(part.number)
            if (was.st_dev, was.st_ino) == (status.st_dev, status.st_ino):
                if not part.seen.is_of(number):
                    break
                seen = Fingerprint.of(number, os.fstat(number).st_size)
                return FilePart(self.end_offset, number, part.seen.stop, seen)
        return _whole(self.end_offset, number, status)

    def _replacement(self, number: int) -> tuple[int, os.stat_result] | None:
        """Open the file that is at the place now, if it is another one than this."""
        try:
            path = self.place.find()
            if number >= 0:
                here, there = os.stat(path), os.fstat(number)
                if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
                    return None
            return _open_regular(path)
        except (OSError, NotFound, BadRequest):
            return None  # missing just now, or not a file: the old one is followed

    def recent(self, max_bytes: int) -> bytes:
        """Return the end of the file as of the last check, COMPARED_BYTES at most."""
        parts = self._parts
        return parts[-1].seen.tail[-max_bytes:] if parts else b""

    def near(self, offset: int) -> bool:
        return False

    def held(self, offset: int) -> int:
        for part in self._parts:
            if offset < part.end:
                return max(offset, part.base)
        return max(offset, self.end_offset)

    def behind(self, offset: int) -> int:
        for part in reversed(self._parts):
            if part.base < offset and part.end > part.base:
                return min(offset, part.end)
        return self.first_offset

    def read(self, offset: int, max_bytes: int) -> bytes:
        """See `Log.read`. Returns nothing of a file that was rewritten since the last check."""
        with self._lock:
            at = bisect_right(self._parts, offset, key=lambda part: part.end)
            if self._closed or at >= len(self._parts) or offset < self._parts[at].base:
                return b""
            part, is_last = self._parts[at], at == len(self._parts) - 1
            most, start = min(max_bytes, part.end - offset), part.start + offset - part.base
            number, seen = os.dup(part.number), part.seen
        try:
            data = os.pread(number, most, start)
            if data and seen.is_of(number):
                return data
        finally:
            os.close(number)
        if not is_last:  # `refresh` looks at the last file only
            with self._lock:
                part.seen = Fingerprint(part.start, b"", b"")
        return b""

    def tail(self, lines: int) -> int:
        floor = max(self.first_offset, furthest(self, lines))
        return search(self, lines, floor)[0] if lines > 0 else self.end_offset

    def since(self, when: float) -> int:
        raise Unsupported("A file's lines have no times; use lines or offset instead of since.")

    def times(self, start: int, end: int) -> list[tuple[int, float]]:
        return []

    def time_of(self, offset: int) -> float | None:
        return None

    def sizes(self, start: int, end: int) -> list[tuple[int, float, int, int]]:
        return []

    def modes_at(self, offset: int) -> bytes:
        return b""

    def close(self) -> None:
        """Close all files; later reads return nothing. Twice is fine."""
        with self._lock:
            closed, self._closed = self._closed, True
            for part in self._parts:
                if not closed:
                    os.close(part.number)


def _whole(base: int, number: int, status: os.stat_result) -> FilePart:
    return FilePart(base, number, 0, _fingerprint(number, status.st_size))


def _fingerprint(number: int, size: int) -> Fingerprint:
    """Return the file's fingerprint; one that no file has if the file cannot be read."""
    try:
        return Fingerprint.of(number, size)
    except OSError:
        return Fingerprint(size, b"", b"")


def _looked_at(part: FilePart, number: int) -> FilePart:
    """Return the part with the bytes that were appended, or the one after it was rewritten.

    Read the new fingerprint before comparing the old one: if the file is rewritten in between, the
    comparison fails.
    """
    size = os.fstat(number).st_size
    seen = _fingerprint(number, size)
    if size >= part.seen.stop and part.seen.is_of(number):
        return FilePart(part.base, part.number, part.start, seen)
    # An unknown number of bytes is lost: the gap is one byte.
    return FilePart(part.end + 1, part.number, 0, seen)


def _open_regular(path: Path) -> tuple[int, os.stat_result]:
    """Open a regular file without blocking; NotFound, or BadRequest if it is not regular."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BadRequest(f"{path.name!r} is not a regular file.")
        number = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotFound(f"{path.name!r} cannot be read: {error.strerror}.") from error
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode):
        os.close(number)
        raise BadRequest(f"{path.name!r} is not a regular file.")
    return number, status
