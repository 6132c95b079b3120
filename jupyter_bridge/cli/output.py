"""The output of all commands: the only module that uses stdout, stderr and the terminal.

Names, titles and sentences come from untrusted remote servers, files and kernels. This module
escapes their control characters (wire/visible.py), except in `raw`:

    line, note, lines     text, escaped
    hit                   a line that a search found, escaped
    table, progress       escaped in each cell and each name beside the bar
    json_line             JSON, with the same characters as JSON's escapes
    ask, ask_secret       a prompt, escaped; the prompt of a program keeps its colours
    ago, local            a relative time, and one of this machine's zone
    raw, raw_to           the output of a console or kernel, unchanged, as a terminal shows it

`tests/cli/test_output.py` checks that no other module of the command writes.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TextIO

from jupyter_bridge.wire.visible import visible, visible_json, visible_lines, visible_prompt

if TYPE_CHECKING:
    from rich.progress import Progress

# A pipe has no width; a table there is not cut.
_PIPE_WIDTH = 500


def line(text: str) -> None:
    """Print a line on stdout."""
    raw(f"{visible(text)}\n")


def note(text: str) -> None:
    """Print a line on stderr."""
    raw(f"{visible(text)}\n", err=True)


def lines(text: str, *, err: bool = False) -> None:
    """Print a text of several lines."""
    raw(f"{visible_lines(text)}\n", err=err)


def json_line(value: Any, *, err: bool = False) -> None:
    """Print a JSON value on one line."""
    raw(f"{visible_json(_encoded(value))}\n", err=err)


def raw(data: str | bytes, *, err: bool = False) -> None:
    """Print the output of a console or kernel, unchanged and at once."""
    file = sys.stderr if err else sys.stdout
    buffer = getattr(file, "buffer", None)
    if isinstance(data, bytes) and buffer is not None:
        file.flush()
        buffer.write(data)
        buffer.flush()
        return
    file.write(data if isinstance(data, str) else data.decode("utf-8", "replace"))
    file.flush()


def raw_to(number: int, data: bytes) -> None:
    """Write all of `data` to a file descriptor, unchanged."""
    while data:
        data = data[os.write(number, data) :]


def is_terminal(*, err: bool = False) -> bool:
    """Tell whether stdout (or stderr) is a terminal."""
    return (sys.stderr if err else sys.stdout).isatty()


def terminal_size() -> tuple[int, int]:
    """Return the rows and columns of the terminal that stdout is; (0, 0) if it has no size."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return 0, 0
    return size.lines, size.columns


def label(name: str, colour: int) -> str:
    """Return the prefix of each line of a console among several, coloured on a terminal."""
    return f"\x1b[{colour}m{visible(name)}\x1b[0m " if is_terminal() else f"{visible(name)}: "


def hit(place: str, before: str, match: str, after: str) -> None:
    """Print a line that a search found: its place, and the match, coloured on a terminal."""
    shown = [visible(part) for part in (place, before, match, after)]
    if is_terminal() and not os.environ.get("NO_COLOR"):
        shown[0], shown[2] = f"\x1b[35m{shown[0]}\x1b[0m", f"\x1b[1;31m{shown[2]}\x1b[0m"
    raw("".join(shown) + "\n")


def table(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    whole: Collection[str] = (),
) -> None:
    """Print a table; columns in `right` are right-aligned, those in `whole` are not wrapped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        side: Any = "right" if title in right else "left"
        shown.add_column(title, justify=side, no_wrap=title in whole)
    for row in rows:
        # rich interprets neither markup nor emoji codes in a Text.
        shown.add_row(*(Text(visible(cell)) for cell in row))
    Console(width=None if is_terminal() else _PIPE_WIDTH).print(shown)


def progress(*, quiet: bool) -> Progress:
    """A progress bar on stderr, for `with`; hidden if stderr is no terminal, or if `quiet`."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        Task,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text

    class Name(TextColumn):
        def render(self, task: Task) -> Text:
            return Text(visible(task.description))

    return Progress(
        Name(""),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet or not is_terminal(err=True),
    )


# -- asking ------------------------------------------------------------------------------------


def ask(prompt: str, *, quiet: bool = False, program: bool = False) -> str:
    """Read a line of stdin; raises EOFError at its end. `program`: a kernel's code asks.

    With stdin and stdout on a terminal the line can be edited. If only stdin is one, or stdout
    has JSON (`quiet`), the prompt goes to stderr.
    """
    shown = _prompt(prompt, program)
    typed = sys.stdin.isatty()
    if typed and is_terminal() and not quiet:
        return input(shown)
    if typed or not quiet:
        raw(shown, err=typed)  # in a pipe to stdout, as Python's own input() does
    return _line_of(_read(sys.stdin))


def ask_secret(prompt: str, *, program: bool = False) -> str:
    """Read a line without echo."""
    return getpass.getpass(_prompt(prompt, program))


def ask_terminal(prompt: str, *, secret: bool) -> str:
    """Read a line from the controlling terminal for a program, while stdin is a file or pipe.

    Raises EOFError at the end of input, OSError if there is no terminal.
    """
    with open("/dev/tty", "r+b", buffering=0) as terminal:
        if secret:
            return ask_secret(prompt, program=True)
        terminal.write(_prompt(prompt, True).encode("utf-8", "replace"))
        return _line_of(terminal.readline().decode("utf-8", "replace"))


def _prompt(prompt: str, program: bool) -> str:
    return visible_prompt(prompt) if program else visible(prompt)


def _read(file: TextIO) -> str:
    return file.readline()


def _line_of(text: str) -> str:
    if not text:
        raise EOFError
    return text.rstrip("\n")


def _encoded(value: Any) -> str:
    import msgspec

    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # an argument of the command line that is not UTF-8
        return json.dumps(msgspec.to_builtins(value))


def local(moment: datetime | None) -> str:
    """Format a time of this machine's zone; the calendar ends in years 1 and 9999."""
    if moment is None:
        return ""
    try:
        moment = moment.astimezone()
    except (OverflowError, ValueError):
        pass
    return moment.isoformat(" ")[:19]


def ago(moment: datetime | None) -> str:
    """Format the time since `moment` in the largest unit that fits."""
    if moment is None:
        return ""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    seconds = max(0, int((datetime.now(timezone.utc) - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
