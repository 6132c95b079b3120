"""The command line as a whole: the groups of commands, and the options before them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import CaFile, Call, Json, Token, Url, prose
from jupyter_bridge.cli.commands import conn, consoles, dataset, env, execute, kernels, repl, run
from jupyter_bridge.version import __version__
from jupyter_bridge.wire.visible import visible_lines

# Each has `group`, a typer.Typer with its commands.
GROUPS = (kernels, execute, repl, run, consoles, conn, dataset, env)


class Group(TyperGroup):
    """All commands. A wrong use is told with the words that were used, which may be file names."""

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
        if hasattr(error, "format_message"):  # whichever click it is that typer uses
            said = visible_lines(error.format_message())
            error.format_message = lambda: said
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
