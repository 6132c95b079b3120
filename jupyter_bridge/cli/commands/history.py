"""history: the commands that were run in a console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import Call, command
from jupyter_bridge.cli.commands.consoles import Name

if TYPE_CHECKING:
    from jupyter_bridge.models.consoles import CommandModel

group = typer.Typer()

_TITLES = ("OFFSET", "TIME", "SECONDS", "EXIT", "FOLDER", "COMMAND")


@command(group)
def history(
    call: Call,
    name: Name,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Show the newest N commands (default: 200).")
    ] = None,
    before: Annotated[
        int | None, typer.Option(metavar="OFFSET", help="Only commands before this offset.")
    ] = None,
) -> None:
    """List the commands that were run in a console, by hand or by `run`; the newest last.

    EXIT is `-` while a command runs, and `?` if its shell did not tell.
    """
    with call.connect() as bridge:
        found = bridge.consoles.commands(name, limit=limit, before=before)
    if call.json:
        for one in found.commands:
            call.print_json(one)
    elif found.commands:
        output.table(_TITLES, map(_row, found.commands), right={"OFFSET", "SECONDS", "EXIT"})
    else:
        call.note("No command is known.")
    if found.truncated:
        first = f", or --before {found.commands[0].offset}" if found.commands else ""
        call.note(f"[there are older commands; see --limit{first}]")


def _row(one: CommandModel) -> tuple[str, ...]:
    status = "-" if one.end_offset is None else "?"
    return (
        str(one.offset),
        output.local(one.time),
        f"{one.seconds:.1f}" if one.seconds is not None else "",
        str(one.exit_code) if one.exit_code is not None else status,
        one.cwd or "",
        one.command or "",
    )
