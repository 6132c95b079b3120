"""execute: run code on a kernel, and show its output as it comes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from jupyter_bridge.cli.call import Call, command
from jupyter_bridge.cli.kernel_choice import find_kernel_or_kernelspec
from jupyter_bridge.cli.prompts import Prompter
from jupyter_bridge.problems import BadRequest

group = typer.Typer()

KernelOption = Annotated[
    str | None,
    typer.Option(
        "--kernel",
        "-k",
        metavar="KERNEL",
        show_default=False,
        help="A running kernel (its id, the beginning of it, or its name), or a kernelspec such as "
        "python3 for a new kernel. Default: the server's default kernelspec.",
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="DIR",
        file_okay=False,
        show_default=False,
        help="Write images into this folder. Default: a new temporary folder.",
    ),
]


@command(group)
def execute(
    call: Call,
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="The code; - is stdin.", show_default=False),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(
            "-c", metavar="CODE", show_default=False, help="The code itself, instead of a file."
        ),
    ] = None,
    kernel: KernelOption = None,
    images: ImagesOption = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.001,
            show_default=False,
            help="Interrupt the code after this time, and exit 124.",
        ),
    ] = None,
) -> int:
    """Run code and show its output as it comes.

    The code runs in a new kernel, which is shut down afterwards, or in a running kernel, which
    keeps its variables:

      jupyter bridge execute -k python3 script.py

      jupyter bridge execute -k 3f2a -c 'df.describe()'

    Prompts of input() appear here. Images are written to files, and their paths are shown. Ctrl-C
    interrupts the code. Exit code 1 means that the code raised an error.
    """
    from jupyter_bridge.cli.execute_view import ExecuteView
    from jupyter_bridge.cli.render import Renderer

    text, stdin_taken = _read(file, code)
    with call.connect() as bridge:
        place = find_kernel_or_kernelspec(bridge, kernel)
        where = None if isinstance(place, str) else place
        kernelspec = place if isinstance(place, str) else None
        with bridge.stream(where, text, kernelspec=kernelspec, timeout=timeout) as stream:
            asker = Prompter(json=call.json, stdin_taken=stdin_taken)
            run = ExecuteView(call, stream, Renderer(call, images), asker)
            exit_code = run.follow()
            if run.left_running and kernelspec and stream.execution:
                # This kernel was started for this code alone.
                bridge.shutdown(bridge.execution(stream.execution).kernel)
            return exit_code


def _read(file: str | None, code: str | None) -> tuple[str, bool]:
    """Return the code, and whether it came from stdin."""
    if code is not None:
        if file is not None:
            raise BadRequest("Give a file or -c, not both.")
        return code, False
    if file is None and sys.stdin.isatty():
        raise BadRequest("Give a file with the code, - for stdin, or -c CODE.")
    if file is None or file == "-":
        return sys.stdin.read(), True
    try:
        return Path(file).read_text("utf-8-sig"), False
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadRequest(f"Cannot read {file}: {reason}.") from error
