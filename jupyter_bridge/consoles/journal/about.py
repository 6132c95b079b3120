"""Read `meta.json`, a console's record, which another version or program may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec

from jupyter_bridge.private_files import read_regular

# The largest meta.json, bytes. Names and titles of remotes have 1,000 characters at most.
MAX_ABOUT = 256 << 10


class _About(msgspec.Struct):
    """The types of what is used; `Exit.read` reads the exit."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    epoch: Annotated[str, msgspec.Meta(min_length=1)]
    kind: str = "terminal"
    title: str = ""
    started: str = ""
    ended: str = ""
    exit: dict[str, Any] | None = None
    last_line: str = ""


def read_about(path: Path) -> dict[str, Any]:
    """Return the record in the file. Raises OSError, ValueError, TypeError or RecursionError."""
    # Not by msgspec, which refuses the surrogates that a name or title may have.
    about = json.loads(read_regular(path, MAX_ABOUT))
    msgspec.convert(about, _About)
    return {"started": "", "ended": "", **about}
