"""KernelRegistry: every kernel's Relay by name, for kernels of the host and of connections."""

from __future__ import annotations

from typing import Any

from jupyter_bridge.kernels.backend import KernelBackend
from jupyter_bridge.kernels.connection_kernels import ConnectionKernels
from jupyter_bridge.kernels.host.backend import HostBackend
from jupyter_bridge.kernels.relay import Relay
from jupyter_bridge.models.kernels import KernelModel
from jupyter_bridge.observe import metrics
from jupyter_bridge.wire.names import KernelName


class KernelRegistry:
    """The host's kernels by id, and those of connections as `<connection>:<id>`.

    Actions are passed to the kernel's KernelBackend.
    """

    def __init__(self, host: HostBackend, remotes: ConnectionKernels) -> None:
        self.host = host
        self.remotes = remotes
        metrics.RELAYS.set_function(lambda: len(self._all()))
        metrics.CLIENTS.set_function(lambda: sum(relay.channel_count for relay in self._all()))
        metrics.RING_BYTES.set_function(lambda: sum(relay.ring.bytes for relay in self._all()))

    def _all(self) -> list[Relay]:
        return [*self.host, *self.remotes]

    def _backend(self, name: str) -> KernelBackend:
        return self.host if KernelName.parse(name).connection is None else self.remotes

    async def get(self, name: str) -> Relay:
        return await self._backend(name).get(name)

    async def model(self, name: str) -> KernelModel:
        return await self._backend(name).model(name)

    async def list(self, connection: str | None = None) -> list[KernelModel]:
        """Return the host's kernels, or those of a connection, requested now."""
        return await (self.host.list() if connection is None else self.remotes.list(connection))

    async def spawn(self, kernelspec: str, **options: Any) -> str:
        return await self._backend(kernelspec).spawn(kernelspec, **options)

    async def interrupt(self, name: str) -> None:
        await self._backend(name).interrupt(name)

    async def restart(self, name: str) -> None:
        await self._backend(name).restart(name)

    async def shutdown(self, name: str) -> None:
        await self._backend(name).shutdown(name)

    async def close(self) -> None:
        """Close every relay; the kernels continue."""
        await self.host.close()
        await self.remotes.close()
