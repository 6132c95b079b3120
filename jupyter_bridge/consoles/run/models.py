"""What a run is asked for, and what it answers."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from jupyter_bridge.consoles.run.output import CapturedOutput
from jupyter_bridge.problems import BadRequest
from jupyter_bridge.wire import ansi
from jupyter_bridge.wire.names import ConsoleName

# An answer in one piece is held in memory; who wants more says so, and streams it.
MAX_OUTPUT = 8 << 20
LARGEST_OUTPUT = 1 << 30

Status = Literal["queued", "running", "done", "timeout", "cancelled", "session-closed"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class RunBody(msgspec.Struct, forbid_unknown_fields=True):
    """What to run, where and how.

    `console` is a terminal's name, "new" for one that stays, or nothing for a fresh login shell
    that is closed afterwards; on a connection `<connection>:<node>`, `<connection>:new`, and
    `<connection>:`. `cwd` and `env` are set in the shell before the command, and stay.
    `stdin` is a text; without it `tty` reads the terminal and `split` reads nothing. `timeout` is
    in seconds from when the command begins; then it is killed, or left to be read later. At most
    `max_output` bytes are kept. A busy shell is waited for if `queue` is true.
    """

    command: str
    console: str | None = None
    cwd: str | None = None
    env: dict[str, str] = {}
    stdin: str | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0)] | None = None
    on_timeout: Literal["kill", "leave"] = "kill"
    output: Literal["tty", "split"] = "tty"
    strip: bool = False
    max_output: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_OUTPUT)] = MAX_OUTPUT
    queue: bool = False

    @property
    def connection(self) -> str | None:
        """The connection that it runs on; None for this server."""
        return ConsoleName.parse(self.console or "").connection

    @property
    def is_fresh(self) -> bool:
        """Whether a shell is opened for it."""
        return self.console in (None, "new") or self._node in ("", "new")

    @property
    def stays(self) -> bool:
        """Whether the shell is there afterwards."""
        return self.console is not None and self._node != ""

    @property
    def size(self) -> int:
        """About what it holds, bytes."""
        return sum(map(len, (self.command, self.stdin or "", *self.env, *self.env.values())))

    def empty(self) -> None:
        """Forget what was run, and what it was given: nothing needs that after the end."""
        self.command, self.stdin, self.env = "", None, {}

    @property
    def _node(self) -> str | None:
        return None if self.connection is None else ConsoleName.parse(str(self.console)).rest

    def checked(self, root_dir: Path) -> RunBody:
        """The same with an absolute `cwd`; BadRequest where a value is one no shell can be told."""
        for name, text in (("command", self.command), ("cwd", self.cwd), ("stdin", self.stdin)):
            _check_text(name, text, nul=name == "stdin")
        for name, value in self.env.items():
            if not _NAME.fullmatch(name):
                raise BadRequest(f"env: {name!r} is no name of a variable.", field="env")
            _check_text("env", value)
        if self.cwd is None or self.connection is not None:
            return self  # another server's folders are its own to check
        path = root_dir / os.path.expanduser(self.cwd)
        if not path.is_dir() or not os.access(path, os.X_OK):
            raise BadRequest(f"cwd: there is no folder {self.cwd!r} to go to.", field="cwd")
        return msgspec.structs.replace(self, cwd=str(path))


def _check_text(field: str, text: str | None, *, nul: bool = False) -> None:
    if text is None:
        return
    if "\0" in text and not nul:
        raise BadRequest(f"{field}: holds a NUL, which no command can.", field=field)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"{field}: is no Unicode text.", field=field) from error


class RunModel(msgspec.Struct):
    """A run as the routes show it.

    `status` is `queued` or `running` until it is one of the others. `exit_code` is what the shell
    has in `$?`; None while nobody knows. Offsets are the console's, around the command's output.
    """

    run: str
    console: str
    status: Status
    exit_code: int | None
    truncated: bool
    cwd: str | None
    started: str
    seconds: float
    start_offset: int | None
    end_offset: int | None
    signal: str | UnsetType = UNSET
    output: str | UnsetType = UNSET
    output_base64: str | UnsetType = UNSET
    stdout: str | UnsetType = UNSET
    stdout_base64: str | UnsetType = UNSET
    stderr: str | UnsetType = UNSET
    stderr_base64: str | UnsetType = UNSET


def fill(model: RunModel, spool: CapturedOutput, *, strip: bool) -> None:
    """Put what was written so far into the model, as text, and as it is where it is not UTF-8."""
    for stream in spool.streams:
        data = spool.of(stream)
        if strip:
            data = ansi.strip(data)
        for name, value in _fields(data, stream).items():
            setattr(model, name, value)


class OutputText(NamedTuple):
    """A piece of output for an event, and how many bytes of it that was."""

    used: int
    fields: dict[str, Any]


def text_of(data: bytes, *, last: bool, more: bool = False) -> OutputText:
    """The longest part of `data` that ends with a whole character, unless nothing can follow."""
    if not last or more:
        data = data[: len(data) - _unfinished(data)]
    return OutputText(len(data), _fields(data, "text")) if data else OutputText(0, {})


def _unfinished(data: bytes) -> int:
    """How many bytes at the end begin a UTF-8 character that is not complete."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if back < size else 0
        if byte < 0x80:
            return 0
    return 0


def _fields(data: bytes, name: str) -> dict[str, str]:
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        encoded = base64.b64encode(data).decode("ascii")
        key = "base64" if name == "text" else f"{name}_base64"
        return {name: data.decode(errors="replace"), key: encoded}
