"""What another user of the machine may put in the place of a folder in `/tmp`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

_NOBODY = 65534
_needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")

OTHERS = pytest.param("another user's", marks=_needs_root)
# All of them; a shell tells only the first two by itself.
IN_ITS_PLACE = ["a link", OTHERS, "open to others", "a file"]


def put(what: str, folder: Path, files: Mapping[str, str] | None = None) -> None:
    """Put `what` in the place of `folder`, with these files in it."""
    if what == "a file":
        folder.write_text("")
        return
    where = folder.with_name("elsewhere") if what == "a link" else folder
    where.mkdir(0o700)
    for name, text in (files or {}).items():
        (where / name).write_text(text)
    if what == "a link":
        folder.symlink_to(where)
    elif what == "open to others":
        folder.chmod(0o777)
    else:
        os.chown(folder, _NOBODY, _NOBODY)
