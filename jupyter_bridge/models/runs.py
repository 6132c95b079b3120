"""Runs: the body to run a shell command, and the answer."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from jupyter_bridge.models.common import Answer, Body, one_of
from jupyter_bridge.models.consoles import Size
from jupyter_bridge.problems import BadRequest
from jupyter_bridge.wire.names import ConsoleName
from jupyter_bridge.wire.shell.any_bytes import to_text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# An answer in one piece is held in memory; a client that needs more asks for it, and streams.
MAX_OUTPUT = 8 << 20
LARGEST_OUTPUT = 1 << 30


class RunBody(Body):
    """The command to run, its place and its options.

    `console` is a terminal's name, "new" for one that stays open, or null for a new login shell
    that is closed afterwards; on a connection `<connection>:<node>`, `<connection>:new`, and
    `<connection>:`. `cwd` and `env` are set in the shell before the command, and stay set. Without
    `stdin`, `tty` reads the terminal and `split` reads nothing, unless `input` is "pipe": then the
    command reads what `POST …/input` sends, up to its `end`. `timeout` is in seconds from the
    command's start; on a timeout the command is killed, or left running. An answer in one piece has
    at most `max_output` bytes of output. With `queue`, the run waits for a busy shell, at most
    `queue_timeout` seconds. With `raw`, `tty` output keeps the terminal's CR LF. Without `pager`,
    git, man and the like print instead of paging. `rows` and `cols` are the client's screen, which
    counts for the terminal's size until the end. A new shell is `shell`, a name or a path, or else
    the user's; its profile may take `start_timeout` seconds. A value that is not UTF-8 is sent in
    its `…_base64` field instead.
    """

    command: str | None = None
    command_base64: bytes | None = None
    console: str | None = None
    cwd: str | None = None
    cwd_base64: bytes | None = None
    env: dict[str, str] = {}
    env_base64: dict[str, bytes] = {}
    stdin: str | None = None
    stdin_base64: bytes | None = None
    input: Literal["terminal", "pipe"] = "terminal"
    timeout: Annotated[float, msgspec.Meta(gt=0)] | None = None
    on_timeout: Literal["kill", "leave"] = "kill"
    output: Literal["tty", "split"] = "tty"
    strip: bool = False
    raw: bool = False
    pager: bool = True
    rows: Size | None = None
    cols: Size | None = None
    max_output: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_OUTPUT)] = MAX_OUTPUT
    queue: bool = False
    queue_timeout: Annotated[float, msgspec.Meta(gt=0)] | None = None
    shell: str | None = None
    start_timeout: Annotated[float, msgspec.Meta(gt=0)] | None = None

    @property
    def waits(self) -> bool:
        """Whether the run waits for a busy shell."""
        return self.queue or self.queue_timeout is not None

    @property
    def connection(self) -> str | None:
        """The connection that runs the command; None for this server."""
        return ConsoleName.parse(self.console or "").connection

    @property
    def is_fresh(self) -> bool:
        """Whether a new shell is opened for the command."""
        return self.console in (None, "new") or self._node in ("", "new")

    @property
    def stays(self) -> bool:
        """Whether the shell stays open after the command."""
        return self.console is not None and self._node != ""

    @property
    def size(self) -> int:
        """The approximate size in bytes."""
        texts = (self.command, self.stdin, *self.env, *self.env.values())
        exact = (self.command_base64, self.stdin_base64, *self.env_base64.values())
        return sum(len(each or "") for each in (*texts, *exact))

    def in_text(self) -> RunBody:
        """Return a copy with all bytes in the text fields, as `wire/shell/any_bytes.py` has them.

        BadRequest if a value is missing or given twice, or if a shell cannot take it.
        """
        env = dict(self.env)
        for name, value in self.env_base64.items():
            env[name] = str(_one("env", env.get(name), value))
        for name, text in env.items():
            if not _NAME.fullmatch(name):
                raise BadRequest(f"env: {name!r} is not the name of a variable.", field="env")
            _one("env", text, None, escaped=name in self.env_base64)
        if self.shell is not None and not self.is_fresh:
            raise BadRequest("shell: only for a new shell, not for a console.", field="shell")
        if self.input == "pipe" and (self.stdin, self.stdin_base64) != (None, None):
            raise BadRequest("stdin: not with input: pipe; send it there.", field="stdin")
        command = _one("command", self.command, self.command_base64)
        if command is None:
            raise BadRequest("command: give the command to run.", field="command")
        return msgspec.structs.replace(
            self,
            command=command,
            cwd=_one("cwd", self.cwd, self.cwd_base64),
            stdin=_one("stdin", self.stdin, self.stdin_base64, nul=True),
            env=env,
            command_base64=None,
            cwd_base64=None,
            stdin_base64=None,
            env_base64={},
        )

    def empty(self) -> None:
        """Drop the command and its input, which are not needed after the end."""
        self.command, self.stdin, self.env = "", None, {}

    @property
    def _node(self) -> str | None:
        return None if self.connection is None else ConsoleName.parse(str(self.console)).rest


def _one(
    field: str, text: str | None, exact: bytes | None, *, nul: bool = False, escaped: bool = False
) -> str | None:
    """Return the value that was given as text or as bytes, checked."""
    if text is not None and exact is not None:
        raise BadRequest(f"{field}: give it as text or in base64, not both.", field=field)
    if text is not None and not escaped:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadRequest(f"{field}: not valid Unicode.", field=field) from error
    value = text if exact is None else to_text(exact)
    if value is not None and "\0" in value and not nul:
        raise BadRequest(f"{field}: must not contain NUL.", field=field)
    return value


class Omitted(Answer):
    """So many `bytes` of a text are left out, after its first `offset` bytes."""

    bytes: int
    offset: int


class RunModel(Answer):
    """A run.

    `status` is `queued` or `running` until the end. `exit_code` is the shell's `$?`; None while
    unknown. `shell` is the program that ran it, `instead_of` the user's shell if a run cannot use
    that. The command's output is between the two offsets of the console. `output` is the
    terminal's output (`tty`); `stdout` and `stderr` are separate with `split`. The `…_base64`
    fields hold the exact bytes of a text that is not UTF-8, and `cwd_base64` those of a folder.
    Text longer than `max_output` has its beginning and its end, and `omitted` (`stdout_omitted`,
    `stderr_omitted`) says what is left out; then, and if output was lost, `truncated` is true.
    """

    run: str
    console: str
    status: Annotated[
        str, one_of("queued", "running", "done", "timeout", "cancelled", "session-closed")
    ]
    exit_code: int | None
    truncated: bool
    cwd: str | None
    started: datetime
    seconds: float
    start_offset: int | None
    end_offset: int | None
    signal: str | None = None
    shell: str | None = None
    instead_of: str | None = None
    cwd_base64: bytes | None = None
    output: str | None = None
    output_base64: str | None = None
    omitted: Omitted | None = None
    stdout: str | None = None
    stdout_base64: str | None = None
    stdout_omitted: Omitted | None = None
    stderr: str | None = None
    stderr_base64: str | None = None
    stderr_omitted: Omitted | None = None
