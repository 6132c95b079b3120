"""ConnectionKernels: the kernels of connections, relayed under the name `<connection>:<id>`.

The kernels run on another server. The host's policy still applies: which messages may be sent, and
whether errors are shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from jupyter_bridge.aio.task_set import TaskSet
from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.kernels.backend import SETTLE_TIME, KernelBackend, relay_model
from jupyter_bridge.kernels.policy import KernelPolicy
from jupyter_bridge.kernels.relay import Relay
from jupyter_bridge.models.kernels import ExecutingModel, KernelModel
from jupyter_bridge.problems import Unavailable
from jupyter_bridge.wire.names import KernelName
from jupyter_bridge.wire.times import read_iso

OnMessages = Callable[[str, list[list[bytes]]], None]
OnLost = Callable[[str], None]


class RemoteKernels(Protocol):
    """The kernels of one connection; implemented in `connections/kernels.py`."""

    async def kernels(self) -> list[dict[str, Any]]:
        """Return Jupyter's models of the running kernels."""

    async def kernel(self, kernel_id: str) -> dict[str, Any]:
        """Return the model of one kernel; NotFound if it does not run."""

    async def open(self, kernel_id: str, on_messages: OnMessages, on_lost: OnLost) -> Upstream:
        """Return an open upstream to one kernel."""

    async def spawn(self, kernelspec: str, **how: Any) -> dict[str, Any]:
        """Start a kernel and return its model."""

    async def control(self, kernel_id: str, action: str) -> None:
        """`interrupt`, `restart` or `shutdown` a kernel."""


class RemoteUpstream(Upstream):
    """A connector's upstream to one kernel, opened after a login."""

    def __init__(self, kernels: RemoteKernels, kernel_id: str) -> None:
        self._kernels = kernels
        self._kernel_id = kernel_id
        self._upstream: Upstream | None = None

    async def open(self, on_messages: OnMessages, on_lost: OnLost) -> None:
        self._upstream = await self._kernels.open(self._kernel_id, on_messages, on_lost)

    def send(self, channel: str, parts: Sequence[bytes]) -> None:
        if self._upstream is not None:
            self._upstream.send(channel, parts)

    def is_complete(self) -> bool:
        return self._upstream is not None and self._upstream.is_complete()

    async def close(self) -> None:
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            await upstream.close()


class ConnectionKernels(KernelBackend):
    """The relays of connections' kernels. `kernels_of(connection)` raises if it has none."""

    def __init__(
        self,
        kernels_of: Callable[[str], Awaitable[RemoteKernels]],
        policy: Callable[[], KernelPolicy],
        **how: Any,
    ) -> None:
        super().__init__(policy, **how)
        self._kernels_of = kernels_of
        self._leaving = TaskSet()

    async def _find(self, name: str) -> tuple[RemoteKernels, KernelName]:
        parsed = KernelName.parse(name)
        return await self._kernels_of(str(parsed.connection)), parsed

    async def _open(self, name: str) -> Relay:
        remote, parsed = await self._find(name)
        model = await remote.kernel(parsed.rest)
        busy = model.get("execution_state") == "busy"
        relay = self._new_relay(
            name, lambda: RemoteUpstream(remote, parsed.rest), is_busy=lambda: busy
        )
        try:
            await relay.open()
        except BaseException:
            await relay.close()
            raise
        for other, known in list(self._relays.items()):
            if known.ended is not None:
                await self._close_relay(other)
        self._relays[name] = relay
        return relay

    async def model(self, name: str) -> KernelModel:
        remote, parsed = await self._find(name)
        return self._to_model(str(parsed.connection), await remote.kernel(parsed.rest))

    async def list(self, connection: str) -> list[KernelModel]:
        """Return the kernels of one connection, requested now."""
        models = await (await self._kernels_of(connection)).kernels()
        return [self._to_model(connection, model) for model in models]

    def _to_model(self, connection: str, model: dict[str, Any]) -> KernelModel:
        name = str(KernelName(connection, str(model["id"])))
        relay = self._relays.get(name)
        # The remote does not send the time; a relay knows it for code begun since it opened.
        since = relay.running.since if relay is not None else None
        code = relay.running.code() if relay is not None else None
        return KernelModel(
            id=name,
            kernelId=name,
            conn=connection,
            name=str(model.get("name", "")),
            kernelspec=str(model.get("kernelspec") or model.get("name", "")),
            execution_state=model.get("execution_state"),
            last_activity=read_iso(model.get("last_activity")),
            connections=int(model.get("connections") or 0),
            relay=relay_model(relay),
            executing=None if since is None else ExecutingModel(since, code),
        )

    # -- actions on kernels --------------------------------------------------------------------

    async def spawn(self, kernelspec: str, **options: Any) -> str:
        remote, parsed = await self._find(kernelspec)
        how = {key: value or None for key, value in options.items()}
        model = await remote.spawn(parsed.rest, **how)
        spawned = str(KernelName(parsed.connection, str(model["id"])))
        try:
            await self.get(spawned)
        except BaseException:
            await remote.control(model["id"], "shutdown")
            raise
        return spawned

    async def interrupt(self, name: str) -> None:
        remote, parsed = await self._find(name)
        await remote.control(parsed.rest, "interrupt")

    async def restart(self, name: str) -> None:
        remote, parsed = await self._find(name)
        if (relay := self._live(name)) is not None:
            relay.on_restarting()
        await remote.control(parsed.rest, "restart")
        if relay is not None:
            await relay.on_restarted(moved=False)

    async def shutdown(self, name: str) -> None:
        remote, parsed = await self._find(name)
        relay = self._relays.get(name)
        if relay is not None:
            await relay.settled(SETTLE_TIME)
        await remote.control(parsed.rest, "shutdown")
        if relay is not None:
            relay.on_dead()
        await self._close_relay(name)

    def leave(self, connection: str) -> None:
        """End the relays of a connection after its logout; the kernels continue."""

        def is_its(name: str) -> bool:
            return KernelName.parse(name).connection == connection

        left = Unavailable(f"The connection {connection} was logged out.")
        self._openings.give_up(left, is_its)
        for name in filter(is_its, list(self._relays)):
            self._relays[name].end(left)
            self._leaving.start(self._close_relay(name))

    async def close(self) -> None:
        await super().close()
        await self._leaving.settle()
