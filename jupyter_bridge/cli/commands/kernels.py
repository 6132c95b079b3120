"""kernels, spawn, shutdown, interrupt, restart: list kernels and control them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from jupyter_bridge.cli import output
from jupyter_bridge.cli.call import PROBLEM, Call, command
from jupyter_bridge.cli.kernel_choice import find_kernel, find_kernels
from jupyter_bridge.problems import BadRequest, Problem

if TYPE_CHECKING:
    from jupyter_bridge.client import KernelModel

group = typer.Typer()

_TITLES = ("ID", "KERNEL", "NAME", "STATE", "ACTIVE", "CLIENTS", "HELD")

ConnOption = Annotated[
    str | None,
    typer.Option(
        metavar="CONNECTION", help="List those of this connection only.", show_default=False
    ),
]
KernelArgument = Annotated[
    str,
    typer.Argument(
        metavar="KERNEL",
        help="Its id, the beginning of it, or its name; on a connection CONNECTION:KERNEL.",
        show_default=False,
    ),
]


@command(group)
def kernels(call: Call, conn: ConnOption = None) -> None:
    """List the running kernels."""
    with call.connect() as bridge:
        running = bridge.kernels(conn)
    if call.json:
        call.print_json(running)
    elif running:
        output.table(_TITLES, map(_row, running), right={"CLIENTS", "HELD"}, whole={"ID"})
    else:
        call.note("No kernel is running.")


def _row(kernel: KernelModel) -> tuple[str, ...]:
    return (
        kernel.id,
        kernel.kernelspec or kernel.name,
        kernel.name if kernel.name != kernel.kernelspec else "",
        kernel.execution_state or "unknown",
        output.ago(kernel.last_activity),
        str(max(kernel.connections, kernel.relay.clients if kernel.relay else 0)),
        _size(kernel.relay.bytes if kernel.relay else 0),
    )


def _size(count: int) -> str:
    for size, unit in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


@command(group)
def spawn(
    call: Call,
    kernelspec: Annotated[
        str,
        typer.Argument(
            metavar="KERNELSPEC",
            help="The kernelspec, such as python3; on a connection CONNECTION:python3.",
        ),
    ],
    cwd: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", show_default=False, help="Start it in this folder of the server."
        ),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Start it in the folder of this notebook, a path in Jupyter."
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="K=V",
            show_default=False,
            help="Set a variable; K alone copies this shell's value. Repeatable.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="A name for the kernel, for use in other commands.",
        ),
    ] = None,
) -> None:
    """Start a kernel and print its id.

    The kernel runs until it is shut down. JupyterLab shows it, too.
    """
    variables = _variables(env or [])
    with call.connect() as bridge:
        kernel = bridge.spawn(kernelspec, cwd=cwd, path=path, env=variables or None, name=name)
    call.show(kernel, kernel.id)


def _variables(words: list[str]) -> dict[str, str]:
    variables = {}
    for word in words:
        key, given, value = word.partition("=")
        if not key or not (given or key in os.environ):
            raise BadRequest(
                f"--env {word}: write K=V, or the name of a variable set in this shell."
            )
        variables[key] = value if given else os.environ[key]
    return variables


@command(group)
def shutdown(
    call: Call,
    kernels: Annotated[
        list[str],
        typer.Argument(
            metavar="KERNEL...",
            help="Ids, beginnings of ids, or names of kernels.",
            show_default=False,
        ),
    ],
) -> int:
    """Shut kernels down.

    If any of them is not found, none is shut down.
    """
    code = 0
    with call.connect() as bridge:
        done = []
        for kernel in {kernel.id: kernel for kernel in find_kernels(bridge, kernels)}.values():
            try:
                bridge.shutdown(kernel)
            except Problem as problem:  # noqa: PERF203 - shut down the others anyway
                call.complain(problem)
                code = PROBLEM
            else:
                done.append({"id": kernel.id})
                call.print(kernel.id)
    if call.json:
        call.print_json(done)
    return code


@command(group)
def interrupt(call: Call, kernel: KernelArgument) -> None:
    """Interrupt the code that a kernel is running, as Ctrl-C would."""
    with call.connect() as bridge:
        found = find_kernel(bridge, kernel)
        bridge.interrupt(found)
    _print_id(call, found)


@command(group)
def restart(call: Call, kernel: KernelArgument) -> None:
    """Restart a kernel and wait until it is ready again.

    Its variables are lost; its id stays.
    """
    with call.connect() as bridge:
        found = find_kernel(bridge, kernel)
        bridge.restart(found)
    _print_id(call, found)


def _print_id(call: Call, kernel: KernelModel) -> None:
    call.show({"id": kernel.id}, kernel.id)
