"""Consoles: the body to open a terminal, and the answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from jupyter_bridge.models.common import Answer, Body, one_of

Size = Annotated[int, msgspec.Meta(ge=1, le=2000)]


class TerminalOptions(Body):
    """A new terminal: its name (letters, digits, _), its folder (relative to the server's root),
    variables to add (null removes one), the command to run as its shell, its size. `cwd_base64` has
    the folder instead if its path is not UTF-8."""

    name: str | None = None
    cwd: str | None = None
    cwd_base64: bytes | None = None
    env: Mapping[str, str | None] = {}
    shell_command: list[str] | None = None
    rows: Size | None = None
    cols: Size | None = None

    @property
    def is_in_folder(self) -> bool:
        """Whether a folder is given."""
        return self.cwd is not None or self.cwd_base64 is not None


class ConsoleChange(Body):
    """The new name of a terminal: letters, digits, _."""

    name: str


class ViewerModel(Answer):
    """A viewer of a console; `you` is true in the answer to that viewer."""

    user: str
    mode: Annotated[str, one_of("watch", "join", "steal")]
    you: bool = False


class ConsoleModel(Answer):
    """A console; `exit_code` is set after its end, if known.

    `last_line` is the last line that is not blank, without escape sequences and control characters,
    cut after 200 characters.
    """

    name: str
    kind: str
    state: Annotated[str, one_of("live", "ended")]
    title: str
    first_offset: int
    end_offset: int
    epoch: str
    started: datetime
    last_activity: datetime
    last_line: str
    viewers: list[ViewerModel]
    exit_code: int | None = None


class HitModel(Answer):
    """A line of a console in which a search found its text.

    `offset` is that of the line's first byte, `time` when it came; null where times are unknown.
    `line` has no escape sequences. Of a long line it is the part around the match, with `…` where
    it was cut. The match is `line[start:end]`, counted in characters (Unicode code points).
    """

    console: str
    epoch: str
    offset: int
    time: datetime | None
    line: str
    start: int
    end: int


class SearchModel(Answer):
    """The hits of a search: console by console, in each by offset.

    `truncated` if there are more hits than asked for. `unread` names the consoles that could not
    be read to their end, like a file on a mount that does not answer.
    """

    hits: list[HitModel]
    truncated: bool
    unread: list[str] = []


class CommandModel(Answer):
    """A command that was run in a console's shell.

    Its output is from `offset` to `end_offset`, which is null while it runs. `time` is when it
    began, `seconds` how long it took (so far), to 0.1 s; null where times are unknown. `exit_code`
    is what the shell said, `cwd` the folder in which the command began, `command` its text, of
    which the first 1,000 characters are kept; each is null where the shell does not tell it.
    """

    offset: int
    end_offset: int | None
    time: datetime | None
    seconds: float | None
    exit_code: int | None
    cwd: str | None
    command: str | None


class CommandsModel(Answer):
    """The commands of a console that its shell's marks tell, the newest last.

    `truncated` if there are older ones: ask for those `before` the first one's offset. A program
    can print such marks, too.
    """

    console: str
    epoch: str
    commands: list[CommandModel]
    truncated: bool
