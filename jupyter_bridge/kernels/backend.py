"""KernelBackend: the kernels of one place, each behind a relay that opens at the first use."""

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

# The longest time that a running start delays a shutdown, seconds.
SETTLE_TIME = 10.0


class KernelBackend(ABC):
    """Relays by kernel name, and the actions on kernels. A relay lives as long as its kernel.

    `policy()` is the host's and applies to every kernel. `deadline` is the longest time until a
    kernel answers, in seconds.
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
        """Return the kernel's relay, ready to use; all first callers share one opening."""
        if (relay := self._live(name)) is not None:
            await relay.ready()
            return relay
        await self._close_relay(name)
        return await self._openings.join(name, lambda: self._open(name))

    def _live(self, name: str) -> Relay | None:
        """Return the kernel's relay if it is open."""
        relay = self._relays.get(name)
        return None if relay is None or relay.ended is not None else relay

    @abstractmethod
    async def _open(self, name: str) -> Relay:
        """Open and store the kernel's relay; NotFound if there is no such kernel."""

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

    @abstractmethod
    async def model(self, name: str) -> KernelModel:
        """Return the kernel's model."""

    @abstractmethod
    async def spawn(self, kernelspec: str, **options: Any) -> str:
        """Start a kernel, wait until it answers, and return its name."""

    @abstractmethod
    async def interrupt(self, name: str) -> None:
        """Interrupt the kernel."""

    @abstractmethod
    async def restart(self, name: str) -> None:
        """Restart a kernel, and wait until it is ready."""

    @abstractmethod
    async def shutdown(self, name: str) -> None:
        """Shut down a kernel, and end its relay."""

    async def close(self) -> None:
        """Close every relay; the kernels continue."""
        await self._openings.stop(Unavailable("The server is stopping."))
        for name in list(self._relays):
            await self._close_relay(name)


def relay_model(relay: Relay | None) -> RelayModel:
    """Return the model of a kernel's relay."""
    if relay is None:
        return NO_RELAY
    ring = relay.ring
    return RelayModel(relay.channel_count, ring.first, ring.end - 1, ring.bytes)
