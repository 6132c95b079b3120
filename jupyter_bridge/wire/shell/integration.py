"""What a shell sources once, per dialect: functions that print the marks, and the prompt hook.

The scripts lie in `data/`, and `marks.py` says what the marks are. All names begin with `__jb_`;
none is exported.

    __jb_c nonce file   the command begins: hook in place, C, and `$?` as it was before (__jb_s)
    __jb_e              the command returned: D
    __jb_d              the prompt hook: D if the command did not return, then A
    __jb_n, __jb_o      the run's nonce; whether its D is still to come
    __jb_w              a script to be run once before D, where one is needed
    __jb_v              set when all this is there
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Literal

Dialect = Literal["bash", "zsh", "fish", "sh"]

# What the wrapper compares with `__jb_v`: a shell that an older server prepared reads it anew.
VERSION = "2"
# ... and where it tells its exit, too.
VERSION_FAREWELL = "2f"

_SCRIPTS: dict[Dialect, tuple[str, ...]] = {
    "bash": ("bash.bash", "start.sh"),
    "zsh": ("zsh.zsh", "start.sh"),
    "sh": ("sh.sh", "start.sh"),
    "fish": ("fish.fish",),
}
# What tells the exit of a shell whose process nobody sees end.
_EXIT_SCRIPTS: dict[Dialect, tuple[str, ...]] = {
    "bash": ("exit.sh", "exit.bash"),
    "zsh": ("exit.sh", "exit.zsh"),
    "sh": ("exit.sh", "exit_trap.sh"),
    "fish": (),
}
_COMMENTS = re.compile(r"^ *#.*\n", re.MULTILINE)


@cache
def integration(dialect: Dialect, *, farewell: bool = False) -> str:
    """The script for this dialect; its last line says that all of it was read."""
    names = _SCRIPTS[dialect] + (_EXIT_SCRIPTS[dialect] if farewell else ())
    version = VERSION_FAREWELL if farewell else VERSION
    said = f"set -g __jb_v {version}\n" if dialect == "fish" else f"__jb_v={version}\n"
    return "".join(map(_read, names)) + said


def _read(name: str) -> str:
    # Without its comments: a plain terminal gets it over its line.
    text = (files(__package__) / "data" / name).read_text("utf-8")
    return _COMMENTS.sub("", text)
