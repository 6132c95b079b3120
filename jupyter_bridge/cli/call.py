"""What every command shares: the options that name a server, `--json`, and how it ends.

A command is written as

    @command(group)
    def kernels(call: Call) -> int | None:
        …

and gets `--url`, `--token`, `--ca-file` and `--json` without saying so; what it returns is the exit
code (None is 0). The same options may also stand before the command's name.
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
from typing import Annotated, Any

import typer

from jupyter_bridge.cli import output
from jupyter_bridge.client import Bridge, connect
from jupyter_bridge.problems import BadRequest, Problem

PROBLEM = 2
BROKEN_PIPE = 128 + 13

_SERVER = "Which server"
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        show_default=False,
        rich_help_panel=_SERVER,
        help="The server's address, as a browser or `jupyter server list` shows it. "
        "Else $JUPYTER_BRIDGE_URL, else the server that this runs in or that runs here.",
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
        "others on this machine can read a command line.",
    ),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        metavar="FILE",
        show_default=False,
        rich_help_panel=_SERVER,
        help="Certificates to trust beside the system's (PEM). Else $JUPYTER_BRIDGE_CA_FILE.",
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print JSON for programs, one object a line for what streams, and nothing else.",
    ),
]


@dataclass(frozen=True)
class Call:
    """One call of one command: the server it goes to, and how it speaks."""

    url: str | None = None
    token: str | None = None
    ca_file: Path | None = None
    json: bool = False

    def __repr__(self) -> str:
        return f"<Call url={self.url!r} json={self.json}>"

    def over(self, before: Call) -> Call:
        """These options, and those before the command's name where these say nothing."""
        return Call(
            **{f.name: getattr(self, f.name) or getattr(before, f.name) for f in fields(self)}
        )

    def connect(self) -> Bridge:
        """The client, for `with`."""
        named = os.environ.get("JUPYTER_BRIDGE_CA_FILE")
        ca_file = self.ca_file or (Path(named) if named else None)
        return connect(self.url, self.token, ca_file=ca_file)

    def print_json(self, value: Any) -> None:
        """One JSON value on a line of its own."""
        output.json_line(value)

    def tell(self, value: Any, *lines: str) -> None:
        """`value` with `--json`, else the lines for a person."""
        if self.json:
            self.print_json(value)
        for line in lines:
            self.print(line)

    def print(self, text: str) -> None:
        """One line for a person; nothing with `--json`."""
        if not self.json:
            output.line(text)

    def note(self, text: str) -> None:
        """One line beside the output."""
        output.note(text)

    def complain(self, problem: Problem) -> None:
        """The Problem on stderr: its sentence, or its JSON."""
        if self.json:
            output.json_line(problem.to_json(), err=True)
        else:
            self.note(problem.message)


def pairs_of(words: Iterable[str], option: str) -> dict[str, str]:
    """What a repeatable option `K=V` was given."""
    pairs = [(word, *word.partition("=")) for word in words]
    for word, key, equals, _ in pairs:
        if not key or not equals:
            raise BadRequest(f"{option} {word}: write K=V.")
    return {key: value for _, key, _, value in pairs}


class Stopped(KeyboardInterrupt):
    """A signal other than Ctrl-C asked this process to stop: the terminal closed, or `kill`."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def code_of(stop: KeyboardInterrupt) -> int:
    """The exit code of a process that a signal stopped."""
    return 128 + (stop.signum if isinstance(stop, Stopped) else signal.SIGINT)


def command(
    group: typer.Typer, name: str | None = None
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Make a function a command of `group`; its docstring is the help."""

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
            raise typer.Exit(_end(call, lambda: function(call, **given)))

        _sign(run, own)
        group.command(name, help=prose(function))(run)
        return function

    return wrap


def prose(function: Callable[..., Any]) -> str:
    """A docstring with each paragraph on one line, for a terminal of any width to break."""
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    return "\n\n".join(text if text[0] == " " else " ".join(text.split()) for text in paragraphs)


def _sign(run: Any, own: list[inspect.Parameter]) -> None:
    """Give the command the options of all commands after its own."""
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


def _end(call: Call, work: Callable[[], int | None]) -> int:
    """Do the work; every way it can end as an exit code."""
    for file in (sys.stdout, sys.stderr):
        if isinstance(file, io.TextIOWrapper):
            file.reconfigure(errors="replace")  # the terminal may know fewer characters
    _listen_to_signals()
    try:
        return work() or 0
    except Problem as problem:
        with suppress(BrokenPipeError):
            call.complain(problem)
        return PROBLEM
    except KeyboardInterrupt as stop:
        return code_of(stop)
    except BrokenPipeError:
        # Nothing can be written any more, at the interpreter's end neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _listen_to_signals() -> None:
    def stop(signum: int, frame: FrameType | None) -> None:
        raise Stopped(signum)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # nohup ignores SIGHUP, and so it stays.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)
