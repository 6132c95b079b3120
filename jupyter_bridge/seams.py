"""Where the parts end and plug-ins begin: a kernel's line and a console's line, abstract.

A connector that offers kernels returns an `Upstream`; one that offers consoles returns a `Source`.
Neither needs to know the relay or the consoles, and they need not know the connectors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence


class Upstream(ABC):
    """One open line to one kernel: parts in, parts out, signatures already dealt with.

    `parts` are the frames of a Jupyter message without identities, delimiter and signature:
    header, parent_header, metadata, content (JSON as UTF-8), then any binary buffers.
    """

    @abstractmethod
    async def open(
        self,
        on_messages: Callable[[str, list[list[bytes]]], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """Connect, and from then on call back on the event loop.

        `on_messages(channel, messages)` gets what arrived in one tick, in order, each message as
        its parts. `on_lost(reason)` is called at most once, when the line breaks and the upstream
        has given up mending it. Raises a Problem when the kernel cannot be reached.
        """

    @abstractmethod
    def send(self, channel: str, parts: Sequence[bytes]) -> None:
        """Send one message on `shell`, `control` or `stdin`; never blocks."""

    @abstractmethod
    async def close(self) -> None:
        """Close the line and everything it holds; closing twice is fine."""
