"""ShellFolder: the scripts that shells are started with, and the files of their runs."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from jupyter_bridge.private_files import open_private, own_temporary_folder
from jupyter_bridge.problems import Unavailable
from jupyter_bridge.wire.shell import startup
from jupyter_bridge.wire.shell.startup import KnownShell


class ShellFolder:
    """A folder that only the user can read, created at first use; `close` removes it.

    It is below `$TMPDIR`, not below the data directory, which may be on a slow or a full disk. What
    cleans `/tmp` may take it away: then it is created again in its place, or in another place if
    something else is there.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._creating = threading.Lock()  # terminals are spawned in threads

    @property
    def path(self) -> Path:
        """The folder; Unavailable if it cannot be created."""
        with self._creating:
            try:
                self._path = own_temporary_folder("jb-", self._path)
                _complete(self._path)
            except OSError as error:
                raise Unavailable(f"The folder for runs cannot be created: {error}.") from error
            return self._path

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
        return None if start is None else KnownShell(start, key, folder)

    def check(self, folder: Path) -> None:
        """Raise Unavailable unless this is the folder, and still the user's alone.

        A shell that was started with an earlier one reads it when its key is pressed.
        """
        if self.path != folder:
            raise Unavailable(
                f"Something else is in the place of {folder}, which this shell was started with. "
                "Run the command in a new terminal."
            )

    def close(self) -> None:
        """Remove the folder; closing twice is fine."""
        if self._path is not None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._path = None


def _complete(folder: Path) -> None:
    """Write the scripts that are missing: what cleans `/tmp` takes one file after the other."""
    for name, text in startup.all_files().items():
        path = folder / name
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write(path, text.encode())


def write(path: Path, data: bytes) -> None:
    """Write a file that only the user can read."""
    with open(open_private(path, os.O_WRONLY | os.O_TRUNC), "wb") as stream:
        stream.write(data)
