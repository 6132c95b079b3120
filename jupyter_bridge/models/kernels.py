"""Kernels: the body to spawn one, and the answers."""

from __future__ import annotations

from datetime import datetime

from jupyter_bridge.models.common import Answer, Body


class SpawnBody(Body):
    """Options of a new kernel: `cwd` is a folder of the system, `path` one below the server's root,
    `env` is added to the server's environment, `name` is shown in lists."""

    cwd: str | None = None
    path: str | None = None
    env: dict[str, str] = {}
    name: str | None = None


class RelayModel(Answer):
    """A kernel's relay: its clients, and the content of its ring."""

    clients: int
    first_seq: int
    last_seq: int
    bytes: int


# For a kernel without a relay.
NO_RELAY = RelayModel(clients=0, first_seq=1, last_seq=0, bytes=0)


class ExecutingModel(Answer):
    """Since when a kernel is busy, and the beginning of the code, if the relay has seen it."""

    since: datetime
    code: str | None = None


class KernelModel(Answer):
    """A kernel: the host's model, and `kernelId` for kernel-relay's clients.

    `name` is the name given at the spawn, else the kernelspec's; `conn` the kernel's connection,
    which is also the prefix of its id; `executing` is set while the kernel is busy.
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
    """The id of the kernel that was acted on."""

    id: str


class StoppedKernel(KernelId):
    """The id of a kernel that was shut down, also in kernel-relay's spelling."""

    kernelId: str  # noqa: N815
