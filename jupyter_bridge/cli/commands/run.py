"""run: one shell command on the server, with its output and exit code here."""

from __future__ import annotations

import base64
import re
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jupyter_bridge.cli import output as out
from jupyter_bridge.cli.call import FAILED, Call, code_of, command, pairs_of
from jupyter_bridge.cli.run_input import RunInput
from jupyter_bridge.problems import Problem, Unsupported

if TYPE_CHECKING:
    from jupyter_bridge.client import Bridge, RunOutput, RunResult
    from jupyter_bridge.client.sync.bridge import SyncRunStream

group = typer.Typer()

TIMED_OUT = 124


@command(group, runs_another=True)
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
            help="A file for the command's input, instead of stdin or the keyboard.",
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
    queue_timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.001, help="The same, at most this long."),
    ] = None,
    shell: Annotated[
        str | None,
        typer.Option(
            metavar="SHELL",
            show_default=False,
            help="The new shell, a name or a path: bash, zsh, fish, sh, dash, ksh, mksh or "
            "busybox. Default: the login shell, if it is one of these, else bash, else sh.",
        ),
    ] = None,
    start_timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0.001, help="How long the new shell's profile may take: 30 s."
        ),
    ] = None,
) -> int:
    """Run a shell command on the server as if it ran here.

      jupyter bridge run df -h .

      jupyter bridge run -c work 'ml fsl && bet T1.nii brain.nii'

      gzip -c T1.nii | jupyter bridge run 'cat > T1.nii.gz'

    Options come before the command. In a named terminal the shell keeps changes of folder,
    variables and modules. In a terminal the command has the keyboard: Ctrl-C, Ctrl-D and Ctrl-Z are
    its own. In a pipe it reads stdin, does not page, and Ctrl-C stops it.

    Exit codes: the command's own. 125: it did not run, or its output is not complete; see stderr.
    124: --timeout expired. 130: Ctrl-C.
    """
    out_is_shown = out.is_terminal() and not call.json
    given = RunInput.of(stdin, quiet=call.json or split)
    size = _size() if out_is_shown and not split else {}
    options: dict[str, Any] = {
        "console": console,
        "output": "split" if split else "tty",
        "cwd": cwd,
        "env": pairs_of(env or [], "--env") or None,
        "timeout": timeout,
        "queue": queue,
        "queue_timeout": queue_timeout,
        "shell": shell,
        "start_timeout": start_timeout,
        "pager": None if out_is_shown else False,
        **size,
    }
    with call.connect() as bridge:
        return _run(call, bridge, command_line(words), options, given)


def command_line(words: list[str]) -> str:
    """Return one word unchanged, several as words of a command line in any shell.

    Within quotes fish reads a backslash in its own way, so that is outside.
    """
    if len(words) == 1:
        return words[0]
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    pieces = filter(None, re.split(r"([\\'])", word))
    quoted = (f"\\{piece}" if piece in ("\\", "'") else shlex.quote(piece) for piece in pieces)
    return "".join(quoted) or "''"


def _size() -> dict[str, int]:
    rows, cols = out.terminal_size()
    return {"rows": rows, "cols": cols} if rows and cols else {}


def _run(call: Call, bridge: Bridge, text: str, options: dict[str, Any], given: RunInput) -> int:
    try:
        with bridge.runs.stream(text, **options, **given.options()) as stream:
            return _attend(call, stream, given, options["console"])
    except Unsupported:
        if given.options().get("input") != "pipe" or stream.run is not None:
            raise
    with bridge.runs.stream(text, **options, **given.with_command()) as stream:
        return _attend(call, stream, given, options["console"])


def _attend(call: Call, stream: SyncRunStream, given: RunInput, console: str | None) -> int:
    """Show the output and send the input until the end; return the exit code."""
    if not given.has_keyboard:
        stream.on_waiting(lambda program: _hint(call, program))
    given.start(stream)
    try:
        code = _follow(call, stream, given)
    finally:
        given.stop()
    result = stream.result
    if result is not None and console == "new":
        call.note(f"The shell keeps running as console {result.console}.")
    if given.failed or (result is None and code is None):
        return FAILED
    return _code(call, stream, result) if code is None and result is not None else code or 0


def _hint(call: Call, program: str) -> None:
    call.note(
        f"{program} waits for a key, and none can come: it reads the terminal, not stdin. Run this "
        "in a terminal, or stop it with Ctrl-C."
    )


def _follow(call: Call, stream: SyncRunStream, given: RunInput) -> int | None:
    """Show the output; return the exit code if a signal ended this command, else None."""
    try:
        for output in stream:
            given.before_output()
            _show(call, output)
    except KeyboardInterrupt as stop:
        return _stop(call, stream, stop)
    except BaseException:  # mostly a broken pipe: nothing reads the output
        with suppress(Problem):
            stream.cancel()
        raise
    if call.json and stream.result is not None:
        call.print_json(stream.result)
    return None


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
        piece = {"stream": output.stream, "text": output.text}
        if output.text.encode() != output.data:
            piece["base64"] = base64.b64encode(output.data).decode()
        call.print_json(piece)
        return
    out.raw(output.data, err=output.stream == "stderr")  # bytes, also if not text


def _code(call: Call, stream: SyncRunStream, result: RunResult) -> int:
    if result.instead_of is not None:
        call.note(f"{result.shell} ran this: {result.instead_of} is no shell that run knows.")
    if result.status == "timeout":
        call.note("The command did not end within the time allowed.")
        return TIMED_OUT
    if stream.lost or result.truncated:
        call.note(
            f"The output is not complete{f': {stream.lost} bytes were lost' * bool(stream.lost)}. "
            f"The command exited with {result.exit_code}."
        )
        return FAILED
    if result.exit_code is None:
        call.note("The exit code is unknown: the shell was replaced, or the command not followed.")
        return FAILED
    if not 0 <= result.exit_code <= 255:  # this process would exit with its last 8 bits
        call.note(f"The server says that the exit code is {result.exit_code}, which none is.")
        return FAILED
    return result.exit_code
