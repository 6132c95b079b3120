"""consoles, tail, attach, send, record: list consoles, read them and type into them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import Call, command, pairs_of
from jupyter_bridge.cli.commands.attach import Attachment
from jupyter_bridge.cli.commands.kernels import ConnOption
from jupyter_bridge.cli.detach_keys import DEFAULT, DetachKeys
from jupyter_bridge.cli.tails import TIMED_OUT, Tails, show_alone
from jupyter_bridge.problems import BadRequest, Timeout
from jupyter_bridge.wire.console import Start

if TYPE_CHECKING:
    from jupyter_bridge.client import Bridge
    from jupyter_bridge.models.consoles import ConsoleModel

group = typer.Typer()
consoles = typer.Typer()
group.add_typer(consoles, name="consoles")

_TITLES = ("NAME", "KIND", "STATE", "TITLE", "ACTIVE", "BYTES", "VIEWERS")
# The size of one read from stdin, bytes.
_CHUNK = 64 * 1024

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        show_default=False,
        help="A terminal's name, kernel:ID, file:PATH, or CONNECTION:NODE.",
    ),
]


@command(consoles, default=True)
def list_(call: Call, conn: ConnOption = None) -> None:
    """List the consoles: open ones, and ended ones whose output is kept."""
    with call.connect() as bridge:
        found = bridge.consoles.list(conn)
    if call.json:
        call.print_json(found)
    elif found:
        output.table(_TITLES, map(_row, found), whole={"NAME"})
    else:
        call.note("There is no console.")


def _row(console: ConsoleModel) -> tuple[str, ...]:
    state = console.state
    if state == "ended" and console.exit_code is not None:
        state = f"ended ({console.exit_code})"
    return (
        console.name,
        console.kind,
        state,
        console.title[:60],
        output.ago(console.last_activity),
        str(console.end_offset - console.first_offset),
        ", ".join(f"{viewer.user} ({viewer.mode})" for viewer in console.viewers),
    )


@command(consoles)
def new(
    call: Call,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Letters, digits and _.")
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]...", help="What to run in it; a shell unless given."),
    ] = None,
    cwd: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Relative to the server's root.")
    ] = None,
    env: Annotated[list[str] | None, typer.Option("-e", "--env", metavar="K=V")] = None,
) -> None:
    """Open a terminal, and print its name. It takes this terminal's size."""
    rows, cols = output.terminal_size()
    with call.connect() as bridge:
        made = bridge.consoles.open(
            name,
            cwd=cwd,
            env=pairs_of(env or [], "--env"),
            shell_command=words or None,
            rows=rows or None,
            cols=cols or None,
        )
    call.show(made, made.name)


@command(consoles)
def end(
    call: Call,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", show_default=False)],
    purge: Annotated[bool, typer.Option("--purge", help="Also delete what it said.")] = False,
) -> None:
    """End consoles: a terminal's programs are stopped. What they said is kept."""
    with call.connect() as bridge:
        for name in names:
            bridge.consoles.end(name, purge=purge)


@command(consoles)
def rename(
    call: Call,
    name: Name,
    new_name: Annotated[
        str, typer.Argument(metavar="NEW", help="Letters, digits and _.", show_default=False)
    ],
) -> None:
    """Rename a terminal of the server. Its viewers and programs go on."""
    with call.connect() as bridge:
        call.show(bridge.consoles.rename(name, new_name))


@command(group)
def tail(
    call: Call,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="The consoles.", show_default=False)
    ],
    lines: Annotated[
        int | None, typer.Option("-n", "--lines", metavar="N", help="Begin N lines before the end.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Follow the output until the console ends.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Begin there: seconds ago, or a time in ISO 8601."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Stop after the first match.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Stop after this (with --until: 124).")
    ] = None,
    strip: Annotated[
        bool, typer.Option("--strip", help="Remove colours and other escape sequences.")
    ] = False,
) -> int:
    """Show the output of consoles; -f follows it.

    Lines of several consoles have a prefix. A dropped connection resumes where it stopped.
    """
    if until is not None and len(names) > 1:
        raise BadRequest("--until needs exactly one console.")
    how = {
        "lines": lines,
        "since": since,
        "follow": follow,
        "until": until,
        "timeout": timeout,
        "strip": strip,
    }
    with call.connect() as bridge:
        return Tails(call, bridge, names, how).show()


@command(group)
def attach(
    call: Call,
    name: Name,
    watch: Annotated[bool, typer.Option("--watch", help="Only watch; type nothing.")] = False,
    steal: Annotated[
        bool, typer.Option("--steal", help="Take over: other writers become watchers.")
    ] = False,
    detach_keys: Annotated[
        str,
        typer.Option(metavar="KEYS", help="The keys that detach, such as ctrl-p,ctrl-q."),
    ] = DEFAULT,
) -> int:
    """Attach this terminal to a console. Detach with Ctrl-]; press it twice to send it.

    The console takes this window's size. A dropped connection resumes where it stopped.
    """
    if watch and steal:
        raise BadRequest("--watch and --steal exclude each other.")
    keys = DetachKeys(detach_keys)
    if not sys.stdin.isatty() or not output.is_terminal():
        raise BadRequest("attach needs a terminal; use `tail` and `send` in scripts.")
    mode: Literal["watch", "join", "steal"] = "watch" if watch else "steal" if steal else "join"
    with call.connect() as bridge:
        return Attachment(bridge, name, mode, keys).run()


@command(group)
def send(
    call: Call,
    name: Name,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT...", help="What to type; stdin unless given."),
    ] = None,
    no_newline: Annotated[
        bool, typer.Option("--no-newline", help="Do not press Enter after TEXT.")
    ] = False,
    until: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Show the output up to the first match.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Stop waiting for the match after this (124)."),
    ] = None,
) -> int:
    """Type into a console: TEXT and Enter, or the bytes of stdin unchanged.

    With --until the output is read from before typing, so no answer is missed; the echo of TEXT
    is left out.
    """
    if timeout is not None and until is None:
        raise BadRequest("--timeout needs --until.")
    with call.connect() as bridge:
        if until is None:
            _type(bridge, name, words, newline=not no_newline)
            return 0
        typed = False
        try:
            tail = bridge.consoles.tail
            with tail(name, lines=0, until=until, timeout=timeout, skip_echo=True) as stream:
                for frame in stream:
                    if isinstance(frame, Start) and not typed:
                        _type(bridge, name, words, newline=not no_newline)
                        typed = True
                    show_alone(call, name, frame)
        except Timeout as problem:
            call.complain(problem)
            return TIMED_OUT
    return 0


def _type(bridge: Bridge, name: str, words: list[str] | None, *, newline: bool) -> None:
    if words:
        bridge.consoles.send(name, " ".join(words), newline=newline)
        return
    while data := os.read(sys.stdin.fileno(), _CHUNK):
        bridge.consoles.send(name, data)


@command(group)
def record(
    call: Call,
    name: Name,
    start: Annotated[int | None, typer.Option("--from", metavar="OFFSET")] = None,
    end: Annotated[int | None, typer.Option("--to", metavar="OFFSET")] = None,
    v3: Annotated[
        bool, typer.Option("--v3", help="Write asciicast v3, for asciinema 3, with the exit code.")
    ] = False,
) -> None:
    """Write a console's recording to stdout as an asciicast, for `asciinema play`."""
    if output.is_terminal():
        raise BadRequest("Redirect the recording to a file: add `> x.cast`.")
    with call.connect() as bridge:
        for part in bridge.consoles.recording(name, start=start, end=end, version=3 if v3 else 2):
            output.raw(part)
