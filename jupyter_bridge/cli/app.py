"""The command line as a whole: the groups of commands, and the options before them."""

from __future__ import annotations

from typing import Annotated

import typer

from jupyter_bridge import __version__
from jupyter_bridge.cli import conn, console, consoles, dataset, env, execute, kernels, shell
from jupyter_bridge.cli.call import CaFile, Call, Json, Token, Url, prose

# Each has `group`, a typer.Typer with its commands.
GROUPS = (kernels, execute, console, shell, consoles, conn, dataset, env)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in GROUPS:
    app.add_typer(module.group)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"jupyter-bridge {__version__}")
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
            "--version", is_eager=True, callback=_print_version, help="Print the version and leave."
        ),
    ] = False,
) -> None:
    """Drive the kernels of a Jupyter server from the command line.

    The server needs the extension jupyter_bridge. It is found by itself where it runs on this
    machine, or where this command runs inside it (a Jupyter terminal, a kernel, JupyterHub);
    elsewhere name it by --url and a token. Every command takes these options, before or after its
    name.

    Exit codes: 0 it worked, 1 the code failed, 2 something else went wrong (told on stderr), 124
    the code took longer than its --timeout, 130 Ctrl-C. `run` exits with its command's own code.
    """
    ctx.obj = Call(url, token, ca_file, json)


app.callback(help=prose(bridge))(bridge)
