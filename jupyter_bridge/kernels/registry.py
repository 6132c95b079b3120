"""KernelRegistry: every kernel's Relay, opened when first asked for, kept as long as its kernel."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from jupyter_bridge.aio.single_flight import SingleFlight
from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.kernels.activity import Activity, can_be_told
from jupyter_bridge.kernels.connection_kernels import (
    ConnectionKernels,
    RemoteKernels,
    is_remote,
    nowhere,
)
from jupyter_bridge.kernels.host.host_events import HostEvents
from jupyter_bridge.kernels.host.manager import (
    ALIVE_PERIOD,
    SETTLE_TIME,
    HostKernels,
    PortTaken,
    exit_code,
)
from jupyter_bridge.kernels.host.state_events import StateEvents
from jupyter_bridge.kernels.model import ExecutingModel, KernelModel, RelayModel
from jupyter_bridge.kernels.policy import KernelPolicy
from jupyter_bridge.kernels.relay import Relay, dead
from jupyter_bridge.kernels.upstreams import GatewayUpstream, ZmqUpstream
from jupyter_bridge.observe import metrics
from jupyter_bridge.problems import Timeout, Unavailable

# How often a kernel is started whose port somebody else has taken meanwhile.
MAX_STARTS = 3
# How often kernels are looked after that vanish or move without a word, seconds.
WATCH_PERIOD = 1.0


class KernelRegistry:
    """The open lines, by kernel id; those of connections' kernels are in `remotes`.

    `gateway` is the host's GatewayClient if its kernels are behind one. `deadline` is how many
    seconds a kernel may take until it answers. `tell_activity` says that the relays, and not the
    host by itself, keep account of what kernels do. `on_state` hears what States tells.
    """

    def __init__(
        self,
        kernels: HostKernels,
        *,
        ring_bytes: int,
        deadline: float,
        gateway: Any = None,
        tell_activity: bool = True,
        event_logger: Any = None,
        home: Callable[[str], Awaitable[RemoteKernels]] = nowhere,
        on_state: Callable[[str, str], None] = lambda kernel_id, state: None,
        log: logging.Logger,
    ) -> None:
        self.kernels = kernels
        self.states = StateEvents(
            kernels,
            on_state,
            is_settled=self._is_settled,
            ask=self._ask,
            event_logger=event_logger,
            log=log,
        )
        self.remotes = ConnectionKernels(
            home, self._policy, ring_bytes=ring_bytes, deadline=deadline, log=log
        )
        self._ring_bytes = ring_bytes
        self._deadline = deadline
        self._gateway = gateway
        self._tells_activity = tell_activity and gateway is None and can_be_told(kernels.manager)
        self._actions = HostEvents(event_logger, self._on_action)
        self._log = log
        self._relays: dict[str, Relay] = {}
        self._openings: SingleFlight[Relay] = SingleFlight()
        self._ports: dict[str, object] = {}
        self._unwatch: dict[str, Callable[[], None]] = {}
        self._activities: dict[str, Activity] = {}
        # Kernels whose restart was asked for here; the host's event tells nothing new of them.
        self._restarting: set[str] = set()
        self._watching: asyncio.Task[None] | None = None
        metrics.RELAYS.set_function(lambda: sum(1 for _ in self._all()))
        metrics.CLIENTS.set_function(lambda: sum(relay.seats for relay in self._all()))
        metrics.RING_BYTES.set_function(lambda: sum(relay.ring.bytes for relay in self._all()))

    def _all(self) -> Iterator[Relay]:
        yield from self._relays.values()
        yield from self.remotes

    def _policy(self) -> KernelPolicy:
        manager = self.kernels.manager
        return KernelPolicy(
            frozenset(manager.allowed_message_types),
            manager.allow_tracebacks,
            manager.traceback_replacement_message,
        )

    # -- one relay -----------------------------------------------------------------------------

    async def get(self, kernel_id: str) -> Relay:
        """The kernel's relay, ready to use; opened at the first call, whoever waits for it."""
        if is_remote(kernel_id):
            return await self.remotes.get(kernel_id)
        relay = self._relays.get(kernel_id)
        if relay is not None and relay.ended is None:
            await relay.ready()
            return relay
        await self._close_relay(kernel_id)
        self.kernels.get(kernel_id)
        return await self._openings.join(kernel_id, lambda: self._open(kernel_id))

    async def _ask(self, kernel_id: str) -> None:
        # Behind a gateway the host asks the gateway, and a relay has asked already.
        if self._gateway is None and kernel_id not in self._relays:
            await self.kernels.ask(kernel_id)

    async def _open(self, kernel_id: str) -> Relay:
        manager = self.kernels.manager
        activity = Activity(manager, kernel_id) if self._tells_activity else None
        relay = Relay(
            kernel_id,
            lambda: self._upstream(kernel_id),
            session=uuid.uuid4().hex,
            policy=self._policy(),
            ring_bytes=self._ring_bytes,
            deadline=self._deadline,
            log=self._log,
            is_busy=lambda: self.kernels.is_busy(kernel_id),
            on_seats=lambda change: self.count_clients(kernel_id, change),
            activity=activity,
        )
        try:
            self._ports[kernel_id] = self.kernels.ports(kernel_id)
            # The host forgets a dead kernel before it tells us: keep hold of its manager.
            process = self.kernels.get(kernel_id)
            self._unwatch[kernel_id] = self.kernels.watch(
                kernel_id,
                lambda: relay.on_restarting(exit_code(process)),
                lambda: relay.on_dead(exit_code(process)),
            )
            await relay.open()
        except BaseException:
            self._release(kernel_id)
            await relay.close()
            raise
        self._relays[kernel_id] = relay
        if activity is not None:
            activity.take()
            self._activities[kernel_id] = activity
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
            self._actions.start()
        return relay

    def _upstream(self, kernel_id: str) -> Upstream:
        manager = self.kernels.get(kernel_id)
        if self._gateway is not None and not getattr(manager, "shell_port", 0):
            return GatewayUpstream(kernel_id, self._gateway, self._log)
        return ZmqUpstream(manager, self._log)

    def _release(self, kernel_id: str) -> None:
        self._ports.pop(kernel_id, None)
        unwatch = self._unwatch.pop(kernel_id, None)
        if unwatch is not None:
            unwatch()
        activity = self._activities.pop(kernel_id, None)
        if activity is not None:
            activity.give_back()

    # -- models --------------------------------------------------------------------------------

    async def model(self, kernel_id: str) -> KernelModel:
        if is_remote(kernel_id):
            return await self.remotes.model(kernel_id)
        return self._with_relay(await self.kernels.model(kernel_id))

    async def list(self, connection: str | None = None) -> list[KernelModel]:
        """The host's kernels, or those of a connection, which is asked now."""
        if connection is not None:
            return await self.remotes.list(connection)
        return [self._with_relay(model) for model in await self.kernels.list()]

    def _with_relay(self, model: KernelModel) -> KernelModel:
        relay = self._relays.get(model.id)
        if model.execution_state == "busy":
            since = self.states.busy_since(model.id)
            code = relay.running.code() if relay is not None else None
            model.executing = ExecutingModel.of(since, code)
        if relay is not None:
            model.relay = RelayModel.of(relay)
        return model

    # -- what is done to kernels ---------------------------------------------------------------

    async def spawn(self, kernelspec: str, **options: Any) -> str:
        """Start a kernel and wait until it answers; StartFailed if it ends instead.

        A kernel that is alive but not ready when the deadline has passed is returned as it is.
        """
        if is_remote(kernelspec):
            return await self.remotes.spawn(kernelspec, **options)
        for _ in range(MAX_STARTS - 1):
            try:
                return await self._spawn(kernelspec, **options)
            except PortTaken as problem:  # noqa: PERF203 - twice at most
                self._log.warning("%s It is started once more.", problem)
        return await self._spawn(kernelspec, **options)

    async def _spawn(self, kernelspec: str, **options: Any) -> str:
        kernel_id = await self.kernels.start(kernelspec, **options)
        opening = asyncio.ensure_future(self.get(kernel_id))
        try:
            while not opening.done():
                await asyncio.wait({opening}, timeout=ALIVE_PERIOD)
                if kernel_id not in self.kernels:  # somebody has shut it down
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

    async def interrupt(self, kernel_id: str) -> None:
        await (self.remotes if is_remote(kernel_id) else self.kernels).interrupt(kernel_id)

    def count_clients(self, kernel_id: str, change: int) -> None:
        """Tell the host of one client more or less of a kernel of its own."""
        if not is_remote(kernel_id):
            self.kernels.count_clients(kernel_id, change)
            self.states.on_clients(kernel_id)

    async def shutdown(self, kernel_id: str) -> None:
        if is_remote(kernel_id):
            await self.remotes.shutdown(kernel_id)
            return
        relay = self._relays.get(kernel_id)
        if relay is not None:
            # What the host restarts while it shuts it down would stay behind.
            await relay.settled(SETTLE_TIME)
        await self.kernels.stop(kernel_id)
        await self._drop(kernel_id)
        self.states.look()

    async def restart(self, kernel_id: str) -> None:
        """Restart a kernel; returns when it is ready again."""
        if is_remote(kernel_id):
            await self.remotes.restart(kernel_id)
            return
        self._tell_restarting(kernel_id)
        self.states.on_restarting(kernel_id)
        self._restarting.add(kernel_id)
        try:
            await self.kernels.restart(kernel_id)
        finally:
            self._restarting.discard(kernel_id)
        await self._restarted(kernel_id)
        self.states.look()

    def _is_settled(self, kernel_id: str) -> bool:
        relay = self._relays.get(kernel_id)
        restarting = kernel_id in self._restarting
        return not restarting and (relay is None or not relay.is_settling)

    def _tell_restarting(self, kernel_id: str) -> None:
        relay = self._relays.get(kernel_id)
        if relay is not None:
            relay.on_restarting()

    async def _restarted(self, kernel_id: str) -> None:
        relay = self._relays.get(kernel_id)
        if relay is None or relay.ended is not None or kernel_id not in self.kernels:
            return
        ports = self.kernels.ports(kernel_id)
        moved = ports != self._ports.get(kernel_id)
        self._ports[kernel_id] = ports
        await relay.on_restarted(moved=moved)

    async def _drop(self, kernel_id: str) -> None:
        """The kernel is gone: end its relay and let go of everything kept for it."""
        await self._openings.stop(dead(kernel_id), lambda name: name == kernel_id)
        relay = self._relays.get(kernel_id)
        if relay is not None:
            relay.on_dead()
        await self._close_relay(kernel_id)
        self.kernels.forget(kernel_id)

    async def _close_relay(self, kernel_id: str) -> None:
        relay = self._relays.pop(kernel_id, None)
        if relay is not None:
            self._release(kernel_id)
            await relay.close()

    # -- what others do to kernels -------------------------------------------------------------

    async def _on_action(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """Somebody (JupyterLab, another extension, the host itself) did something to a kernel."""
        kernel_id = data.get("kernel_id", "")
        if data.get("status") != "success" or kernel_id not in self._relays:
            return
        if data["action"] == "restart" and kernel_id not in self._restarting:
            self._tell_restarting(kernel_id)
            try:
                await self._restarted(kernel_id)
            except Timeout as problem:
                self._log.warning("%s", problem)
        elif data["action"] == "shutdown" and kernel_id not in self.kernels:
            await self._drop(kernel_id)

    async def _watch(self) -> None:
        """Notice what no event tells: kernels that were culled or moved, lines that ended."""
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
            elif self.kernels.ports(kernel_id) != self._ports.get(kernel_id):
                relay.on_restarting()
                await self._restarted(kernel_id)
            elif kernel_id in self._activities:
                self._activities[kernel_id].take()
        except Exception:  # the other kernels must still be looked after
            self._log.exception("Looking after kernel %s failed", kernel_id)

    async def close(self) -> None:
        """Close every line; the kernels themselves are the host's to stop."""
        await self.states.close()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
            self._watching = None
            self._actions.stop()
        await self._openings.stop(Unavailable("The server is stopping."))
        for kernel_id, relay in list(self._relays.items()):
            self._release(kernel_id)
            await relay.close()
        self._relays.clear()
        await self.remotes.close()
        self.kernels.close()
