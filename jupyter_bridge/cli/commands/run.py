"""run: one shell command on the server, with its output and exit code here."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jupyter_bridge.cli import output as out
from jupyter_bridge.cli.call import Call, code_of, command, pairs_of
from jupyter_bridge.problems import BadRequest, Problem

if TYPE_CHECKING:
    from jupyter_bridge.client import RunOutput, RunResult
    from jupyter_bridge.client.sync.bridge import SyncRunStream

group = typer.Typer()

TIMED_OUT = 124
# The exit code is unknown: the shell was replaced, or the server stopped.
NOBODY_KNOWS = 1


@command(group)
def run(
    call: Call,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND",
            show_default=False,
            help="One word is a command line for the shell; several are a command and its "
            "arguments, passed unchanged.",
        ),
    ],
    console: Annotated[
        str | None,
        typer.Option(
            "--console",
            "-c",
            metavar="NAME",
            show_default=False,
            help="The terminal whose shell runs it and keeps its state; `new` opens a terminal "
            "that stays. Default: a new login shell.",
        ),
    ] = None,
    split: Annotated[
        bool,
        typer.Option(
            "--split",
            help="Run without a terminal; keeps stdout and stderr separate and exact.",
        ),
    ] = False,
    stdin: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="A text file for the command's input; - is stdin.",
        ),
    ] = None,
    cwd: Annotated[
        str | None,
        typer.Option(metavar="DIR", show_default=False, help="Change to this folder first."),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env", "-e", metavar="NAME=VALUE", show_default=False, help="Export this first."
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0.001, help="Stop the command after this time, and exit 124."
        ),
    ] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Wait for a shell that is busy.")] = False,
) -> int:
    """Run a shell command on the server, with its output and exit code.

      jupyter bridge run -- df -h .

      jupyter bridge run -c work -- 'ml fsl && bet T1.nii brain.nii'

    In a named terminal the shell keeps changes of folder, variables and modules. Ctrl-C stops the
    command.
    """
    text = words[0] if len(words) == 1 else shlex.join(words)
    given = pairs_of(env or [], "--env")
    with (
        call.connect() as bridge,
        bridge.runs.stream(
            text,
            console=console,
            output="split" if split else "tty",
            stdin=_input(stdin),
            cwd=cwd,
            env=given or None,
            timeout=timeout,
            queue=queue,
        ) as stream,
    ):
        code = _follow(call, stream)
        if console == "new" and stream.result is not None:
            call.note(f"The shell keeps running as console {stream.result.console}.")
        return code


def _follow(call: Call, stream: SyncRunStream) -> int:
    try:
        for output in stream:
            _show(call, output)
    except KeyboardInterrupt as stop:
        return _stop(call, stream, stop)
    except BaseException:  # mostly a broken pipe: nothing reads the output
        with suppress(Problem):
            stream.cancel()
        raise
    assert stream.result is not None
    if call.json:
        call.print_json(stream.result)
    return _code(call, stream.result)


def _stop(call: Call, stream: SyncRunStream, stop: KeyboardInterrupt) -> int:
    """Stop the command and show its last output; a second Ctrl-C leaves it running."""
    try:
        with suppress(Problem):
            stream.cancel()
        for output in stream:
            _show(call, output)
    except KeyboardInterrupt:
        call.note("The command was told to stop but has not ended.")
    return code_of(stop)


def _show(call: Call, output: RunOutput) -> None:
    if call.json:
        call.print_json({"stream": output.stream, "text": output.text})
        return
    out.raw(output.data, err=output.stream == "stderr")  # bytes, also if not text


def _code(call: Call, result: RunResult) -> int:
    if result.truncated:
        call.note("Output beyond the server's limit was discarded.")
    if result.status == "timeout":
        call.note("The command did not end within the time allowed.")
        return TIMED_OUT
    return NOBODY_KNOWS if result.exit_code is None else result.exit_code


def _input(file: str | None) -> str | None:
    if file is None:
        return None
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadRequest(f"Cannot read {file}: {reason}.") from error
