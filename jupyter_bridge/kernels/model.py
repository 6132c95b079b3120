"""KernelModel: one kernel as the routes show it, what it runs and its relay with it."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

from jupyter_bridge.wire.times import to_iso

if TYPE_CHECKING:
    from jupyter_bridge.kernels.relay import Relay


class RelayModel(msgspec.Struct):
    """A relay as the routes show it: seats, and what its ring holds."""

    clients: int = 0
    first_seq: int = 1
    last_seq: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, relay: Relay) -> RelayModel:
        ring = relay.ring
        return cls(relay.seats, ring.first, ring.end - 1, ring.bytes)


class ExecutingModel(msgspec.Struct):
    """What a busy kernel is doing: since when (ISO 8601 UTC), and the beginning of the code.

    `code` is known where a relay has seen what runs; there is none while it does something else.
    """

    since: str
    code: str | UnsetType = UNSET

    @classmethod
    def of(cls, since: datetime.datetime | None, code: str | None) -> ExecutingModel | UnsetType:
        """The model, if it is known since when."""
        return UNSET if since is None else cls(to_iso(since), UNSET if code is None else code)


class KernelModel(msgspec.Struct, kw_only=True):
    """A kernel as the routes show it: the host's model, and `kernelId` for kernel-relay's clients.

    `name` is the name it was spawned with, else its kernelspec's; `conn` the connection that it
    belongs to, whose name its id begins with; `executing` is there while it is busy.
    """

    id: str
    kernelId: str  # noqa: N815 - kernel-relay's spelling
    name: str
    kernelspec: str
    execution_state: str | None
    last_activity: str | None
    connections: int
    reason: str | UnsetType = UNSET
    conn: str | UnsetType = UNSET
    executing: ExecutingModel | UnsetType = UNSET
    relay: RelayModel = msgspec.field(default_factory=RelayModel)
