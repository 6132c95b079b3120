"""ExecutionStore: the runs of code that are under way or can still be read."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from jupyter_bridge.aio.idempotency import Idempotency
from jupyter_bridge.kernels.executions.execution import Execution
from jupyter_bridge.kernels.executions.models import ExecuteBody
from jupyter_bridge.kernels.registry import KernelRegistry
from jupyter_bridge.problems import Busy, Gone, NotFound, Problem

# All results together, bytes; the oldest finished ones go first. A client may have as many of them
# made as it likes: the server may grow by half of what docs/performance.md allows a hostile one.
TOTAL_BYTES = 32 << 20
# How many finished ones are kept; the oldest go first.
TOTAL_EXECUTIONS = 10_000
# How many may be under way or wait for their kernel, and what they were sent together, bytes.
MAX_RUNNING = 1_000
MAX_RUNNING_BYTES = 64 << 20
# How many expired ids are remembered, to answer 410 instead of 404.
EXPIRED_IDS = 10_000


class ExecutionStore:
    """Start and find executions; each is kept `keep` seconds after its end."""

    def __init__(self, relays: KernelRegistry, *, keep: float) -> None:
        self.relays = relays
        self._keep = keep
        self._executions: dict[str, Execution] = {}
        self._expired: OrderedDict[str, None] = OrderedDict()
        self._repeats: Idempotency[Execution] = Idempotency(keep=None)
        self._names: dict[str, tuple[str, str, str]] = {}
        # What those that have ended held then, bytes.
        self._sizes: dict[str, int] = {}
        self._total = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def get(self, execution_id: str) -> Execution:
        if execution_id in self._expired:
            raise Gone("This execution's result has expired.", execution=execution_id)
        try:
            return self._executions[execution_id]
        except KeyError:
            raise NotFound(
                f"There is no execution {execution_id}.", execution=execution_id
            ) from None

    def kernel_of(self, execution_id: str) -> str:
        """The kernel that an execution runs on; empty if there is none."""
        execution = self._executions.get(execution_id)
        return "" if execution is None else execution.kernel_id

    async def start(
        self, user: str, where: str, body: ExecuteBody, *, ephemeral: bool, key: str | None = None
    ) -> Execution:
        """Run `body` on the kernel `where`, or, if `ephemeral`, on a new one of that kernelspec.

        A second call of the same user with the same `key` gets the first call's execution.
        """
        body.check()
        if key is None:
            return await self._start(where, body, ephemeral)
        name = (user, where, key)
        execution = await self._repeats.once(
            name, body, lambda: self._start(where, body, ephemeral)
        )
        if execution.id in self._executions:
            self._names[execution.id] = name
        return execution

    async def _start(self, where: str, body: ExecuteBody, ephemeral: bool) -> Execution:
        self._check_room(body.size)
        relays = self.relays
        kernel_id = await relays.spawn(where) if ephemeral else where

        async def end(execution: Execution) -> None:
            relays.count_clients(kernel_id, -1)
            if ephemeral:
                await self._stop(kernel_id)
            self._expire_later(execution)

        try:
            relay = await relays.get(kernel_id)
            execution = Execution(
                relay,
                body,
                interrupt=lambda: relays.interrupt(kernel_id),
                on_end=end,
                on_update=self._update_others,
            )
            # Others came while the kernel got ready.
            self._check_room(body.size)
            execution.start()
        except BaseException:
            if ephemeral:
                await self._stop(kernel_id)
            raise
        relays.count_clients(kernel_id, 1)
        self._executions[execution.id] = execution
        return execution

    def _check_room(self, size: int) -> None:
        """Busy if one more of `size` bytes may not begin."""
        running = [one for key, one in self._executions.items() if key not in self._timers]
        held = sum(one.body.size for one in running)
        if len(running) >= MAX_RUNNING or held + size > MAX_RUNNING_BYTES:
            raise Busy("Too many executions wait for their kernels. Interrupt some, or try later.")

    def _update_others(self, source: Execution, update: dict[str, Any]) -> None:
        for execution in self._executions.values():
            if execution is not source and execution.kernel_id == source.kernel_id:
                execution.outputs.update_display(**update)

    async def _stop(self, kernel_id: str) -> None:
        try:
            await self.relays.shutdown(kernel_id)
        except Problem:
            return  # it died by itself

    def _expire_later(self, execution: Execution) -> None:
        loop = asyncio.get_running_loop()
        self._timers[execution.id] = loop.call_later(self._keep, self._expire, execution.id)
        self._sizes[execution.id] = execution.size
        self._total += execution.size
        # Only what has ended is in _timers, oldest first: that is what may make room.
        while len(self._timers) > 1 and (
            self._total > TOTAL_BYTES or len(self._timers) > TOTAL_EXECUTIONS
        ):
            self._expire(next(iter(self._timers)))

    def _expire(self, execution_id: str) -> None:
        self._timers.pop(execution_id).cancel()
        del self._executions[execution_id]
        self._total -= self._sizes.pop(execution_id)
        if (name := self._names.pop(execution_id, None)) is not None:
            self._repeats.forget(name)
        self._expired[execution_id] = None
        if len(self._expired) > EXPIRED_IDS:
            self._expired.popitem(last=False)

    async def close(self) -> None:
        """Forget everything; code that still runs is left to its kernel."""
        for timer in self._timers.values():
            timer.cancel()
        await self._repeats.close()
        for execution in list(self._executions.values()):
            await execution.close()
        self._executions.clear()
