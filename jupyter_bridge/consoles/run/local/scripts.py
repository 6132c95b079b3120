"""Scripts: the files that give a run to its shell.

Pipes: readers of a command's stdout and stderr.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_bridge.consoles.terminals.shell_folder import ShellFolder, write
from jupyter_bridge.private_files import is_private
from jupyter_bridge.problems import Unavailable
from jupyter_bridge.wire.shell.any_bytes import to_bytes
from jupyter_bridge.wire.shell.integration import Dialect
from jupyter_bridge.wire.shell.startup import KnownShell

# A pipe fills while the event loop is busy; this is the largest that Linux allows all users.
PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ; Linux only
READ_BYTES = 64 << 10


@dataclass
class Files:
    """One run's files, and the open ends of its pipes (stdout, stderr)."""

    text: Path
    wrapper: Path
    stdin: Path | None = None
    pipes: list[Path] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


class Scripts:
    """The files of runs, in the folder of the shells' own scripts."""

    def __init__(self, folder: ShellFolder) -> None:
        self._folder = folder
        self._count = 0

    def integration(self, dialect: Dialect) -> str:
        """Return the path of the script that a shell sources once."""
        return str(self._folder.path / dialect)

    def new(self, text: bytes, *, stdin: bytes | None, split: bool, pipe_in: bool = False) -> Files:
        """Create the files of one run: its text, input and pipes, and a path for its wrapper.

        With `pipe_in` the input is a named pipe, for an InputPipe.
        """
        folder = self._folder.path
        self._count += 1
        base = str(folder / f"{self._count}")
        files = Files(text=Path(base + ".t"), wrapper=Path(base))
        try:
            write(files.text, text)
            # The shell writes this file, with its own umask.
            write(Path(f"{files.text}.x"), b"")
            if stdin is not None:
                files.stdin = Path(base + ".i")
                write(files.stdin, stdin)
            elif pipe_in:
                files.stdin = Path(base + ".i")
                os.mkfifo(files.stdin, 0o600)
            elif split:
                files.stdin = Path(os.devnull)
            if split:
                for name in (".o", ".e"):
                    files.pipes.append(Path(base + name))
                    os.mkfifo(files.pipes[-1], 0o600)
                    files.ends.append(os.open(files.pipes[-1], os.O_RDONLY | os.O_NONBLOCK))
                    _widen(files.ends[-1])
        except OSError as error:
            self.remove(files)
            raise Unavailable(f"A run's files cannot be written: {error}.") from error
        return files

    def write(self, files: Files, wrapper: str) -> None:
        """Write the wrapper to its path; Unavailable if its folder is the user's no more."""
        self._folder.check(files.wrapper.parent)
        write(files.wrapper, to_bytes(wrapper))

    def disarm(self, files: Files) -> None:
        """Make the typed line harmless, in case a shell reads it later."""
        if _is_own(files.wrapper):
            write(files.wrapper, b":\n")

    def remove(self, files: Files, *, wrapper: bool = True) -> None:
        """Remove the files (not the open ends); removing twice is fine."""
        paths = [files.text, Path(f"{files.text}.x"), *files.pipes]
        if files.stdin is not None and files.stdin != Path(os.devnull):
            paths.append(files.stdin)
        if wrapper:
            paths.append(files.wrapper)
        for path in paths:
            if _is_own(path):
                path.unlink(missing_ok=True)

    def check(self, shell: KnownShell) -> None:
        """Raise Unavailable if the key of this shell would enter a line of somebody else."""
        if shell.start.has_key:
            self._folder.check(shell.folder)

    def offer(self, shell: KnownShell, pid: int, line: bytes) -> None:
        """Let the shell enter this line when its key is pressed; see `check`."""
        self.check(shell)
        write(shell.line_of(pid), line + b"\n")

    def withdraw(self, shell: KnownShell, pid: int) -> None:
        """Let the key do nothing; withdrawing twice is fine."""
        if _is_own(shell.line_of(pid)):
            shell.line_of(pid).unlink(missing_ok=True)


def _is_own(path: Path) -> bool:
    """Tell whether the file's folder is there, and still the user's alone."""
    try:
        return is_private(path.parent)
    except OSError:
        return False


class Pipes:
    """Reads the ends of named pipes and calls `on_data(data, index)`; owns the descriptors.

    A background job may hold a pipe open after its command: its output is read and discarded, so
    that the job neither blocks nor dies of SIGPIPE.
    """

    def __init__(self, ends: list[int], on_data: Callable[[bytes, int], None]) -> None:
        self._ends = {end: index for index, end in enumerate(ends)}
        self._on_data: Callable[[bytes, int], None] | None = on_data
        self._loop = asyncio.get_running_loop()
        for end in ends:
            self._loop.add_reader(end, self._read, end)

    def hold(self, on: bool) -> None:
        """Read no more for now, so that who writes has to wait; or read again."""
        for end in self._ends:
            if on:
                self._loop.remove_reader(end)
            else:
                self._loop.add_reader(end, self._read, end)

    def drain(self) -> None:
        """The command has ended: pass on its remaining output, and discard all later bytes."""
        for end in list(self._ends):
            ready = int(struct.unpack("i", fcntl.ioctl(end, termios.FIONREAD, b"\0" * 4))[0])
            while ready > 0 and (got := self._read(end, min(ready, READ_BYTES))):
                ready -= got
        self._on_data = None

    def close(self) -> None:
        """Close the pipes; closing twice is fine."""
        for end in list(self._ends):
            self._close(end)

    def _read(self, end: int, size: int = READ_BYTES) -> int:
        try:
            data = os.read(end, size)
        except BlockingIOError:
            return 0
        if not data:
            self._close(end)
        elif self._on_data is not None:
            self._on_data(data, self._ends[end])
        return len(data)

    def _close(self, end: int) -> None:
        self._loop.remove_reader(end)
        del self._ends[end]
        os.close(end)


def _widen(end: int) -> None:
    try:
        fcntl.fcntl(end, _SET_PIPE_SIZE, PIPE_BYTES)
    except OSError:
        pass  # a smaller pipe is only slower
