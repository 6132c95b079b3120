"""search: find text in what consoles said, as `grep` does in files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import PROBLEM, Call, command

if TYPE_CHECKING:
    from jupyter_bridge.models.consoles import HitModel

group = typer.Typer()

_NOTHING = 1


@command(group)
def search(
    call: Call,
    text: Annotated[str, typer.Argument(metavar="TEXT", show_default=False)],
    console: Annotated[
        str | None, typer.Option("-c", "--console", metavar="NAME", help="Only this console.")
    ] = None,
    regex: Annotated[
        bool, typer.Option("-E", "--regex", help="TEXT is a pattern in RE2's syntax.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only since then: seconds ago, or a time in ISO 8601."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Show at most N lines (default: 1000).")
    ] = None,
) -> int:
    """Search what the consoles said for TEXT: all consoles, also ended ones, and open files.

    A line shows its console, its offset and its text, without escape sequences.

    Exit codes: 0 a line matches, 1 none does, 2 an error, or a console could not be read.
    """
    with call.connect() as bridge:
        found = bridge.consoles.search(text, regex=regex, console=console, since=since, limit=limit)
    for hit in found.hits:
        if call.json:
            call.print_json(hit)
        else:
            _show(hit)
    if found.truncated:
        call.note(f"[only the first {len(found.hits)} lines; see --limit and --since]")
    for name in found.unread:
        call.note(f"[{name} could not be read to its end]")
    if found.unread:
        return PROBLEM
    return 0 if found.hits else _NOTHING


def _show(hit: HitModel) -> None:
    before, match = hit.line[: hit.start], hit.line[hit.start : hit.end]
    output.hit(f"{hit.console}:{hit.offset}:", before, match, hit.line[hit.end :])
