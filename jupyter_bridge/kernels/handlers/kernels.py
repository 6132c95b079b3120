"""The routes of kernels: spawn, shut down, interrupt, restart, list."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from jupyter_bridge.kernels.access import (
    RESOURCES,
    ConnectionQuery,
    hiding_kernelspecs,
    qualified,
    resources_of,
)
from jupyter_bridge.kernels.registry import KernelRegistry
from jupyter_bridge.models.kernels import KernelId, KernelModel, SpawnBody, StoppedKernel
from jupyter_bridge.observe.events import Events
from jupyter_bridge.web import BridgeHandler, verb
from jupyter_bridge.wire.names import KernelName


class KernelHandler(BridgeHandler):
    """The base of the kernel routes."""

    resources: tuple[str, ...] = RESOURCES

    def initialize(self, relays: KernelRegistry, events: Events) -> None:
        self.relays = relays
        self.events = events

    async def authorize(self, action: str) -> None:
        self.resources = resources_of(self.kernel)
        await super().authorize(action)

    @property
    def kernel(self) -> str:
        """The kernel or kernelspec of the path, with its connection as prefix."""
        name = self.path_kwargs.get("kernel_id") or self.path_kwargs.get("kernelspec") or ""
        return qualified(name, self.get_query_argument("conn", ""))


class KernelsHandler(KernelHandler):
    @verb("read", "List the kernels", query=ConnectionQuery, reply=list[KernelModel])
    async def get(self, query: ConnectionQuery) -> list[KernelModel]:
        return await self.relays.list(query.conn)


class OneKernelHandler(KernelHandler):
    @verb("read", "Show one kernel", query=ConnectionQuery, reply=KernelModel)
    async def get(self, kernel_id: str, query: ConnectionQuery) -> KernelModel:
        return await self.relays.model(qualified(kernel_id, query.conn))


class SpawnHandler(KernelHandler):
    async def judge(self, **arguments: Any) -> None:
        body = arguments.get("body")
        if body is not None and (body.env or body.cwd is not None or await self.leaves(body.path)):
            await self.authorize("execute")  # each can make the process run code

    async def leaves(self, path: str | None) -> bool:
        """Tell whether a path below the root leads out of it, which only `cwd` may."""
        if path is None or "\0" in path or KernelName.parse(self.kernel).connection:
            return False
        return await asyncio.to_thread(self.relays.host.kernels.is_outside, path)

    @verb(
        "write",
        "Spawn a kernel",
        query=ConnectionQuery,
        body=SpawnBody,
        reply=KernelModel,
        status=201,
    )
    async def post(self, kernelspec: str, body: SpawnBody, query: ConnectionQuery) -> KernelModel:
        return await self.spawn(qualified(kernelspec, query.conn), body)

    @verb(
        "write",
        "Spawn a kernel, for kernel-relay's clients",
        query=ConnectionQuery,
        reply=KernelModel,
        proof=True,
    )
    async def get(self, kernelspec: str, query: ConnectionQuery) -> KernelModel:
        return await self.spawn(qualified(kernelspec, query.conn), SpawnBody())

    async def spawn(self, kernelspec: str, body: SpawnBody) -> KernelModel:
        async with hiding_kernelspecs(self, kernelspec):
            kernel_id = await self.relays.spawn(kernelspec, **msgspec.structs.asdict(body))
        self.events.emit(
            "kernel_spawn", user=self.username, kernel_id=kernel_id, kernelspec=kernelspec
        )
        self.set_header("Location", self.link(f"/kernels/{kernel_id}"))
        return await self.relays.model(kernel_id)


class ShutdownHandler(KernelHandler):
    @verb("write", "Shut a kernel down", query=ConnectionQuery, reply=StoppedKernel)
    async def post(self, kernel_id: str, query: ConnectionQuery) -> StoppedKernel:
        return await self.shutdown(qualified(kernel_id, query.conn))

    @verb("write", "Shut a kernel down", query=ConnectionQuery, reply=StoppedKernel)
    async def delete(self, kernel_id: str, query: ConnectionQuery) -> StoppedKernel:
        return await self.shutdown(qualified(kernel_id, query.conn))

    @verb(
        "write",
        "Shut a kernel down, for kernel-relay's clients",
        query=ConnectionQuery,
        reply=StoppedKernel,
        proof=True,
    )
    async def get(self, kernel_id: str, query: ConnectionQuery) -> StoppedKernel:
        return await self.shutdown(qualified(kernel_id, query.conn))

    async def shutdown(self, kernel_id: str) -> StoppedKernel:
        await self.relays.shutdown(kernel_id)
        self.events.emit("kernel_shutdown", user=self.username, kernel_id=kernel_id)
        return StoppedKernel(kernel_id, kernel_id)


class InterruptHandler(KernelHandler):
    @verb("write", "Interrupt a kernel", query=ConnectionQuery, reply=KernelId)
    async def post(self, kernel_id: str, query: ConnectionQuery) -> KernelId:
        kernel_id = qualified(kernel_id, query.conn)
        await self.relays.interrupt(kernel_id)
        return KernelId(kernel_id)


class RestartHandler(KernelHandler):
    @verb(
        "write",
        "Restart a kernel; answers when it is ready",
        query=ConnectionQuery,
        reply=KernelId,
    )
    async def post(self, kernel_id: str, query: ConnectionQuery) -> KernelId:
        kernel_id = qualified(kernel_id, query.conn)
        await self.relays.restart(kernel_id)
        return KernelId(kernel_id)
