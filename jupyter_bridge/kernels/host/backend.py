"""HostBackend: the host's kernels and their relays, also of kernels that others start or end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.kernels.activity import Activity, can_report
from jupyter_bridge.kernels.backend import SETTLE_TIME, KernelBackend, relay_model
from jupyter_bridge.kernels.gateway_upstream import GatewayUpstream
from jupyter_bridge.kernels.host.host_events import HostEvents
from jupyter_bridge.kernels.host.manager import ALIVE_PERIOD, HostKernels, PortTaken, exit_code
from jupyter_bridge.kernels.host.state_events import StateEvents
from jupyter_bridge.kernels.relay import Relay, dead
from jupyter_bridge.kernels.upstreams import ZmqUpstream
from jupyter_bridge.models.kernels import ExecutingModel, KernelModel
from jupyter_bridge.problems import Timeout

# The most starts of a kernel whose port was taken by another process.
MAX_STARTS = 3
# The period of the check for kernels that vanish or move without an event, seconds.
WATCH_PERIOD = 1.0


@dataclass
class _Hold:
    """A relay's data of the host: the kernel's ports, and the calls to undo at its end."""

    ports: object
    unwatch: Callable[[], None]
    activity: Activity | None

    def release(self) -> None:
        self.unwatch()
        if self.activity is not None:
            self.activity.give_back()


class HostBackend(KernelBackend):
    """The relays of the host's kernels.

    `gateway` is the host's GatewayClient if its kernels are behind a gateway. With `tell_activity`,
    the relays, not the host itself, track the kernels' activity. `on_state` gets the events of
    StateEvents.
    """

    def __init__(
        self,
        kernels: HostKernels,
        *,
        gateway: Any = None,
        tell_activity: bool = True,
        event_logger: Any = None,
        on_state: Callable[[str, str], None] = lambda kernel_id, state: None,
        **how: Any,
    ) -> None:
        super().__init__(kernels.policy, **how)
        self.kernels = kernels
        self.states = StateEvents(
            kernels,
            on_state,
            is_settled=self._is_settled,
            ask=self._ask,
            event_logger=event_logger,
            log=self._log,
        )
        self._gateway = gateway
        self._reports_activity = tell_activity and gateway is None and can_report(kernels.manager)
        self._actions = HostEvents(event_logger, self._on_action)
        self._holds: dict[str, _Hold] = {}
        # Kernels that are restarted through the bridge; the host's event is no news for them.
        self._restarting: set[str] = set()
        self._watching: asyncio.Task[None] | None = None

    # -- one relay -----------------------------------------------------------------------------

    async def _ask(self, kernel_id: str) -> None:
        # Behind a gateway the host asks the gateway, which an open relay makes unnecessary.
        if self._gateway is None and kernel_id not in self._relays:
            await self.kernels.ask(kernel_id)

    async def _open(self, kernel_id: str) -> Relay:
        # The host drops a dead kernel before it reports the death: keep its manager.
        process = self.kernels.get(kernel_id)
        activity = Activity(self.kernels.manager, kernel_id) if self._reports_activity else None
        relay = self._new_relay(
            kernel_id,
            lambda: self._upstream(kernel_id),
            is_busy=lambda: self.kernels.is_busy(kernel_id),
            on_channels=lambda change: self._count_clients(kernel_id, change),
            activity=activity,
        )
        unwatch = self.kernels.watch(
            kernel_id,
            lambda: relay.on_restarting(exit_code(process)),
            lambda: relay.on_dead(exit_code(process)),
        )
        self._holds[kernel_id] = _Hold(self.kernels.ports(kernel_id), unwatch, activity)
        try:
            await relay.open()
        except BaseException:
            self._holds.pop(kernel_id).release()
            await relay.close()
            raise
        self._relays[kernel_id] = relay
        if activity is not None:
            activity.take()
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
            self._actions.start()
        return relay

    def _upstream(self, kernel_id: str) -> Upstream:
        manager = self.kernels.get(kernel_id)
        if self._gateway is not None and not getattr(manager, "shell_port", 0):
            return GatewayUpstream(kernel_id, self._gateway, self._log)
        return ZmqUpstream(manager, self._log)

    async def _close_relay(self, name: str) -> None:
        if name in self._relays:
            self._holds.pop(name).release()
        await super()._close_relay(name)

    # -- models --------------------------------------------------------------------------------

    async def model(self, name: str) -> KernelModel:
        return self._with_relay(await self.kernels.model(name))

    async def list(self) -> list[KernelModel]:
        """Return the host's kernels."""
        return [self._with_relay(model) for model in await self.kernels.list()]

    def _with_relay(self, model: KernelModel) -> KernelModel:
        relay = self._relays.get(model.id)
        since = self.states.busy_since(model.id)
        if model.execution_state == "busy" and since is not None:
            model.executing = ExecutingModel(since, relay.running.code() if relay else None)
        model.relay = relay_model(relay)
        return model

    # -- actions on kernels --------------------------------------------------------------------

    async def spawn(self, kernelspec: str, **options: Any) -> str:
        """Start a kernel and wait until it answers; StartFailed if it ends instead.

        A kernel that is alive but not ready at the deadline is also returned.
        """
        for _ in range(MAX_STARTS - 1):
            try:
                return await self._spawn(kernelspec, **options)
            except PortTaken as problem:  # noqa: PERF203 - twice at most
                self._log.warning("%s Starting it again.", problem)
        return await self._spawn(kernelspec, **options)

    async def _spawn(self, kernelspec: str, **options: Any) -> str:
        kernel_id = await self.kernels.start(kernelspec, **options)
        opening = asyncio.ensure_future(self.get(kernel_id))
        try:
            while not opening.done():
                await asyncio.wait({opening}, timeout=ALIVE_PERIOD)
                if kernel_id not in self.kernels:  # shut down meanwhile
                    raise dead(kernel_id)
                await self.kernels.fail_if_dead(kernel_id, kernelspec)
            opening.result()
        except Timeout:
            self._log.warning("Kernel %s has not answered yet.", kernel_id)
        except BaseException:
            opening.cancel()
            await asyncio.wait({opening})
            await self._drop(kernel_id)
            raise
        return kernel_id

    async def interrupt(self, name: str) -> None:
        await self.kernels.interrupt(name)

    def _count_clients(self, name: str, change: int) -> None:
        self.kernels.count_clients(name, change)
        self.states.on_clients(name)

    async def shutdown(self, name: str) -> None:
        if (relay := self._relays.get(name)) is not None:
            # A kernel that the host restarts during the shutdown would keep running.
            await relay.settled(SETTLE_TIME)
        await self.kernels.stop(name)
        await self._drop(name)
        self.states.look()

    async def restart(self, name: str) -> None:
        self._report_restarting(name)
        self.states.on_restarting(name)
        self._restarting.add(name)
        try:
            await self.kernels.restart(name)
        finally:
            self._restarting.discard(name)
        await self._restarted(name)
        self.states.look()

    def _is_settled(self, kernel_id: str) -> bool:
        relay = self._relays.get(kernel_id)
        restarting = kernel_id in self._restarting
        return not restarting and (relay is None or not relay.is_settling)

    def _report_restarting(self, kernel_id: str) -> None:
        relay = self._relays.get(kernel_id)
        if relay is not None:
            relay.on_restarting()

    async def _restarted(self, kernel_id: str) -> None:
        relay = self._live(kernel_id)
        if relay is None or kernel_id not in self.kernels:
            return
        hold, ports = self._holds[kernel_id], self.kernels.ports(kernel_id)
        moved, hold.ports = ports != hold.ports, ports
        await relay.on_restarted(moved=moved)

    async def _drop(self, kernel_id: str) -> None:
        """End the relay of a kernel that is gone, and release its resources."""
        await self._openings.stop(dead(kernel_id), lambda name: name == kernel_id)
        relay = self._relays.get(kernel_id)
        if relay is not None:
            relay.on_dead()
        await self._close_relay(kernel_id)
        self.kernels.forget(kernel_id)

    # -- actions by others ---------------------------------------------------------------------

    async def _on_action(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """Handle an action on a kernel by JupyterLab, another extension or the host itself."""
        kernel_id = data.get("kernel_id", "")
        if data.get("status") != "success" or kernel_id not in self._relays:
            return
        if data["action"] == "restart" and kernel_id not in self._restarting:
            self._report_restarting(kernel_id)
            try:
                await self._restarted(kernel_id)
            except Timeout as problem:
                self._log.warning("%s", problem)
        elif data["action"] == "shutdown" and kernel_id not in self.kernels:
            await self._drop(kernel_id)

    async def _watch(self) -> None:
        """Handle what has no event: kernels that were culled or moved, relays that ended."""
        while True:
            await asyncio.sleep(WATCH_PERIOD)
            for kernel_id, relay in list(self._relays.items()):
                await self._look_after(kernel_id, relay)
            self.kernels.forget_gone()

    async def _look_after(self, kernel_id: str, relay: Relay) -> None:
        try:
            if kernel_id not in self.kernels:
                await self._drop(kernel_id)
            elif relay.ended is not None:
                await self._close_relay(kernel_id)
            elif self.kernels.ports(kernel_id) != self._holds[kernel_id].ports:
                relay.on_restarting()
                await self._restarted(kernel_id)
            elif (activity := self._holds[kernel_id].activity) is not None:
                activity.take()
        except Exception:  # the other kernels must still be checked
            self._log.exception("Checking kernel %s failed", kernel_id)

    async def close(self) -> None:
        """Close every relay; the host stops the kernels."""
        await self.states.close()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            self._watching = None
            self._actions.stop()
        await super().close()
        self.kernels.close()
