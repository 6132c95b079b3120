"""Runs: the body to run a shell command, and the answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from jupyter_bridge.models.common import Answer, Body, one_of
from jupyter_bridge.wire.names import ConsoleName

# An answer in one piece is held in memory; a client that needs more asks for it, and streams.
MAX_OUTPUT = 8 << 20
LARGEST_OUTPUT = 1 << 30


class RunBody(Body):
    """The command to run, its place and its options.

    `console` is a terminal's name, "new" for one that stays open, or null for a new login shell
    that is closed afterwards; on a connection `<connection>:<node>`, `<connection>:new`, and
    `<connection>:`. `cwd` and `env` are set in the shell before the command, and stay set. Without
    `stdin`, `tty` reads the terminal and `split` reads nothing. `timeout` is in seconds from the
    command's start; on a timeout the command is killed, or left running. At most `max_output` bytes
    are kept. With `queue`, the run waits for a busy shell.
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
        return sum(map(len, (self.command, self.stdin or "", *self.env, *self.env.values())))

    def empty(self) -> None:
        """Drop the command and its input, which are not needed after the end."""
        self.command, self.stdin, self.env = "", None, {}

    @property
    def _node(self) -> str | None:
        return None if self.connection is None else ConsoleName.parse(str(self.console)).rest


class RunModel(Answer):
    """A run.

    `status` is `queued` or `running` until the end. `exit_code` is the shell's `$?`; None while
    unknown. The command's output is between the two offsets of the console. `output` is the
    terminal's output (`tty`); `stdout` and `stderr` are separate with `split`. The `…_base64`
    fields hold the exact bytes of a text that is not UTF-8.
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
    output: str | None = None
    output_base64: str | None = None
    stdout: str | None = None
    stdout_base64: str | None = None
    stderr: str | None = None
    stderr_base64: str | None = None
