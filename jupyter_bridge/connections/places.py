"""Places: the folders of this host that requests may name, and the files in them that are hidden.

Requests name folders of connections, mountpoints, and the local side of transfers. Each must be
below the server's root or one of `transfer_roots`. Links are resolved first, so that none leads
out. Hidden files need the contents manager's `allow_hidden`. The folders of the server's own
secrets and records are never shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from jupyter_core.paths import is_hidden

from jupyter_bridge.problems import BadRequest, Denied


class Places:
    """The paths that requests may name on this host. All methods but `hides` block for the disk.

    `root` is the server's root; `roots` are more folders, where `~` is the server's user. `private`
    folders are never shown.
    """

    def __init__(
        self,
        root: str | Path,
        roots: Sequence[str] = (),
        *,
        allow_hidden: bool = False,
        private: Sequence[str | Path] = (),
    ) -> None:
        self.root = Path(root)
        self.allow_hidden = allow_hidden
        self._tops = [self.root, *(Path(os.path.expanduser(top)) for top in roots)]
        self._private = [Path(folder) for folder in private]

    def find(self, path: str, *, field: str = "path") -> Path:
        """Return `path` with its links resolved; a relative path is below the server's root.

        Raises BadRequest for an invalid path, Denied for one that a request may not name.
        """
        if not path or "\0" in path:
            raise BadRequest(f"{field}: must be a path on the Jupyter host.", field=field)
        spelled = self.root / path
        try:
            target = spelled.resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a cycle of links, or not a string
            raise BadRequest(f"{field}: {path!r} cannot be used.", field=field) from error
        self.judge(target, shown=path)
        # A link may lead from a hidden folder to a visible one.
        lexical = Path(os.path.normpath(spelled))
        top = _top_of(lexical, self._tops)
        if top is not None and self._is_hidden(lexical, top):
            raise _hidden(path)
        return target

    def judge(self, target: Path, *, shown: str | None = None) -> None:
        """Raise Denied if a request may not name `target`, an absolute path without links."""
        path = str(target) if shown is None else shown
        top = _top_of(target, [top.resolve() for top in self._tops])
        if top is None:
            raise Denied(
                f"{path} is outside of {self.root}; c.BridgeApp.transfer_roots can allow more "
                "folders.",
                path=path,
            )
        if self._is_hidden(target, top):
            raise _hidden(path)
        if self.is_private(target):
            raise Denied(f"{path} belongs to the Jupyter server itself.", path=path)

    def hides(self, path: PurePath | str) -> bool:
        """Tell whether a part of a relative `path` is hidden, by its name alone."""
        if self.allow_hidden:
            return False
        parts = PurePath(path).parts
        return any(part.startswith(".") and part != ".." for part in parts)

    def is_private(self, target: Path) -> bool:
        """Tell whether `target` is, or is in, one of the server's own folders.

        Folders are compared as the file system does, whatever their spelling.
        """
        private = set(_identities(self._private))
        return bool(private) and any(
            one in private for one in _identities((target, *target.parents))
        )

    def _is_hidden(self, target: Path, top: Path) -> bool:
        if self.allow_hidden:
            return False
        try:
            return bool(is_hidden(str(target), str(top)))
        except OSError:  # stat is not permitted
            return self.hides(target.relative_to(top))


def _top_of(target: Path, tops: Iterable[Path]) -> Path | None:
    """Return the innermost of `tops` that is `target` or contains it."""
    found = [top for top in tops if target == top or top in target.parents]
    return max(found, key=lambda top: len(top.parts), default=None)


def _identities(paths: Iterable[Path]) -> Iterable[tuple[int, int]]:
    for path in paths:
        try:
            known = os.stat(path)
        except OSError:
            continue
        yield known.st_dev, known.st_ino


def _hidden(path: str) -> Denied:
    return Denied(f"{path} is hidden; c.ContentsManager.allow_hidden can allow it.", path=path)
