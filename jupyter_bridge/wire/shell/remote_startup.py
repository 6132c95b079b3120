r"""How a shell is started on a Jupyter server that has no bridge, so that it tells its prompt.

Such a server starts the program that a new terminal is asked to have (`shell_command`). Here that
is `/bin/sh` with a script, `data/startup/remote.sh`, which writes what a shell of this server is
given (`startup.py`) into a folder there, and the receiver of runs (`line_upload.py`); it tells the
folder, and becomes the shell. So nothing is typed before the shell's first prompt.

    ESC ] 133 ; S ; jb=<key> ; <dialect> ; <pid> ; <folder> BEL    the shell starts
    ESC ] 133 ; N ; jb=<key> ; <folder> BEL                        the folder cannot be made
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from shlex import quote
from typing import cast

from jupyter_bridge.wire.shell import line_download, line_upload
from jupyter_bridge.wire.shell.integration import Dialect, script
from jupyter_bridge.wire.shell.prompt_state import PromptState
from jupyter_bridge.wire.shell.startup import Startup, files, startup
from jupyter_bridge.wire.shell.wrapper import KNOWN_PROGRAMS, dialect_of

# The first output must have the mark S, or the server has started another program; bytes.
_FIRST = 4 << 10
_BEGINS = b"\x1b]133;"
# Why the prompt of a terminal cannot be known, as a sentence.
OWN_PROGRAM = (
    "that server starts a program of its own in every terminal, and its prompt is not known."
)
_EDITOR = re.compile(rb"\x1b\[\?2004([hl])")
_EDITOR_LONGEST = 8
# The user's own values of what a startup sets: where they are kept, and when they are.
_THEIRS = {
    "ENV": '[ -z "${ENV-}" ] || export __JB_ENV="$ENV"',
    "ZDOTDIR": '[ -z "${ZDOTDIR+set}" ] || export __JB_ZDOTDIR="$ZDOTDIR"',
}


def remote_argv(key: str, argv: Sequence[str] = ()) -> list[str] | None:
    """Return the words that start `argv`, or the user's login shell; None if its prompt cannot be
    known."""
    if argv:
        start = _start(list(argv), "busybox" if _is_busybox(argv[0]) else "$__jb_program")
        if start is None:
            return None
        body = "\n".join(_steps(start))
    else:
        body = "\n".join(_choice())
    names = " ".join(sorted(KNOWN_PROGRAMS))
    text = f"__jb_names='{names}'\n{script('startup/remote.sh')}{body}\n"
    return ["/bin/sh", "-c", text, "jb", key, *argv]


def _is_busybox(program: str) -> bool:
    return program.rsplit("/", 1)[-1] == "busybox"


def _start(argv: list[str], program: str) -> Startup | None:
    return startup(argv, {}, program=program, key="$__jb_key", folder="$__jb_dir")


def _choice() -> Iterator[str]:
    """Yield a `case` of all shells, each as a login shell."""
    yield "case ${1##*/} in"
    by_dialect: dict[Dialect, list[str]] = {}
    for name in KNOWN_PROGRAMS:
        if not _is_busybox(name):
            by_dialect.setdefault(cast(Dialect, dialect_of(name)), []).append(name)
    for names in by_dialect.values():
        yield from _arm("|".join(names), _start([names[0], "-l"], "$__jb_program"))
    yield from _arm("busybox", _start(["busybox", "sh", "-l"], "busybox"))
    yield "esac"


def _arm(pattern: str, start: Startup | None) -> Iterator[str]:
    assert start is not None
    yield f"{pattern})"
    yield from _steps(start)
    yield ";;"


def _steps(start: Startup) -> Iterator[str]:
    """Yield the commands that write the shell's files and become the shell, `$1`."""
    dialect = start.dialect
    yield from _writes(dialect)
    yield f"__jb_begin {dialect} {quote(line_upload.line(dialect))}"
    for name, value in start.env.items():
        if name in _THEIRS:
            yield _THEIRS[name]
        yield f'export {name}="{value}"'
    yield " ".join(("exec", '"$1"', *(f'"{word}"' for word in start.argv[1:])))


def _writes(dialect: Dialect) -> Iterable[str]:
    written = {
        **files(dialect, reports_exit=True),
        line_upload.RECEIVER_FILE: line_upload.receiver(),
        line_download.FILE: line_download.SCRIPT.decode(),
    }
    folders = {name.rpartition("/")[0] for name in written} - {""}
    for folder in folders:
        yield f'mkdir "$__jb_dir/{folder}"'
    for name, text in written.items():
        yield f"__jb_file {name} {quote(text)}"


class RemoteShell:
    """A shell that was started by `remote_argv`, and what its terminal has told.

    `dialect`, `pid` and `folder` are known once it has begun. `is_editing`: its line editor reads.
    `is_receiving`: its receiver waits for a run's files. `fault` is why its prompt will never be
    known, as a sentence.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.prompt = PromptState(key)
        self.dialect: Dialect | None = None
        self.pid = 0
        self.folder = ""
        self.fault: str | None = None
        self.is_over = False
        self.is_editing = self.has_editor = self.is_receiving = False
        self._first: bytes | None = b""
        self._tail = b""
        tag = re.escape(key.encode("ascii"))
        self._start = re.compile(
            rb"\x1b\]133;(?:S;jb=%s;(bash|zsh|fish|sh);([0-9]{1,18});(/[^\x07]*)|N;jb=%s;[^\x07]*)\x07"
            % (tag, tag)
        )
        self._turns = re.compile(rb"\x1b\]133;([HAB]);jb=%s" % tag)

    @property
    def has_key(self) -> bool:
        """Whether its line editor has the key that enters a run's line."""
        return self.dialect not in (None, "sh")

    def feed(self, data: bytes) -> None:
        """Take note of these bytes, which follow the last ones."""
        self.prompt.feed(data)
        if self._first is not None:
            self._look_for_start(data)
        whole = self._tail + data
        for switch in _EDITOR.finditer(whole):
            self.is_editing = switch[1] == b"h"
            self.has_editor = True
        for turn in self._turns.finditer(whole):
            self.is_receiving = turn[1] == b"H"
        self._tail = whole[-64:]

    def _look_for_start(self, data: bytes) -> None:
        assert self._first is not None
        self._first += data
        found = self._start.match(self._first)
        if found is not None and found[1]:
            self.dialect = cast(Dialect, found[1].decode())
            self.pid, self.folder = int(found[2]), found[3].decode("utf-8", "replace")
            self._first = None
        elif found is not None:
            self.fault = "no folder for its scripts can be made below $TMPDIR there."
            self._first = None
        elif not _BEGINS.startswith(self._first[: len(_BEGINS)]) or len(self._first) > _FIRST:
            self.fault = OWN_PROGRAM
            self._first = None

    def lost(self) -> None:
        """Take note that output is missing: only the next mark tells where the shell is."""
        self.prompt.lost()
        self.is_editing = self.is_receiving = False
        self._tail = b""
