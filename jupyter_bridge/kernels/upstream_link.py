"""UpstreamLink: the upstream to one kernel, replaceable; holds messages sent meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.problems import Unavailable

# The most bytes and messages held while there is no upstream: less than may wait for a kernel that
# does not read.
MAX_HELD, MAX_HELD_MESSAGES = 16 << 20, 900


class UpstreamLink:
    """`open` it, again when the kernel has moved, and `close` it at the end.

    `connect` makes a new, unopened Upstream, which calls `on_messages` and `on_lost`.
    """

    def __init__(
        self,
        connect: Callable[[], Upstream],
        on_messages: Callable[[str, list[list[bytes]]], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._connect = connect
        self._on_messages = on_messages
        self._on_lost = on_lost
        self._upstream: Upstream | None = None
        self._held: list[tuple[str, list[bytes]]] = []
        self._held_bytes = 0

    async def open(self) -> None:
        """Open the upstream, replacing the current one."""
        await self.close()
        upstream = self._connect()
        await upstream.open(self._on_messages, self._on_lost)
        self._upstream = upstream

    async def close(self) -> None:
        """Close the upstream; closing twice is fine."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            await upstream.close()

    def is_complete(self) -> bool:
        """Tell whether every channel is connected."""
        return self._upstream is not None and self._upstream.is_complete()

    def send(self, channel: str, parts: list[bytes]) -> None:
        """Send now; drop the message if there is no upstream."""
        if self._upstream is not None:
            self._upstream.send(channel, parts)

    def put(self, channel: str, parts: list[bytes]) -> None:
        """Send now, or hold the message until there is an upstream; Unavailable if too much is."""
        if self._upstream is not None:
            self._upstream.send(channel, parts)
        else:
            self.hold(channel, parts)

    def hold(self, channel: str, parts: list[bytes]) -> None:
        """Hold the message until `release`; Unavailable if too much is held."""
        size = sum(map(len, parts))
        if self._held_bytes + size > MAX_HELD or len(self._held) >= MAX_HELD_MESSAGES:
            raise Unavailable("The kernel is restarting or reconnecting. Try again in a moment.")
        self._held.append((channel, parts))
        self._held_bytes += size

    def release(self) -> None:
        """Send the held messages, in order, if there is an upstream."""
        if self._upstream is None:
            return
        held, self._held, self._held_bytes = self._held, [], 0
        for channel, parts in held:
            self._upstream.send(channel, parts)
