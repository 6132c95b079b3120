"""env: a kernel's packages and versions, shown or saved beside a notebook."""

from __future__ import annotations

from typing import Annotated

import typer

from jupyter_bridge.cli.call import Call, command
from jupyter_bridge.cli.kernel_choice import find_kernel

group = typer.Typer()
env = typer.Typer(no_args_is_help=True, help="What kernels run on: packages and versions.")
group.add_typer(env, name="env")

KernelArgument = Annotated[
    str,
    typer.Argument(metavar="KERNEL", help="The kernel's id, the beginning of it, or its name."),
]


@command(env)
def show(call: Call, kernel: KernelArgument) -> None:
    """Print the packages that are installed for a kernel, as requirements."""
    with call.connect() as bridge:
        found = bridge.connections.environment(find_kernel(bridge, kernel).id)
    call.show(found, *found.requirements_list.rstrip("\n").split("\n"))


@command(env)
def save(
    call: Call,
    kernel: KernelArgument,
    notebook: Annotated[
        str,
        typer.Argument(
            metavar="NOTEBOOK",
            help="The notebook's path in Jupyter; the files are saved beside it.",
        ),
    ],
) -> None:
    """Save a kernel's packages and version beside a notebook, and print the files' names."""
    with call.connect() as bridge:
        kernel_id = find_kernel(bridge, kernel).id
        found = bridge.connections.environment(kernel_id, beside=notebook)
    call.show(found, *found.saved)
