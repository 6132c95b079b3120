"""dataset: list, download and upload data sets, with a progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import PROBLEM, Call, command, pairs_of

if TYPE_CHECKING:
    from jupyter_bridge.client import Bridge
    from jupyter_bridge.models.transfers import TransferModel

group = typer.Typer()
dataset = typer.Typer(no_args_is_help=True, help="Data sets of connections.")
group.add_typer(dataset, name="dataset")

Name = Annotated[str, typer.Argument(metavar="CONNECTION", help="The connection's name.")]
PermId = Annotated[
    str, typer.Argument(metavar="PERMID", help="The data set: its permId, or its path.")
]
Detach = Annotated[
    bool, typer.Option("--detach", "-d", help="Start it, print its id, and do not wait.")
]


@command(dataset, "ls")
def list_(call: Call, connection: Name, perm_id: PermId) -> None:
    """List the files of a data set."""
    with call.connect() as bridge:
        found = bridge.connections.dataset(connection, perm_id)
    call.show(found, *(f"{file.size:>14}  {file.path}" for file in found.files))


@command(dataset)
def get(
    call: Call,
    connection: Name,
    perm_id: PermId,
    path: Annotated[
        str, typer.Argument(metavar="DIR", help="A folder on the server's host; default its root.")
    ] = ".",
    file: Annotated[
        list[str] | None, typer.Option("--file", metavar="FILE", help="Only this. Repeatable.")
    ] = None,
    detach: Detach = False,
) -> int:
    """Download a data set to DIR/PERMID on the server's host. After Ctrl-C it continues there."""
    with call.connect() as bridge:
        transfer = bridge.connections.download(connection, perm_id, path, files=file)
        return _follow(call, bridge, transfer, detach)


@command(dataset)
def put(
    call: Call,
    connection: Name,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Files or folders on the server's host.")
    ],
    to: Annotated[
        str, typer.Option("--to", metavar="OBJECT", help="The object or folder it belongs to.")
    ] = "",
    type_: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="The data set's type.")
    ] = None,
    parent: Annotated[
        list[str] | None, typer.Option("--parent", metavar="PERMID", help="Repeatable.")
    ] = None,
    prop: Annotated[
        list[str] | None, typer.Option("--prop", metavar="K=V", help="Repeatable.")
    ] = None,
    detach: Detach = False,
) -> int:
    """Upload files of the server's host as a data set, and print its permId."""
    props = pairs_of(prop or [], "--prop")
    with call.connect() as bridge:
        transfer = bridge.connections.upload(
            connection, files, to, type=type_, parents=parent or [], props=props
        )
        return _follow(call, bridge, transfer, detach)


@command(dataset)
def transfers(call: Call) -> None:
    """List the transfers, the newest first."""
    with call.connect() as bridge:
        found = bridge.connections.transfers()
    if call.json:
        call.print_json(found)
    for one in found:
        percent = 100 * one.done // one.total if one.total else 0
        call.print(
            f"{one.transfer}  {one.direction:8}  {one.state:9}  {percent:3} %  "
            f"{one.connection}  {one.permId or one.path}"
        )


@command(dataset)
def cancel(
    call: Call, transfer: Annotated[str, typer.Argument(metavar="TRANSFER", help="Its id.")]
) -> None:
    """Cancel a transfer."""
    with call.connect() as bridge:
        _show_result(call, bridge.connections.cancel(transfer))


@command(dataset)
def pause(
    call: Call, transfer: Annotated[str, typer.Argument(metavar="TRANSFER", help="Its id.")]
) -> None:
    """Pause a transfer; `resume` continues it."""
    with call.connect() as bridge:
        paused = bridge.connections.pause(transfer)
    call.show(paused, paused.state)


@command(dataset)
def resume(
    call: Call,
    transfer: Annotated[str, typer.Argument(metavar="TRANSFER", help="Its id.")],
    detach: Detach = False,
) -> int:
    """Resume a transfer that failed or was paused."""
    with call.connect() as bridge:
        return _follow(call, bridge, bridge.connections.resume(transfer), detach)


def _follow(call: Call, bridge: Bridge, transfer: TransferModel, detach: bool) -> int:
    if detach:
        call.show(transfer, transfer.transfer)
        return 0
    with output.progress(quiet=call.json) as progress:
        about = transfer.permId or transfer.path
        bar = progress.add_task(_short(about), total=None)

        def on_progress(now: TransferModel) -> None:
            shown = _short(now.file or about)
            progress.update(bar, completed=now.done, total=now.total, description=shown)

        last = bridge.connections.follow(transfer.transfer, on_progress)
    return _show_result(call, last)


def _short(path: str) -> str:
    """Return the path's last name, to leave room for the bar."""
    return path.rstrip("/").rpartition("/")[2][:40]


def _show_result(call: Call, last: TransferModel) -> int:
    if call.json:
        call.print_json(last)
    if last.problem is not None:
        call.note(str(last.problem.get("message", last.state)))
    elif last.state == "done":
        where = last.path if last.direction == "download" else last.permId
        call.print(str(where))
    else:
        call.print(last.state)
    return 0 if last.state in ("done", "cancelled") else PROBLEM
