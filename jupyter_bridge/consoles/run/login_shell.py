"""The login shell that is opened for one run: the user's own, if a run can use it.

Also the Problems of one that does not come to its prompt.
"""

from __future__ import annotations

import os
import shutil
from typing import NamedTuple

from jupyter_bridge.consoles.console import Console
from jupyter_bridge.consoles.run.local.processes import at_work
from jupyter_bridge.consoles.sources.terminal import TerminalSource
from jupyter_bridge.problems import BadRequest, Busy, StartFailed, Timeout
from jupyter_bridge.wire.shell.wrapper import dialect_of

KNOWN = "bash, zsh, fish, dash and other sh, ksh, mksh, busybox"


class LoginShell(NamedTuple):
    """The words that start a shell; `instead_of` is the user's shell if a run cannot use that."""

    words: list[str]
    instead_of: str | None = None


def login_shell(wanted: str | None = None) -> LoginShell:
    """Return the shell `wanted`, a name or a path; without it $SHELL, else bash, else sh.

    BadRequest if there is no such shell, or if a run cannot use it.
    """
    if wanted is not None:
        path = _path_of(wanted)
        if path is None:
            raise BadRequest(f"shell: no program {wanted!r} on this server.", field="shell")
        if not _is_known(path):
            raise BadRequest(
                f"shell: a run cannot use {wanted!r}. It can use {KNOWN}.", field="shell"
            )
        return LoginShell(login_words(path))
    own = os.environ.get("SHELL") or None
    path = None if own is None else _path_of(own)
    if path is not None and _is_known(path):
        return LoginShell(login_words(path))
    for name in ("bash", "sh"):
        if (path := _path_of(name)) is not None:
            return LoginShell(login_words(path), own)
    raise StartFailed("There is neither bash nor sh on this server.")


def _path_of(shell: str) -> str | None:
    return None if "\0" in shell else shutil.which(shell)


def _is_known(path: str) -> bool:
    return any(dialect_of(each) is not None for each in (path, os.path.realpath(path)))


def login_words(path: str) -> list[str]:
    """Return the words that start this shell as a login shell."""
    # busybox is many programs, and only by its name a shell.
    applet = ["sh"] * (os.path.basename(path) == "busybox")
    return [path, *applet, "-l"]


def slow_start(console: Console, seconds: float, busy: Busy) -> Timeout:
    """Return the Problem of a new shell that has shown no prompt for so long."""
    program = busy.details.get("foreground")
    if isinstance(console.source, TerminalSource):
        program = at_work(console.source.pid) or program
    return Timeout(
        f"The new shell was not at its prompt after {seconds:g} s. "
        f"{f'Its profile waits for {program}.' if program else 'Its profile may be slow.'}"
        f"{_last(console)} A longer start_timeout may help.",
        **({"foreground": program} if program else {}),
    )


def failed_start(console: Console) -> StartFailed:
    """Return the Problem of a new shell that ended before its first prompt."""
    how = console.exit
    code = "" if how is None or how.code is None else f" with {how.signal or how.code}"
    return StartFailed(
        f"The new shell ended{code} before its first prompt. Its profile may have ended it."
        f"{_last(console)}"
    )


def _last(console: Console) -> str:
    line = console.last_line
    return f" Its last output: {line!r}." if line else ""
