"""Kernels: what is sent to spawn one, and how they are shown."""

from __future__ import annotations

from datetime import datetime

from jupyter_bridge.models.common import Answer, Body


class SpawnBody(Body):
    """How to start a kernel: `cwd` is a folder of the system, `path` one below the server's root,
    `env` is added to the server's environment, `name` is shown in lists."""

    cwd: str | None = None
    path: str | None = None
    env: dict[str, str] = {}
    name: str | None = None


class RelayModel(Answer):
    """A kernel's relay: its clients, and what its ring holds."""

    clients: int
    first_seq: int
    last_seq: int
    bytes: int


# Before a kernel has a relay.
NO_RELAY = RelayModel(clients=0, first_seq=1, last_seq=0, bytes=0)


class ExecutingModel(Answer):
    """Since when a kernel is busy, and the beginning of the code, where the relay has seen it."""

    since: datetime
    code: str | None = None


class KernelModel(Answer):
    """A kernel: the host's model, and `kernelId` for kernel-relay's clients.

    `name` is the name it was spawned with, else its kernelspec's; `conn` the connection that it
    belongs to, whose name its id begins with; `executing` is there while it is busy.
    """

    id: str
    kernelId: str  # noqa: N815 - kernel-relay's spelling
    name: str
    kernelspec: str
    execution_state: str | None
    last_activity: datetime | None
    connections: int
    relay: RelayModel
    reason: str | None = None
    conn: str | None = None
    executing: ExecutingModel | None = None


class KernelId(Answer):
    """Which kernel it was done to."""

    id: str


class StoppedKernel(KernelId):
    """Which kernel was shut down, also in kernel-relay's spelling."""

    kernelId: str  # noqa: N815
