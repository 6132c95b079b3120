"""What the authorizer is asked about on every kernel route."""

from __future__ import annotations

import msgspec

from jupyter_bridge.relay.remotes import is_remote

# The bridge's own resource, and the host's, so that what the host forbids stays forbidden.
RESOURCES = ("bridge:kernels", "kernels")


class ConnQuery(msgspec.Struct):
    """`conn` is the connection whose kernel is meant; `<conn>:<id>` in the path says the same."""

    conn: str | None = None


def resources_of(name: str) -> tuple[str, ...]:
    """What is asked for one kernel, or one to be spawned: its connection is beside it."""
    return (*RESOURCES, "bridge:connections") if is_remote(name) else RESOURCES
