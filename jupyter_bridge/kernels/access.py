"""The authorizer's resources on the kernel routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from jupyter_bridge.kernels.host.manager import NoKernelspec
from jupyter_bridge.web import RequestBase
from jupyter_bridge.wire.names import KernelName

# The bridge's own resource, and the host's, so that the bridge allows nothing the host forbids.
RESOURCES = ("bridge:kernels", "kernels")


class ConnectionQuery(msgspec.Struct):
    """`conn` is the kernel's connection; the same as `<conn>:<id>` in the path."""

    conn: str | None = None


def qualified(name: str, connection: str | None) -> str:
    """Return the name with its connection as prefix, once."""
    return str(KernelName.parse(name, connection))


def resources_of(name: str) -> tuple[str, ...]:
    """Return the resources of a kernel or of a spawn, with its connection."""
    return (*RESOURCES, "bridge:connections") if KernelName.parse(name).connection else RESOURCES


@asynccontextmanager
async def hiding_kernelspecs(handler: RequestBase, kernelspec: str) -> AsyncIterator[None]:
    """On NoKernelspec, name the available kernelspecs only to a user who may read them."""
    try:
        yield
    except NoKernelspec as problem:
        if await handler.may("read", "kernelspecs"):
            raise
        raise problem.without_names(kernelspec) from None
