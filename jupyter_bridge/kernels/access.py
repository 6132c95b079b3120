"""What the authorizer is asked about on every kernel route."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from jupyter_bridge.kernels.host.manager import NoKernelspec
from jupyter_bridge.web import RequestBase
from jupyter_bridge.wire.names import KernelName

# The bridge's own resource, and the host's, so that what the host forbids stays forbidden.
RESOURCES = ("bridge:kernels", "kernels")


class ConnectionQuery(msgspec.Struct):
    """`conn` is the connection whose kernel is meant; `<conn>:<id>` in the path says the same."""

    conn: str | None = None


def qualified(name: str, connection: str | None) -> str:
    """The name with its connection in front, once."""
    return str(KernelName.parse(name, connection))


def resources_of(name: str) -> tuple[str, ...]:
    """What is asked for one kernel, or one to be spawned: its connection is beside it."""
    return (*RESOURCES, "bridge:connections") if KernelName.parse(name).connection else RESOURCES


@asynccontextmanager
async def telling_kernelspecs(door: RequestBase, kernelspec: str) -> AsyncIterator[None]:
    """Where there is no such kernelspec, name the others only to whoever may read them."""
    try:
        yield
    except NoKernelspec as problem:
        if await door.may("read", "kernelspecs"):
            raise
        raise problem.without_names(kernelspec) from None
