"""ShellFolder: the scripts that shells are started with, and the files of their runs."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from jupyter_bridge.problems import Unavailable
from jupyter_bridge.wire.shell import startup
from jupyter_bridge.wire.shell.startup import KnownShell


class ShellFolder:
    """A folder that only the user can read, created at first use; `close` removes it.

    It is below `$TMPDIR`, not below the data directory, which may be on a slow or a full disk. What
    cleans `/tmp` may take it away: then it is created again in its place.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._creating = threading.Lock()  # terminals are spawned in threads

    @property
    def path(self) -> Path:
        """The folder; Unavailable if it cannot be created."""
        with self._creating:
            return self._created()

    def _created(self) -> Path:
        try:
            if self._path is None:
                folder = Path(tempfile.mkdtemp(prefix="jb-"))
            elif self._path.exists():
                return self._path
            else:
                folder = self._path
                folder.mkdir(0o700)
            for name, text in startup.files().items():
                (folder / name).parent.mkdir(mode=0o700, exist_ok=True)
                write(folder / name, text.encode())
        except OSError as error:
            raise Unavailable(f"The folder for runs cannot be created: {error}.") from error
        self._path = folder
        return folder

    def prepare(self, argv: Sequence[str], env: Mapping[str, str]) -> KnownShell | None:
        """Return how to start this shell; None if its prompt cannot be known."""
        program = shutil.which(argv[0], path=env.get("PATH")) if argv else None
        if program is None:
            return None
        try:
            folder = self.path
        except Unavailable:
            return None  # a terminal opens all the same, and takes no runs
        key = secrets.token_hex(8)
        name = os.path.basename(os.path.realpath(program))
        start = startup.startup(argv, env, program=name, key=key, folder=str(folder))
        return None if start is None else KnownShell(start, key)

    def line_of(self, pid: int) -> Path:
        """The file from which a shell takes its next line when the key is pressed."""
        return self.path / f"{pid}.line"

    def close(self) -> None:
        """Remove the folder; closing twice is fine."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = None


def write(path: Path, data: bytes) -> None:
    """Write a file that only the user can read."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(file, "wb") as stream:
        stream.write(data)
