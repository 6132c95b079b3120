"""Runs: what is sent to run a shell command, and what is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from jupyter_bridge.models.common import Answer, Body, one_of
from jupyter_bridge.wire.names import ConsoleName

# An answer in one piece is held in memory; who wants more says so, and streams it.
MAX_OUTPUT = 8 << 20
LARGEST_OUTPUT = 1 << 30


class RunBody(Body):
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


class RunModel(Answer):
    """A run.

    `status` is `queued` or `running` until it is one of the others. `exit_code` is what the shell
    has in `$?`; None while nobody knows. Offsets are the console's, around the command's output.
    `output` is what the terminal showed (`tty`); `stdout` and `stderr` come apart with `split`. The
    exact bytes stand beside a text that is not UTF-8.
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
