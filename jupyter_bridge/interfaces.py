"""Where the parts end and plug-ins begin: a kernel's line and a console's line, abstract.

A connector that offers kernels returns an `Upstream`; one that offers consoles returns a `Source`.
Neither needs to know the relay or the consoles, and they need not know the connectors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jupyter_bridge.problems import Unsupported


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

    def is_complete(self) -> bool:
        """Whether every channel is connected; a line of several connections may lack one at first.

        What the kernel asks on a channel that is not connected is lost.
        """
        return True

    @abstractmethod
    async def close(self) -> None:
        """Close the line and everything it holds; closing twice is fine."""


@dataclass(frozen=True)
class Exit:
    """How a console ended: `code` is what a shell would put into `$?`, `signal` a name (SIGKILL).

    Both are None when nobody knows: the server was stopped, the line broke.
    """

    code: int | None = None
    signal: str | None = None


class Source(ABC):
    """Where a console's bytes come from and where its input goes.

    A Source is opened once, by its Console, and calls back on the event loop only.
    """

    kind = "remote"
    title = ""
    # Whether it is a terminal with a shell in it that nobody on the other side types commands for:
    # then a run is typed through the line (consoles/run/line/command.py).
    has_shell = False
    # How often the line broke and was mended in a way that may have lost something unnoticed.
    breaks = 0

    @property
    def offset(self) -> int | None:
        """How far the other side has come by its own count, in bytes; None where it has none."""
        return None

    def recall(self, tail: bytes) -> bool:
        """Before `open`: `tail` is the end of what an earlier line to the same thing gave.

        True if this line goes on from there, as far as the other side still holds it, and tells
        itself what is missing; otherwise it begins anew.
        """
        return False

    @abstractmethod
    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        """Start the line, and from then on call back on the event loop.

        `on_output(data)` gets the bytes exactly as they came. `on_gap(lost)` says that so many
        bytes (at least 1; an estimate where nobody can know) are missing before the next output.
        `on_end(exit)` is called at most once, last. Raises a Problem when there is no line.
        """

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Type `data`; returns when the other side has taken it, and never blocks the loop."""

    def resize(self, rows: int | None, cols: int | None) -> None:  # noqa: B027
        """The size of the smallest writer's screen; None when no writer has one. May be ignored."""

    def pause(self) -> None:  # noqa: B027
        """The disk is behind: stop reading for a while, where that is possible."""

    def resume(self) -> None:  # noqa: B027
        """Read on after `pause`."""

    async def end(self) -> None:
        """End the thing itself (a terminal's processes); `on_end` follows."""
        raise Unsupported(f"A {self.kind} console cannot be ended from here.")

    @abstractmethod
    async def close(self) -> None:
        """Let go of the line and leave the thing itself alone; closing twice is fine."""
