"""The whole command line: the groups of commands, and the options before them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import CaFile, Call, Json, Token, Url, prose
from jupyter_bridge.cli.commands import (
    conn,
    consoles,
    dataset,
    env,
    execute,
    history,
    kernels,
    repl,
    run,
    search,
)
from jupyter_bridge.version import __version__
from jupyter_bridge.wire.visible import visible_lines

# Each has `group`, a typer.Typer with its commands.
GROUPS = (kernels, execute, repl, run, consoles, search, history, conn, dataset, env)


class Group(TyperGroup):
    """All commands. Escapes usage errors, which quote the arguments, perhaps file names."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _shown():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _shown():
            return super().invoke(ctx)


@contextmanager
def _shown() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):  # typer may vendor click, so its class is unknown
            message = visible_lines(error.format_message())
            error.format_message = lambda: message
        raise


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in GROUPS:
    app.add_typer(module.group)


def _print_version(wanted: bool) -> None:
    if wanted:
        output.line(f"jupyter-bridge {__version__}")
        raise typer.Exit


def bridge(
    ctx: typer.Context,
    *,
    url: Url = None,
    token: Token = None,
    ca_file: CaFile = None,
    json: Json = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Drive the kernels of a Jupyter server from the command line.

    The server needs the extension jupyter_bridge. The command finds a server that runs on this
    machine, or the one it runs inside (in a Jupyter terminal, a kernel, JupyterHub). For another
    server, give --url and --token. Every command takes these options, before or after its name.

    Exit codes: 0 success, 1 the code failed, 2 any other error (see stderr), 124 --timeout expired,
    130 Ctrl-C. `run` exits with the exit code of its command, and with 125 for any other error.
    """
    ctx.obj = Call(url, token, ca_file, json)


app.callback(help=prose(bridge))(bridge)
