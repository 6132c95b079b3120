"""The interfaces of plug-ins: `Upstream`, the way to a kernel, and `Source`, a console's bytes.

A connector that offers kernels returns an `Upstream`; one that offers consoles returns a `Source`.
Connectors know neither relays nor consoles, and these do not know connectors.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from jupyter_bridge.problems import Unsupported
from jupyter_bridge.wire.shell.remote_startup import RemoteShell

# An exit code has at most 32 bits on any system; a signal is SIGKILL, SIGRTMIN+3 or the like.
_MAX_CODE = 2**32
_SIGNAL = re.compile(r"[A-Z][A-Z0-9+-]{0,30}")


class Upstream(ABC):
    """The way to one kernel: parts in, parts out, signatures checked and made.

    `parts` are the frames of a Jupyter message without identities, delimiter and signature:
    header, parent_header, metadata, content (JSON as UTF-8), then any binary buffers.
    """

    @abstractmethod
    async def open(
        self,
        on_messages: Callable[[str, list[list[bytes]]], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """Connect; the callbacks are called on the event loop.

        `on_messages(channel, messages)` gets the messages of one tick, in order, each as its parts.
        `on_lost(reason)` is called at most once, when the upstream has lost the kernel and stopped
        reconnecting. Raises a Problem if the kernel cannot be reached.
        """

    @abstractmethod
    def send(self, channel: str, parts: Sequence[bytes]) -> None:
        """Send one message on `shell`, `control` or `stdin`; never blocks."""

    def is_complete(self) -> bool:
        """Whether every channel is connected; at first one of several sockets may be missing.

        The kernel's messages on a channel that is not connected are lost.
        """
        return True

    @abstractmethod
    async def close(self) -> None:
        """Close all sockets; closing twice is fine."""


@dataclass(frozen=True)
class Exit:
    """How a console ended: `code` as in a shell's `$?`, `signal` by name (SIGKILL).

    Both are None if unknown: the server was stopped, the connection was lost.
    """

    code: int | None = None
    signal: str | None = None

    @classmethod
    def read(cls, given: object) -> Exit:
        """Return the Exit in `{code, signal}` of a remote or a file; None for what is neither."""
        values = given if isinstance(given, dict) else {}
        code, signal = values.get("code"), values.get("signal")
        # Not a bool, which is an int, too.
        known = type(code) is int and -_MAX_CODE <= code <= _MAX_CODE
        named = isinstance(signal, str) and _SIGNAL.fullmatch(signal)
        return cls(code if known else None, signal if named else None)


class Source(ABC):
    """Where a console's bytes come from, and where its input goes.

    A Source is opened once, by its Console. Its callbacks run on the event loop.
    """

    kind = "remote"
    title = ""
    # Whether it is a terminal with a shell in which the remote runs no commands by itself: then the
    # bridge types them (consoles/run/line/).
    has_shell = False
    # That shell, if this server started it so that it tells its prompt.
    remote_shell: RemoteShell | None = None
    # How often it has reconnected in a way that may have lost output unnoticed.
    breaks = 0
    # Whether it waits for something that is not there yet.
    is_missing = False
    # The screen's rows and columns, if known, and who is told of each later size.
    size: tuple[int, int] | None = None
    on_size: Callable[[int, int], None] = staticmethod(lambda rows, cols: None)

    @property
    def echo(self) -> Literal["tty", "editor", "none"] | None:
        """Who shows typed text in the output: the tty or what reads it; None if unknown."""
        return None

    @property
    def offset(self) -> int | None:
        """The remote's own offset of the end, in bytes; None if it has no offsets."""
        return None

    def recall(self, tail: bytes) -> bool:
        """Called before `open`; `tail` is the end of the output of an earlier source.

        Return True if this source resumes there, as far as the remote still has the output, and
        reports gaps itself; otherwise it starts without the earlier output.
        """
        return False

    @abstractmethod
    async def open(
        self,
        on_output: Callable[[bytes], None],
        on_gap: Callable[[int], None],
        on_end: Callable[[Exit], None],
    ) -> None:
        """Open the source; the callbacks are called on the event loop.

        `on_output(data)` gets the bytes unchanged. `on_gap(lost)` reports that `lost` bytes (at
        least 1, perhaps an estimate) are missing before the next output. `on_end(exit)` is called
        at most once, last. Raises a Problem if the source cannot be opened.
        """

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Type `data`; returns when the other side has accepted it, and never blocks the loop."""

    def sized(self, rows: int, cols: int) -> None:
        """Report the size that the screen has now."""
        self.size = (rows, cols)
        self.on_size(rows, cols)

    def resize(self, rows: int | None, cols: int | None) -> None:  # noqa: B027
        """Set the size of the smallest writer's screen; None if none has one. May be ignored."""

    def follow(self) -> None:  # noqa: B027
        """Somebody waits for more output. Called often; sources that push it need not care."""

    def pause(self) -> None:  # noqa: B027
        """Stop reading, if possible: the disk or a client is behind. Each has its `resume`."""

    def resume(self) -> None:  # noqa: B027
        """Continue reading after `pause`."""

    async def end(self) -> None:
        """End the other side (a terminal's processes); `on_end` follows."""
        raise Unsupported(f"A {self.kind} console cannot be ended from here.")

    @abstractmethod
    async def close(self) -> None:
        """Close this end and leave the other side running; closing twice is fine."""
