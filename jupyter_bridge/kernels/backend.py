"""KernelBackend: the kernels of one place, each behind a relay opened when first asked for."""

from __future__ import annotations

import logging
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from jupyter_bridge.aio.single_flight import SingleFlight
from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.kernels.policy import KernelPolicy
from jupyter_bridge.kernels.relay import Relay
from jupyter_bridge.models.kernels import NO_RELAY, KernelModel, RelayModel
from jupyter_bridge.problems import Unavailable

# How long a start that is under way may hold up a shutdown, seconds.
SETTLE_TIME = 10.0


class KernelBackend(ABC):
    """Relays by the kernels' names, and what can be done to kernels. A relay stays as long as its
    kernel.

    `policy()` is the host's, which holds for every kernel that is reached through here. `deadline`
    is how many seconds a kernel may take until it answers.
    """

    def __init__(
        self,
        policy: Callable[[], KernelPolicy],
        *,
        ring_bytes: int,
        deadline: float,
        log: logging.Logger,
    ) -> None:
        self._policy = policy
        self._ring_bytes = ring_bytes
        self._deadline = deadline
        self._log = log
        self._relays: dict[str, Relay] = {}
        self._openings: SingleFlight[Relay] = SingleFlight()

    def __iter__(self) -> Iterator[Relay]:
        return iter(list(self._relays.values()))

    async def get(self, name: str) -> Relay:
        """The kernel's relay, ready to use; opened at the first call, whoever waits for it."""
        if (relay := self._live(name)) is not None:
            await relay.ready()
            return relay
        await self._close_relay(name)
        return await self._openings.join(name, lambda: self._open(name))

    def _live(self, name: str) -> Relay | None:
        """The kernel's relay, if it has one that has not ended."""
        relay = self._relays.get(name)
        return None if relay is None or relay.ended is not None else relay

    @abstractmethod
    async def _open(self, name: str) -> Relay:
        """Open the kernel's relay and put it in its place; NotFound if there is no such kernel."""

    def _new_relay(self, name: str, connect: Callable[[], Upstream], **how: Any) -> Relay:
        return Relay(
            name,
            connect,
            session=uuid.uuid4().hex,
            policy=self._policy(),
            ring_bytes=self._ring_bytes,
            deadline=self._deadline,
            log=self._log,
            **how,
        )

    async def _close_relay(self, name: str) -> None:
        relay = self._relays.pop(name, None)
        if relay is not None:
            await relay.close()

    def count_clients(self, name: str, change: int) -> None:  # noqa: B027
        """A kernel has one client more or less."""

    @abstractmethod
    async def model(self, name: str) -> KernelModel:
        """The kernel as the routes show it."""

    @abstractmethod
    async def spawn(self, kernelspec: str, **options: Any) -> str:
        """Start a kernel and wait until it answers; returns its name."""

    @abstractmethod
    async def interrupt(self, name: str) -> None:
        """Interrupt what the kernel is doing."""

    @abstractmethod
    async def restart(self, name: str) -> None:
        """Restart a kernel; returns when it is ready again."""

    @abstractmethod
    async def shutdown(self, name: str) -> None:
        """Shut a kernel down, and end its relay."""

    async def close(self) -> None:
        """Close every relay; the kernels themselves go on."""
        await self._openings.stop(Unavailable("The server is stopping."))
        for name in list(self._relays):
            await self._close_relay(name)


def relay_model(relay: Relay | None) -> RelayModel:
    """A kernel's relay as the routes show it."""
    if relay is None:
        return NO_RELAY
    ring = relay.ring
    return RelayModel(relay.seats, ring.first, ring.end - 1, ring.bytes)
