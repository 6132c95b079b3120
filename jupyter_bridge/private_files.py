"""Files and folders that only the server's user can read, whatever the umask, and a lock."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")

# Opens a FIFO or a device without waiting for its other end; a regular file does not notice.
_AT_ONCE = os.O_NONBLOCK | os.O_NOCTTY
# How often a lock with a deadline is tried, in seconds.
_LOOK_EVERY = 0.02
# The errors of a file system without locks; then a single server of the user is assumed.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


def private_folder(path: Path) -> Path:
    """Make `path` and every missing folder above it, each with mode 0700; returns `path`.

    `Path.mkdir(mode, parents=True)` gives that mode to the last folder only.
    """
    missing = []
    for folder in path.parents:
        if folder.exists():
            break
        missing.append(folder)
    for folder in [*reversed(missing), path]:
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


def is_private(folder: Path) -> bool:
    """Tell whether this is a folder of this user that nobody else can enter; False for a link.

    Raises OSError, FileNotFoundError if nothing is there.
    """
    found = folder.lstat()
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return is_own and not stat.S_IMODE(found.st_mode) & 0o077


def own_temporary_folder(prefix: str, folder: Path | None = None) -> Path:
    """Return `folder`, created if it is missing; a new one in `$TMPDIR` if it is not the user's.

    What cleans `/tmp` may take a folder away, and then anybody may put something in its place.
    """
    if folder is not None:
        try:
            if is_private(folder):
                return folder
        except FileNotFoundError:
            with contextlib.suppress(OSError):  # somebody was faster
                folder.mkdir(0o700)
                return folder
    return Path(tempfile.mkdtemp(prefix=prefix))


def open_private(path: Path, flags: int) -> int:
    """Open the file, created with mode 0600 if missing; never follows a link.

    Raises OSError for whatever is no regular file: a FIFO or a device in its place would block.
    """
    flags |= os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | _AT_ONCE
    return _regular(os.open(path, flags, 0o600), path)


def open_regular(path: Path) -> io.FileIO:
    """Open a regular file to read it, unbuffered; a link to one is followed. Raises OSError.

    Never blocks for a writer, as opening a FIFO does.
    """
    number = _regular(os.open(path, os.O_RDONLY | os.O_CLOEXEC | _AT_ONCE), path)
    return open(number, "rb", buffering=0)


def open_unlinked(path: str | Path, flags: int, *, below: int | None = None) -> int:
    """Open the user's own file, created by the umask if missing; never follows a link.

    `below` is an open folder, to which `path` is relative. Raises OSError for whatever is no
    regular file: a FIFO in its place would block for ever.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW | _AT_ONCE
    return _regular(os.open(path, flags, 0o666, dir_fd=below), path)


@contextlib.contextmanager
def entered(
    folder: str | Path, *, below: int | None = None, owner: int | None = None
) -> Iterator[int]:
    """Open a folder, and close it at the end; never follows a link. Raises OSError.

    `below` is an open folder, to which `folder` is relative. With `owner` the folder must be that
    user's: in a folder that others may write in, they can put another one in its place.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
    number = os.open(folder, flags, dir_fd=below)
    try:
        if owner is not None and os.fstat(number).st_uid != owner:
            raise PermissionError(errno.EPERM, "it belongs to another user", str(folder))
        yield number
    finally:
        os.close(number)


def owner_of_new(folder: Path) -> int:
    """Return the owner of what this user creates in `folder`: of a mount, it may be another user.

    Blocks; raises OSError.
    """
    number, path = tempfile.mkstemp(prefix=".jb-", dir=folder)
    try:
        return os.fstat(number).st_uid
    finally:
        os.close(number)
        os.unlink(path)


def make_below(folder: int, path: str) -> None:
    """Make the folder at `path`, and those above it, below an open folder of the user alone."""
    parts = Path(path).parts
    for count in range(1, len(parts) + 1):
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.join(*parts[:count]), dir_fd=folder)


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes. Raises OSError."""
    with open_regular(path) as file:
        return read_most(file, most, path)


def read_most(file: io.FileIO, most: int, path: Path) -> bytes:
    """Return the rest of an open file; OSError if it has more than `most` bytes."""
    content = bytearray()
    size = os.fstat(file.fileno()).st_size
    while size <= most and (part := file.read(most + 1 - len(content))):
        content += part  # it may grow meanwhile
        size = len(content)
    if size > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes", str(path))
    return bytes(content)


def read_json(path: Path, kind: type[T], most: int) -> T:
    """Return the JSON of a regular file of at most `most` bytes, decoded as `kind`.

    Raises OSError, also for other content, which is not quoted: it may hold a secret.
    """
    content = read_regular(path, most)
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        reason = f"it cannot be decoded ({type(error).__name__})"
        raise OSError(errno.EINVAL, reason, str(path)) from None


def _regular(number: int, path: str | Path) -> int:
    """Return this open file's number; close it and raise OSError if it is not a regular file."""
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return number


def write_private(path: Path, content: bytes) -> None:
    """Replace the file atomically, synced to the disk, with mode 0600. Blocks."""
    private_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(open_private(temporary, os.O_WRONLY | os.O_EXCL), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def lock_of(path: Path) -> Path:
    """Return the lock of `path`, beside it."""
    return path.with_name(f".{path.name}.lock")


@contextlib.contextmanager
def alone(path: Path, seconds: float | None = None) -> Iterator[None]:
    """Hold the lock beside `path`: no other server of this user changes `path` meanwhile.

    Blocks until the lock is free, at most `seconds`; then raises TimeoutError (an OSError).
    """
    private_folder(path.parent)
    with open(open_private(lock_of(path), os.O_RDWR)) as lock:
        _lock(lock.fileno(), path, seconds)
        yield


def _lock(number: int, path: Path, seconds: float | None) -> None:
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | (0 if deadline is None else fcntl.LOCK_NB))
            return
        except BlockingIOError:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"another server has locked it for {seconds:g} s", str(path)
                ) from None
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return
            raise
        time.sleep(_LOOK_EVERY)


def tighten(folders: Sequence[Path]) -> list[Path]:
    """Set those of these folders that exist to 0700; return those that others can read. Blocks.

    A folder of another user, or one that cannot be changed, is left unchanged.
    """
    for folder in folders_open(folders):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.geteuid():
                folder.chmod(0o700)
    return folders_open(folders)


def folders_open(folders: Sequence[Path]) -> list[Path]:
    """Return the folders on which others than their owner have any right. Blocks."""
    return [folder for folder in folders if _is_open(folder)]


def _is_open(folder: Path) -> bool:
    try:
        return bool(stat.S_IMODE(folder.stat().st_mode) & 0o077)
    except OSError:
        return False
