"""ExecutionStore: the executions that run or can still be read."""

from __future__ import annotations

from weakref import WeakValueDictionary

from jupyter_bridge.aio.result_store import Limits, ResultStore
from jupyter_bridge.kernels.executions.execution import Execution
from jupyter_bridge.kernels.registry import KernelRegistry
from jupyter_bridge.models.executions import ExecuteBody
from jupyter_bridge.problems import Problem
from jupyter_bridge.wire.outputs.displays import Displays

# The most bytes of all results, and their largest number. A client may make any number of results:
# the server may grow by a quarter of what docs/performance.md allows a hostile client, as the
# kernel's ring grows, too.
TOTAL_BYTES = 16 << 20
TOTAL_EXECUTIONS = 10_000
# The most executions that run or wait for their kernel, and the most bytes of their bodies.
MAX_RUNNING = 1_000
MAX_RUNNING_BYTES = 64 << 20


class ExecutionStore(ResultStore[Execution]):
    """Start and find executions; each is kept `keep` seconds after its end."""

    def __init__(self, relays: KernelRegistry, *, keep: float) -> None:
        limits = Limits(MAX_RUNNING, MAX_RUNNING_BYTES, TOTAL_EXECUTIONS, TOTAL_BYTES)
        super().__init__("execution", keep, limits)
        self.relays = relays
        self._displays: WeakValueDictionary[str, Displays] = WeakValueDictionary()

    async def start(
        self, user: str, where: str, body: ExecuteBody, *, ephemeral: bool, key: str | None = None
    ) -> Execution:
        """Run `body` on the kernel `where`, or, if `ephemeral`, on a new one of that kernelspec.

        A second call of the same user with the same `key` gets the first call's execution.
        """
        body.check()
        if key is None:
            return await self._start(where, body, ephemeral)
        return await self.once(
            (user, where, key), body, lambda: self._start(where, body, ephemeral)
        )

    async def _start(self, where: str, body: ExecuteBody, ephemeral: bool) -> Execution:
        self.check_room(body.size)
        relays = self.relays
        kernel_id = await relays.spawn(where) if ephemeral else where

        async def end(execution: Execution) -> None:
            if ephemeral:
                await self._stop(kernel_id)
            self.end(execution)

        try:
            relay = await relays.get(kernel_id)
            execution = Execution(
                relay,
                body,
                interrupt=lambda: relays.interrupt(kernel_id),
                on_end=end,
                displays=self._displays.setdefault(kernel_id, Displays()),
                on_resize=self.resize,
            )
            # Others may have started while the kernel got ready.
            self.check_room(body.size)
            execution.start()
        except BaseException:
            if ephemeral:
                await self._stop(kernel_id)
            raise
        self.add(execution, body.size)
        return execution

    def _release(self, result: Execution) -> None:
        result.release()

    async def _stop(self, kernel_id: str) -> None:
        try:
            await self.relays.shutdown(kernel_id)
        except Problem:
            return  # already dead

    async def close(self) -> None:
        """Discard all executions; their code continues on the kernels."""
        await super().close()
        for execution in self:
            await execution.close()
