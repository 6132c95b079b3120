"""The base of every command: the options that name a server, `--json`, and the exit code.

A command is written as

    @command(group)
    def kernels(call: Call) -> int | None:
        …

`command` adds the options `--url`, `--token`, `--ca-file` and `--json`, which may also come before
the command's name. The function returns the exit code (None is 0).
"""

from __future__ import annotations

import inspect
import io
import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from jupyter_bridge.cli import output
from jupyter_bridge.problems import BadRequest, Problem

if TYPE_CHECKING:
    from jupyter_bridge.client import Bridge

PROBLEM = 2
# The same for a command that runs another, whose exit codes are its own.
FAILED = 125
BROKEN_PIPE = 128 + 13

_SERVER = "Which server"
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        show_default=False,
        rich_help_panel=_SERVER,
        help="The server's address, as a browser or `jupyter server list` shows it. Default: "
        "$JUPYTER_BRIDGE_URL, else the server around this command or on this machine.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        show_default=False,
        rich_help_panel=_SERVER,
        help="The server's token. $JUPYTER_BRIDGE_TOKEN is safer: "
        "other users of this machine can read a command line.",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        metavar="FILE",
        show_default=False,
        rich_help_panel=_SERVER,
        help="Certificates to trust beside the system's (PEM). Default: $JUPYTER_BRIDGE_CA_FILE.",
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print only JSON, for programs; streams print one object per line.",
    ),
]


@dataclass(frozen=True)
class Call:
    """One call of a command: its server, and its form of output."""

    url: str | None = None
    token: str | None = None
    ca_file: Path | None = None
    json: bool = False

    def __repr__(self) -> str:
        return f"<Call url={self.url!r} json={self.json}>"

    def over(self, before: Call) -> Call:
        """Return these options, completed by those `before` the command's name."""
        return Call(
            **{f.name: getattr(self, f.name) or getattr(before, f.name) for f in fields(self)}
        )

    def connect(self) -> Bridge:
        """Open the client, for `with`."""
        from jupyter_bridge.client import connect

        named = os.environ.get("JUPYTER_BRIDGE_CA_FILE")
        ca_file = self.ca_file or (Path(named) if named else None)
        return connect(self.url, self.token, ca_file=ca_file)

    def print_json(self, value: Any) -> None:
        """Print a JSON value on one line."""
        output.json_line(value)

    def show(self, value: Any, *lines: str) -> None:
        """Print `value` with `--json`, otherwise the lines of text."""
        if self.json:
            self.print_json(value)
        for line in lines:
            self.print(line)

    def print(self, text: str) -> None:
        """Print a line of text; nothing with `--json`."""
        if not self.json:
            output.line(text)

    def note(self, text: str) -> None:
        """Print a line on stderr."""
        output.note(text)

    def complain(self, problem: Problem) -> None:
        """Print the Problem on stderr: its sentence, or its JSON."""
        if self.json:
            output.json_line(problem.to_json(), err=True)
        else:
            self.note(problem.message)


def pairs_of(words: Iterable[str], option: str) -> dict[str, str]:
    """Parse the values of a repeatable option `K=V`."""
    pairs = [(word, *word.partition("=")) for word in words]
    for word, key, equals, _ in pairs:
        if not key or not equals:
            raise BadRequest(f"{option} {word}: write K=V.")
    return {key: value for _, key, _, value in pairs}


class Stopped(KeyboardInterrupt):
    """A signal other than SIGINT stops this process: the terminal closed, or `kill`."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def code_of(stop: KeyboardInterrupt) -> int:
    """Return the exit code of a process that a signal stopped."""
    return 128 + (stop.signum if isinstance(stop, Stopped) else signal.SIGINT)


class OwnFailure(TyperCommand):
    """A command whose usage errors have the exit code `failure`."""

    failure = PROBLEM

    def make_context(self, *args: Any, **options: Any) -> Any:
        try:
            return super().make_context(*args, **options)
        except Exception as error:
            if hasattr(error, "format_message"):  # typer may vendor click: its class is unknown
                error.exit_code = self.failure  # type: ignore[attr-defined]
            raise


class RunsCommand(OwnFailure):
    """A command that runs another, whose exit code is any other than 125, as in `docker run`."""

    failure = FAILED


def command(
    group: typer.Typer,
    name: str | None = None,
    *,
    default: bool = False,
    runs_another: bool = False,
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Make a function a command of `group`; its docstring is the help.

    A `default` command is what the group's own name does. `runs_another`: all words from the first
    on are another command, with its options, and this command's own failures exit with FAILED.
    """
    cls = RunsCommand if runs_another else OwnFailure
    settings = {"allow_interspersed_args": not runs_another}

    def wrap(function: Callable[..., int | None]) -> Callable[..., int | None]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        @wraps(function)
        def run(
            ctx: typer.Context,
            url: str | None,
            token: str | None,
            ca_file: Path | None,
            json: bool,
            **given: Any,
        ) -> None:
            call = Call(url, token, ca_file, json).over(ctx.obj or Call())
            if ctx.invoked_subcommand is not None:
                ctx.obj = call
                return
            raise typer.Exit(_end(call, lambda: function(call, **given), cls.failure))

        _sign(run, own)
        if default:
            group.callback(invoke_without_command=True, help=prose(function))(run)
        else:
            group.command(name, help=prose(function), cls=cls, context_settings=settings)(run)
        return function

    return wrap


def prose(function: Callable[..., Any]) -> str:
    """Return a docstring with each paragraph on one line, to be wrapped at any width."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(text if text[0] == " " else " ".join(text.split()) for text in paragraphs)


def _sign(run: Any, own: list[inspect.Parameter]) -> None:
    """Add the shared options after the command's own."""
    named: dict[str, tuple[Any, Any]] = {
        "url": (Url, None),
        "token": (Token, None),
        "ca_file": (CaFile, None),
        "json": (Json, False),
    }
    only = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("ctx", only, annotation=typer.Context)
    shared = [
        inspect.Parameter(name, only, annotation=kind, default=default)
        for name, (kind, default) in named.items()
    ]
    parameters = [context, *(p.replace(kind=only) for p in own), *shared]
    run.__signature__ = inspect.Signature(parameters)
    run.__annotations__ = {p.name: p.annotation for p in parameters}


def _end(call: Call, work: Callable[[], int | None], failure: int) -> int:
    """Do the work and return its exit code, however it ends; `failure` after a Problem."""
    for file in (sys.stdout, sys.stderr):
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="replace")  # the terminal may lack some characters
    _listen_to_signals()
    try:
        return work() or 0
    except Problem as problem:
        with suppress(BrokenPipeError):
            call.complain(problem)
        return failure
    except KeyboardInterrupt as stop:
        return code_of(stop)
    except BrokenPipeError:
        # The interpreter flushes stdout at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _listen_to_signals() -> None:
    def stop(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # Under nohup SIGHUP stays ignored.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)
