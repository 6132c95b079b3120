"""The script that a shell sources once: functions that print the marks, and the prompt hook.

There is one for each dialect in `data/`; `marks.py` documents the marks. All names begin with
`__jb_`; none is exported.

    __jb_c nonce file   the command begins: hook in place, C, and `$?` as it was before (__jb_s)
    __jb_e              the command returned: D
    __jb_d              the prompt hook: D if the command did not return, then A
    __jb_n, __jb_o      the run's nonce; whether its D is still to come
    __jb_w              a script to run once before D, if one is needed
    __jb_v              the version, set when all of this is defined
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Literal

Dialect = Literal["bash", "zsh", "fish", "sh"]

# The wrapper compares this with `__jb_v`: a shell with an older version sources the script again.
VERSION = "4"
# The same for a shell that also reports its exit.
VERSION_WITH_EXIT = "4f"

_SCRIPTS: dict[Dialect, tuple[str, ...]] = {
    "bash": ("bash.bash", "start.sh"),
    "zsh": ("zsh.zsh", "start.sh"),
    "sh": ("sh.sh", "start.sh"),
    "fish": ("fish.fish",),
}
# Reports the exit of a shell whose process cannot be watched.
_EXIT_SCRIPTS: dict[Dialect, tuple[str, ...]] = {
    "bash": ("exit.sh", "exit.bash"),
    "zsh": ("exit.sh", "exit.zsh"),
    "sh": ("exit.sh", "exit_trap.sh"),
    "fish": (),
}
_COMMENTS = re.compile(r"^ *#.*\n", re.MULTILINE)


@cache
def integration(dialect: Dialect, *, reports_exit: bool = False) -> str:
    """Return the script for this dialect; its last line sets `__jb_v`."""
    names = _SCRIPTS[dialect] + (_EXIT_SCRIPTS[dialect] if reports_exit else ())
    version = VERSION_WITH_EXIT if reports_exit else VERSION
    last_line = f"set -g __jb_v {version}\n" if dialect == "fish" else f"__jb_v={version}\n"
    return "".join(map(script, names)) + last_line


def script(name: str) -> str:
    """Return a script of `data/` without its comments: it may be sent through a terminal."""
    text = (files(__package__) / "data" / name).read_text("utf-8")
    return _COMMENTS.sub("", text)
