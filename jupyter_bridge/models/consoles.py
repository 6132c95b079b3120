"""Consoles: what is sent to open a terminal, and how consoles are shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from jupyter_bridge.models.common import Answer, Body, one_of

Size = Annotated[int, msgspec.Meta(ge=1, le=2000)]


class TerminalOptions(Body):
    """A new terminal: its name (letters, digits, _), the folder it stands in (relative to the
    server's root), variables to add (null removes one), what to run for a shell, its size."""

    name: str | None = None
    cwd: str | None = None
    env: Mapping[str, str | None] = {}
    shell_command: list[str] | None = None
    rows: Size | None = None
    cols: Size | None = None


class ViewerModel(Answer):
    """Somebody who looks at a console, and how; `you` in what that viewer is told."""

    user: str
    mode: Annotated[str, one_of("watch", "join", "steal")]
    you: bool = False


class ConsoleModel(Answer):
    """A console; `exit_code` once it has ended, where it is known.

    `last_line` is the last line it said that is not blank, without escape sequences and controls,
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
