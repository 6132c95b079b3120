"""UpstreamLink: the way to one kernel, which may be laid anew; what is sent meanwhile is held."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_bridge.interfaces import Upstream
from jupyter_bridge.problems import Unavailable

# What clients may send while a line is being mended: bytes and messages, less than what may wait
# for a kernel to read it.
MAX_HELD, MAX_HELD_MESSAGES = 16 << 20, 900


class UpstreamLink:
    """`open` it, again wherever the kernel has moved, and `close` it at the end.

    `connect` makes a new, unopened Upstream, which calls the other two.
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
        """Lay it, in place of the one that was there."""
        await self.close()
        upstream = self._connect()
        await upstream.open(self._on_messages, self._on_lost)
        self._upstream = upstream

    async def close(self) -> None:
        """Nothing is sent or heard any more; twice is fine."""
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            await upstream.close()

    def is_complete(self) -> bool:
        """Whether every channel is connected."""
        return self._upstream is not None and self._upstream.is_complete()

    def send(self, channel: str, parts: list[bytes]) -> None:
        """Send now, or not at all where there is no line."""
        if self._upstream is not None:
            self._upstream.send(channel, parts)

    def put(self, channel: str, parts: list[bytes]) -> None:
        """Send now, or as soon as there is a line; Unavailable if too much waits for one."""
        if self._upstream is not None:
            self._upstream.send(channel, parts)
        else:
            self.hold(channel, parts)

    def hold(self, channel: str, parts: list[bytes]) -> None:
        """Keep it until `release`; Unavailable if too much is kept."""
        size = sum(map(len, parts))
        if self._held_bytes + size > MAX_HELD or len(self._held) >= MAX_HELD_MESSAGES:
            raise Unavailable("The kernel is on its way back; try again in a moment.")
        self._held.append((channel, parts))
        self._held_bytes += size

    def release(self) -> None:
        """Send what was held, in order, if there is a line."""
        if self._upstream is None:
            return
        held, self._held, self._held_bytes = self._held, [], 0
        for channel, parts in held:
            self._upstream.send(channel, parts)
