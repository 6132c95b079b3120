"""conn: connections to remote systems."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import Call, command, pairs_of
from jupyter_bridge.problems import BadRequest, Problem

if TYPE_CHECKING:
    from jupyter_bridge.models.connections import ConnectionModel, KindModel

group = typer.Typer()
conn = typer.Typer(no_args_is_help=True, help="Connections to remote systems.")
group.add_typer(conn, name="conn")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The connection's name.")]
Username = Annotated[str | None, typer.Option("--username", "-u", metavar="NAME")]
Ask = Annotated[
    bool,
    typer.Option("--ask", help="Ask for the password again, though the server holds one."),
]


@command(conn, "list")
def list_(call: Call) -> None:
    """List the connections, and the errors in their configuration."""
    with call.connect() as bridge:
        listing = bridge.connections.list()
    if call.json:
        call.print_json(listing)
        return
    for problem in listing.problems:
        call.note(f"{problem.source}: {problem.message}")
    if not listing.connections:
        call.note("No connections. Add one with `jupyter bridge conn add`.")
        return
    rows = [
        (one.name, one.kind, one.state, one.url, one.mountpoint, one.reason or "")
        for one in listing.connections
    ]
    output.table(("NAME", "KIND", "STATE", "URL", "MOUNTED AT", "WHY"), rows)


@command(conn)
def show(call: Call, name: Name) -> None:
    """Show one connection."""
    with call.connect() as bridge:
        _print(call, bridge.connections.get(name))


@command(conn)
def add(
    call: Call,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The new connection's name.")
    ] = None,
    where: Annotated[str | None, typer.Argument(metavar="URL", help="Its address.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", "-k", metavar="KIND", help="openbis, sftp, …")
    ] = None,
    username: Username = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", "-f", metavar="K=V", help="A field of the kind. Repeatable."),
    ] = None,
    remember: Annotated[
        bool, typer.Option("--remember", "-r", help="Save it, and its secret.")
    ] = False,
) -> None:
    """Add a connection and log in. Asks for what is missing; never shows a password."""
    given: dict[str, Any] = dict(pairs_of(field or [], "--field"))
    with call.connect() as bridge:
        kinds = bridge.connections.kinds()
        typed = sys.stdin.isatty()
        name = name or _ask("Name", typed)
        kind = kind or (None if where else _ask_kind(kinds, typed))
        where = where or _ask(_title(kinds.get(kind or ""), "url", "URL"), typed)
        if typed and kind in kinds:
            given = {
                **_missing(kinds[kind], {**given, "url": where, "username": username}),
                **given,
            }
            username = given.pop("username", username)
        if given.get("url") is not None:
            raise BadRequest("--field url: the URL is an argument of its own.")
        made = bridge.connections.add(
            name, where, kind=kind, remember=remember, username=username, **given
        )
    _print(call, made)


@command(conn)
def login(call: Call, name: Name, username: Username = None, ask: Ask = False) -> None:
    """Log in. Asks for what is missing; a pipe answers line by line."""
    with call.connect() as bridge:
        held = bridge.connections.get(name)
        kind = bridge.connections.kinds().get(held.kind)
        given: dict[str, Any] = {"username": username}
        if ask or username or held.needs:
            given.update(_credentials(kind, held))
        made = _with_host_key(call, partial(bridge.connections.login, name, **given))
    _print(call, made)


@command(conn)
def logout(call: Call, name: Name) -> None:
    """Log out. The connection stays logged out until `login`."""
    with call.connect() as bridge:
        _print(call, bridge.connections.logout(name))


@command(conn)
def mount(
    call: Call,
    name: Name,
    mountpoint: Annotated[
        str | None, typer.Argument(metavar="DIR", help="The mountpoint; default ~/<hostname>.")
    ] = None,
) -> None:
    """Mount the connection on the server's host, and print where."""
    with call.connect() as bridge:
        made = _with_host_key(call, partial(bridge.connections.mount, name, mountpoint))
    call.show(made, made.mountpoint)


