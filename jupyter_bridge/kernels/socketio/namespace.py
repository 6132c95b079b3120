"""A namespace `/{channel}/{kernel id}` of socket.io: who may open it, and the client channel."""

from __future__ import annotations

import re
from typing import Any

from jupyter_bridge.kernels.access import resources_of
from jupyter_bridge.kernels.client_channel import CHANNELS_BY_ROUTE, IOPUB, ClientChannel
from jupyter_bridge.kernels.registry import KernelRegistry
from jupyter_bridge.problems import Denied, NotFound
from jupyter_bridge.web import is_allowed

# kernel-relay's clients use their server's whole path as the namespace.
_NAMESPACE = re.compile(rf"^(?:/.*)?/({'|'.join(CHANNELS_BY_ROUTE)})/([^/]+)$")


async def join(
    relays: KernelRegistry, handler: Any, user: Any, client: str, namespace: str, after: object
) -> tuple[ClientChannel, bool]:
    """Join the kernel of a namespace; tell also whether messages name their channel.

    `client` is the connection's id, one client in all its namespaces; `after` may be the id of the
    last message that it has. Raises NotFound, Denied, and the Problems of the kernel.
    """
    found = _NAMESPACE.match(namespace)
    if found is None:
        raise NotFound(f"No namespace {namespace}. Use /channel/kernel-id.")
    names = CHANNELS_BY_ROUTE[found[1]]
    asked = resources_of(found[2])
    may_send = await is_allowed(handler, user, "execute", asked)
    if not may_send:
        if IOPUB not in names or not await is_allowed(handler, user, "read", asked):
            raise Denied(f"You may not open {found[1]} of kernels.")
        names = frozenset({IOPUB})
    relay = await relays.get(found[2])
    channel = relay.join(
        ("socket.io", client),
        client,
        names,
        after=after if isinstance(after, str) else None,
        may_send=may_send,
    )
    return channel, found[1] == "channels"
