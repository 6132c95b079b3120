"""KernelsOfConnection: the kernels of one connection, with a login before each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_bridge.connections.connection import Connection
from jupyter_bridge.connections.roles import HasKernels
from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.problems import NotFound


class KernelsOfConnection:
    """The kernels of `connection`; every method raises what the connection raises."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def kernels(self) -> list[dict[str, Any]]:
        """Return the running kernels, as Jupyter's kernel models."""
        return await self._connection.use(HasKernels, lambda there: there.kernels())

    async def kernel(self, kernel_id: str) -> dict[str, Any]:
        """Return the model of one kernel; NotFound if it does not run."""
        for model in await self.kernels():
            if model["id"] == kernel_id:
                return model
        name = self._connection.name
        raise NotFound(f"{name} has no kernel {kernel_id}.", kernel_id=f"{name}:{kernel_id}")

    async def language(self, kernelspec: str) -> str:
        """Return the language of a kernelspec, in lower case; empty if unknown."""
        found = await self._connection.use(HasKernels, lambda there: there.kernelspecs())
        spec = found.get("kernelspecs", {}).get(kernelspec, {}).get("spec", {})
        return str(spec.get("language", "")).lower()

    async def open(
        self,
        kernel_id: str,
        on_messages: Callable[[str, list[list[bytes]]], None],
        on_lost: Callable[[str], None],
    ) -> Upstream:
        """Return the open upstream of one kernel."""

        async def open_upstream(there: HasKernels) -> Upstream:
            upstream = await there.kernel(kernel_id)
            await upstream.open(on_messages, on_lost)
            return upstream

        return await self._connection.use(HasKernels, open_upstream)

    async def spawn(self, kernelspec: str, **how: Any) -> dict[str, Any]:
        """Start a kernel and return its model."""
        return await self._connection.use(HasKernels, lambda there: there.spawn(kernelspec, **how))

    async def control(self, kernel_id: str, action: str) -> None:
        """`interrupt`, `restart` or `shutdown` a kernel."""
        await self._connection.use(HasKernels, lambda there: there.control(kernel_id, action))