@command(conn)
def unmount(call: Call, name: Name) -> None:
    """Unmount the connection."""
    with call.connect() as bridge:
        _print(call, bridge.connections.unmount(name))


@command(conn)
def remove(call: Call, name: Name) -> None:
    """Log out, unmount, and delete the connection and its saved secret."""
    with call.connect() as bridge:
        bridge.connections.remove(name)
    call.show({"name": name}, name)


@command(conn)
def browse(
    call: Call,
    name: Name,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The path; default the top.")] = "",
) -> None:
    """List the contents of a path of a connection."""
    with call.connect() as bridge:
        items = bridge.connections.browse(name, path)
    if call.json:
        call.print_json(items)
        return
    keys = ("name", "kind", "size", "modified", "permId")
    rows = [
        [str(value) if (value := getattr(item, key)) is not None else "" for key in keys]
        for item in items
    ]
    output.table([key.upper() for key in keys], rows, right={"SIZE"})


# The Unix names of the same commands.
for _short, _function in (("ls", list_), ("umount", unmount), ("rm", remove)):
    command(conn, _short)(_function)


# -- asking ------------------------------------------------------------------------------------


def _with_host_key(call: Call, do: Callable[..., ConnectionModel]) -> ConnectionModel:
    """Call `do`; if the host's key is unknown and the user accepts it, call `do` again with it."""
    try:
        return do()
    except Problem as problem:
        key = problem.details.get("host_key")
        if key is None or not sys.stdin.isatty():
            raise
        call.note(problem.message)
        if output.ask(f"Accept the host key {key}? [y/N] ").lower() not in ("y", "yes"):
            raise
    return do(host_key=key)


def _ask(prompt: str, typed: bool) -> str:
    if not typed:
        raise BadRequest(f"{prompt} is required, because stdin is no terminal to ask for it.")
    answer = ""
    while not answer:
        answer = output.ask(f"{prompt}: ").strip()
    return answer


def _ask_kind(kinds: dict[str, KindModel], typed: bool) -> str:
    usable = sorted(name for name, kind in kinds.items() if not kind.problem)
    while True:
        kind = _ask(f"Kind ({', '.join(usable)})", typed)
        if kind in usable:
            return kind


def _missing(kind: KindModel, given: dict[str, Any]) -> dict[str, Any]:
    """Ask for the kind's fields that are not given; an empty answer omits a field."""
    answers = {}
    for name, field in kind.fields.get("properties", {}).items():
        if field.get("type") == "object":  # too long to type
            continue
        if given.get(name) is not None or name in ("ca_file", "pin", "host_key"):
            continue
        prompt = f"{_title(kind, name, name.replace('_', ' ').capitalize())}: "
        secret = name in kind.secret
        answer = output.ask_secret(prompt) if secret else output.ask(prompt).strip()
        if answer:
            answers[name] = answer
            if secret:
                break  # one secret is enough
    return answers


def _credentials(kind: KindModel | None, held: ConnectionModel) -> dict[str, str]:
    """Ask for secrets without echo until one is not empty; from a pipe, read one line."""
    secrets = kind.secret if kind else ["password"]
    order = sorted(secrets, key=lambda name: (name != "password", name))
    if not sys.stdin.isatty():
        return {order[0]: output.ask("", quiet=True)} if order else {}
    for name in order:
        answer = output.ask_secret(f"{name.replace('_', ' ').capitalize()} for {held.name}: ")
        if answer:
            return {name: answer}
    return {}


def _title(kind: KindModel | None, name: str, otherwise: str) -> str:
    schema = kind.fields.get("properties", {}).get(name, {}) if kind else {}
    options = [schema, *schema.get("anyOf", [])]
    return next((option["title"] for option in options if "title" in option), otherwise)


def _print(call: Call, one: ConnectionModel) -> None:
    call.show(one, f"{one.name}: {one.state}" + (f" ({one.reason})" if one.reason else ""))
